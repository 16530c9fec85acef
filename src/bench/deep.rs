//! What deep views cost: processor time against pixels, depth and the maximum of iterations, and charts of it.

use super::drawing::page;
use super::kernel::thread_time;
use crate::error::{Error, Result};
use crate::kernel::{TileClaim, TileRequest};
use crate::parallel::{Preparing, Stop};
use crate::render::{Render, RenderOptions};
use crate::sample::Channels;
use crate::scene::{Image, MaxIterations, Scene};
use serde::Serialize;
use std::fmt::Write;

/// What is varied while everything else stays.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// What is varied, with its unit.
    pub varied: &'static str,
    /// Whether its values are decimal logarithms.
    pub is_log: bool,
    /// The view, in a line.
    pub view: &'static str,
    /// The place that is shown.
    place: &'static str,
    /// The values.
    values: &'static [f64],
    /// Makes a scene of the place show a value.
    set: fn(&mut Scene, f64),
}

/// Places by the decimal logarithms of their zooms.
const DEEP: [(f64, &str); 9] = [
    (15.0, "garland"),
    (21.0, "octopus"),
    (33.0, "spark"),
    (55.0, "clover"),
    (68.0, "brooch"),
    (152.0, "constellation"),
    (284.0, "compass"),
    (620.0, "lightning"),
    (1003.0, "ripples"),
];

/// The questions, each answered by a chart.
pub const QUESTIONS: &[Question] = &[
    Question {
        varied: "pixels",
        is_log: false,
        view: "beacons, 1e60 times enlarged",
        place: "beacons",
        values: &[3_600.0, 14_400.0, 57_600.0, 230_400.0],
        set: |scene, pixels| {
            let height = (pixels * 9.0 / 16.0).sqrt().round();
            scene.image = Image::new(((height * 16.0 / 9.0).round() as u32, height as u32), 1);
        },
    },
    Question {
        varied: "zoom",
        is_log: true,
        view: "nine places of different kinds",
        place: DEEP[0].1,
        values: &[15.0, 21.0, 33.0, 55.0, 68.0, 152.0, 284.0, 620.0, 1003.0],
        set: |scene, depth| {
            let place = DEEP.iter().find(|(zoom, _)| *zoom == depth).and_then(|(_, name)| Scene::load(name).ok());
            *scene = Scene { image: scene.image.clone(), ..place.unwrap_or_default() };
        },
    },
    Question {
        varied: "maximum of iterations",
        is_log: false,
        view: "brooch, around a copy of the set of period 4504",
        place: "brooch",
        values: &[30_000.0, 100_000.0, 300_000.0, 1e6, 3e6, 1e7],
        set: |scene, max| scene.iteration.max = MaxIterations::Count(max as u64),
    },
];

/// What one value cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// The value.
    pub value: f64,
    /// Pixels of the picture, of one sample each.
    pub pixels: u64,
    /// Processor time for what all samples share, in seconds.
    pub shared: f64,
    /// Processor time for the samples, in seconds.
    pub samples: f64,
    /// Steps that were taken for the samples.
    pub executed: u64,
    /// The iterations that they are worth.
    pub useful: u64,
    /// Bytes of what all samples share.
    pub bytes: usize,
}

/// The answer to a question.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// What was varied.
    pub varied: &'static str,
    /// Whether its values are decimal logarithms.
    pub is_log: bool,
    /// The view.
    pub view: &'static str,
    /// What it cost.
    pub costs: Vec<Cost>,
}

impl Question {
    /// How many values it has.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Measures its values, on this thread, each `runs` times, of which the fastest counts; `step` is called after each.
    ///
    /// # Errors
    /// [`Error::Stopped`], and those of the kernel.
    pub fn answer(&self, size: (u32, u32), runs: u32, stop: &Stop, mut step: impl FnMut()) -> Result<Answer> {
        let mut costs = Vec::new();
        for &value in self.values {
            let mut scene = Scene::load(self.place)?;
            scene.image = Image::new(size, 1);
            (self.set)(&mut scene, value);
            let mut fastest: Option<Cost> = None;
            for _ in 0..runs {
                let cost = measured(&scene, value, stop)?;
                fastest = Some(fastest.map_or(cost, |old| Cost {
                    shared: old.shared.min(cost.shared),
                    samples: old.samples.min(cost.samples),
                    ..cost
                }));
            }
            costs.extend(fastest);
            step();
        }
        Ok(Answer { varied: self.varied, is_log: self.is_log, view: self.view, costs })
    }
}

fn measured(scene: &Scene, value: f64, stop: &Stop) -> Result<Cost> {
    let options = RenderOptions { channels: Channels::SMOOTH, ..RenderOptions::default() };
    let render = Render::with(scene, options)?;
    let began = thread_time();
    let prepared = render.prepared(&Preparing::quietly(stop))?;
    let shared = thread_time() - began;
    let (kernel, tiling) = (render.kernel(), render.tiling());
    let (mut executed, mut useful, mut words) = (0, 0, Vec::new());
    let began = thread_time();
    for index in 0..tiling.len() {
        let tile = TileRequest::from(tiling.tile(index));
        words.resize(tile.tile.area() * kernel.channels().words(), 0);
        let mut sum = [0];
        let claim = TileClaim { tiles: &[tile], words: &mut words, useful: &mut sum };
        executed += kernel.compute(&prepared, claim, stop)?.executed;
        useful += sum[0];
        if stop.is_set() {
            return Err(Error::Stopped);
        }
    }
    let samples = (thread_time() - began).as_secs_f64();
    let pixels = tiling.size().area();
    Ok(Cost { value, pixels, shared: shared.as_secs_f64(), samples, executed, useful, bytes: prepared.len() })
}

/// The width and height of a chart.
const CHART: [f64; 2] = [320.0, 240.0];

/// Where a chart's frame begins and ends within it.
const FRAME: [[f64; 2]; 2] = [[52.0, 304.0], [34.0, 196.0]];

/// The answers as charts side by side: a picture in SVG.
pub fn svg(answers: &[Answer]) -> String {
    let width = CHART[0] * answers.len() as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {0}\" width=\"{width}\" height=\"{0}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"{width}\" height=\"{0}\" fill=\"#fff\"/>\n",
        CHART[1]
    );
    for (number, answer) in answers.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<g transform=\"translate({} 0)\">", CHART[0] * number as f64);
        chart(answer, &mut text);
        text += "</g>\n";
    }
    text + "</svg>\n"
}

/// A chart with both axes logarithmic: the time for what all samples share, and that for the samples.
fn chart(answer: &Answer, text: &mut String) {
    let logs =
        |of: &dyn Fn(&Cost) -> f64| answer.costs.iter().map(|cost| of(cost).max(1e-9).log10()).collect::<Vec<_>>();
    let across: Vec<_> =
        if answer.is_log { answer.costs.iter().map(|cost| cost.value).collect() } else { logs(&|cost| cost.value) };
    let lines = [
        ("shared by all samples", "#b45309", logs(&|cost| cost.shared)),
        ("samples", "#1d4ed8", logs(&|cost| cost.samples)),
    ];
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        (low.floor(), high.ceil().max(low.floor() + 1.0))
    };
    let x_range = range(&mut across.iter().copied());
    let y_range = range(&mut lines.iter().flat_map(|line| line.2.iter().copied()));
    let x = |log: f64| FRAME[0][0] + (log - x_range.0) / (x_range.1 - x_range.0) * (FRAME[0][1] - FRAME[0][0]);
    let y = |log: f64| FRAME[1][1] - (log - y_range.0) / (y_range.1 - y_range.0) * (FRAME[1][1] - FRAME[1][0]);
    let ([left, right], [top, bottom]) = (FRAME[0], FRAME[1]);
    let _ = writeln!(text, "<text x=\"{left}\" y=\"12\" font-weight=\"bold\">{}</text>", answer.view);
    // At most six lines across, a round number of powers apart.
    let apart = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
        .into_iter()
        .find(|&apart| 6.0 * f64::from(apart) >= x_range.1 - x_range.0);
    for power in (x_range.0 as i32..=x_range.1 as i32).filter(|power| power % apart.unwrap_or(1000) == 0) {
        let at = x(power.into());
        let _ = writeln!(text, "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/>");
        let _ = writeln!(text, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">1e{power}</text>", bottom + 14.0);
    }
    for power in y_range.0 as i32..=y_range.1 as i32 {
        let at = y(power.into());
        let _ = writeln!(text, "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/>");
        let _ =
            writeln!(text, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">1e{power} s</text>", left - 4.0, at + 3.0);
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        0.5 * (left + right),
        bottom + 30.0,
        answer.varied
    );
    for (number, (name, colour, logs)) in lines.iter().enumerate() {
        let points: Vec<_> = across.iter().zip(logs).map(|(&a, &b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for point in &points {
            let (a, b) = point.split_once(',').unwrap_or_default();
            let _ = writeln!(text, "<circle cx=\"{a}\" cy=\"{b}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let at = left + 120.0 * number as f64;
        let _ = writeln!(text, "<text x=\"{at}\" y=\"27\" fill=\"{colour}\">{name}</text>");
    }
}

/// The answers as a page that needs nothing else.
pub fn html(answers: &[Answer]) -> String {
    page("What deep views cost", &svg(answers), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_show_what_was_measured() {
        let mut steps = 0;
        let mut answer = |question: &Question| question.answer((16, 9), 1, &Stop::new(), || steps += 1).unwrap();
        let answers = [answer(&QUESTIONS[2]), answer(&QUESTIONS[0])];
        assert_eq!(steps, QUESTIONS[2].len() + QUESTIONS[0].len());
        let costs = &answers[0].costs;
        // The reference ends at the period, and every sample escapes.
        assert!(costs.iter().all(|cost| (cost.pixels, cost.bytes) == (144, costs[0].bytes)), "{costs:?}");
        assert!(costs.iter().all(|cost| cost.executed > 0 && cost.executed == costs[0].executed), "{costs:?}");
        assert!(costs.iter().all(|cost| cost.shared > 0.0 && cost.samples > 0.0 && cost.useful > 5 * cost.executed));
        let pixels: Vec<_> = answers[1].costs.iter().map(|cost| cost.pixels as f64).collect();
        assert_eq!(pixels, answers[1].costs.iter().map(|cost| cost.value).collect::<Vec<_>>());
        for question in QUESTIONS {
            for &value in question.values {
                let mut scene = Scene::load(question.place).unwrap();
                (question.set)(&mut scene, value);
                assert!(scene.view != Scene::default().view, "{} {value}", question.varied);
            }
        }
        let picture = svg(&answers);
        assert_eq!(picture.matches("<circle").count(), 2 * (costs.len() + pixels.len()));
        assert!(!picture.contains("NaN") && picture.contains(QUESTIONS[2].varied), "{picture}");
        assert!(html(&answers).contains(&picture));
        let stop = Stop::new();
        stop.set();
        assert!(matches!(QUESTIONS[0].answer((16, 9), 1, &stop, || ()), Err(Error::Stopped)));
    }
}

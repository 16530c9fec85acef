//! The panel: who computed how much, how fast, and how long it took until something was seen.

use super::canvas::{Canvas, Font};
use super::engine::{Begun, Finished};
use super::overlay::{ACCENT, BRIGHT, DIM, worker_colour};
use std::time::{Duration, Instant};

/// The most workers that have a line of their own.
const MOST_LINES: usize = 16;

/// The width of a bar, in characters.
const BAR: i64 = 20;

/// What one worker did for the picture.
#[derive(Clone, Copy, Debug, Default)]
struct Worker {
    /// In finished claims.
    busy: Duration,
    /// The first piece of the claim in flight, and since when.
    hand: Option<(usize, Instant)>,
    tiles: u64,
}

impl Worker {
    /// How long it was busy, including the claim in flight.
    fn busy(&self) -> Duration {
        self.busy + self.hand.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }
}

/// What a picture has cost so far.
#[derive(Debug)]
pub(super) struct Stats {
    /// When the view changed to this picture's.
    asked: Instant,
    /// When its first step began.
    began: Option<Instant>,
    /// Time from the change to the first complete pass, and to the whole picture.
    pub(super) first: Option<Duration>,
    pub(super) full: Option<Duration>,
    workers: Vec<Worker>,
    executed: u64,
    useful: u64,
    pub(super) tiles: u64,
    planned: u64,
    kernel: String,
    /// The unit of `executed` and `useful`.
    unit: &'static str,
    /// How much is prepared for its next step, in per cent, while that lasts.
    preparing: Option<u32>,
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            asked: Instant::now(),
            began: None,
            first: None,
            full: None,
            workers: Vec::new(),
            executed: 0,
            useful: 0,
            tiles: 0,
            planned: 0,
            kernel: String::new(),
            unit: "operations",
            preparing: None,
        }
    }

    /// Records how much is prepared, in per cent.
    pub(super) fn prepare(&mut self, percent: u32) {
        self.preparing = self.preparing.max(Some(percent));
    }

    /// Preparing is over.
    pub(super) fn end_preparing(&mut self) {
        self.preparing = None;
    }

    /// The message while something is being prepared.
    pub(super) fn preparing(&self) -> Option<String> {
        self.preparing.map(|percent| format!("preparing {percent} %"))
    }

    pub(super) fn begin(&mut self, step: &Begun) {
        self.end_preparing();
        self.began.get_or_insert_with(Instant::now);
        self.workers.iter_mut().for_each(|worker| worker.hand = None);
        self.workers.resize(step.workers.max(self.workers.len()), Worker::default());
        self.planned += step.tiles.tiling.len() as u64;
        self.kernel.clone_from(&step.kernel);
        self.unit = step.unit;
    }

    /// A worker has begun the claim with this first piece, at this moment.
    pub(super) fn claimed(&mut self, worker: usize, first: usize, at: Instant) {
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.hand = Some((first, at));
        }
    }

    pub(super) fn finished(&mut self, claim: &Finished) {
        if let Some(worker) = self.workers.get_mut(claim.worker) {
            // It may have begun the next one.
            worker.hand = worker.hand.filter(|(first, _)| *first != claim.range.start);
            worker.busy += claim.busy;
            worker.tiles += claim.range.len() as u64;
        }
        self.tiles += claim.range.len() as u64;
        self.executed += claim.executed;
        self.useful += claim.costs.iter().sum::<u64>();
    }

    /// A step is complete. One with larger blocks than `COARSEST` does not count as a picture yet.
    pub(super) fn ended(&mut self, grain: u32) {
        const COARSEST: u32 = 8;
        if grain <= COARSEST {
            self.first.get_or_insert(self.asked.elapsed());
        }
    }

    /// The picture is complete.
    pub(super) fn complete(&mut self) {
        self.full.get_or_insert(self.asked.elapsed());
    }

    /// Time since the first step began, up to the end.
    fn wall(&self) -> Duration {
        let Some(began) = self.began else { return Duration::ZERO };
        self.full.map_or(began.elapsed(), |full| full.saturating_sub(began - self.asked))
    }

    /// The workers' busy time divided by workers times wall time.
    fn efficiency(&self) -> f64 {
        let busy: f64 = self.workers.iter().map(|worker| worker.busy().as_secs_f64()).sum();
        // The sum of nothing is -0.
        (busy / (self.wall().as_secs_f64() * self.workers.len() as f64).max(1e-9)).clamp(0.0, 1.0).abs()
    }

    /// How many units were executed per second so far, and how many of them were useful.
    fn speeds(&self) -> [String; 2] {
        let wall = self.wall().as_secs_f64().max(1e-9);
        [(self.executed, "executed"), (self.useful, "useful")]
            .map(|(count, what)| format!("{}{}/s {what}", scaled(count as f64 / wall), self.unit))
    }

    /// Draws the panel, with the lines of `head` first.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, head: &[String], font: Font) {
        let wall = self.wall().as_secs_f64().max(1e-9);
        let time = |time: Option<Duration>| time.map_or("...".into(), |time| format!("{} ms", time.as_millis()));
        // Between the padding on both sides; a deep view's coordinates have hundreds of digits.
        let most = (i64::from(canvas.size.0) / font.width() - 4).max(8) as usize;
        let mut lines: Vec<_> = head.iter().map(|line| (shortened(line, most), BRIGHT)).collect();
        lines.push(self.preparing().map_or_else(|| (format!("kernel {}", self.kernel), DIM), |told| (told, ACCENT)));
        let first_bar = lines.len() as i64;
        let shown = self.workers.len().min(MOST_LINES);
        let share = |worker: &Worker| (worker.busy().as_secs_f64() / wall).min(1.0);
        for (index, worker) in self.workers[..shown].iter().enumerate() {
            let bar = " ".repeat(BAR as usize);
            lines.push((
                format!("{index:>3} {bar} {:>3.0} % {:>6} tiles", 100.0 * share(worker), worker.tiles),
                worker_colour(index),
            ));
        }
        if self.workers.len() > shown {
            lines.push((format!("and {} more workers", self.workers.len() - shown), DIM));
        }
        lines.push((format!("efficiency {:.0} %", 100.0 * self.efficiency()), ACCENT));
        lines.push((format!("{} of {} tiles", self.tiles, self.planned), BRIGHT));
        lines.extend(self.speeds().map(|line| (line, BRIGHT)));
        lines.push((format!("first picture {}, full {}", time(self.first), time(self.full)), BRIGHT));
        let pad = font.width();
        canvas.lines((pad, pad), &lines, font);
        for (index, worker) in (0..).zip(&self.workers[..shown]) {
            let at =
                (2 * pad + 4 * font.width(), pad + pad / 2 + (first_bar + index) * font.height() + font.height() / 4);
            let length = BAR * font.width();
            canvas.fill(at, (length, font.height() / 2), 0x2a_2e_38, 256);
            let filled = (share(worker) * length as f64).round() as i64;
            canvas.fill(at, (filled, font.height() / 2), worker_colour(index as usize), 256);
        }
    }
}

/// A line of at most so many characters, of which it lacks the middle where it is longer.
fn shortened(line: &str, most: usize) -> String {
    const GAP: &str = "...";
    let len = line.chars().count();
    if len <= most {
        return line.to_owned();
    }
    let ends = most.saturating_sub(GAP.len());
    let (first, last) = (ends.div_ceil(2), ends / 2);
    line.chars().take(first).chain(GAP.chars()).chain(line.chars().skip(len - last)).collect()
}

/// A number with an SI prefix, to go before a unit: `3.42 G`.
fn scaled(number: f64) -> String {
    const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let step = ((number.max(1.0).log10() / 3.0) as usize).min(PREFIXES.len() - 1);
    format!("{:.2} {}", number / 1000f64.powi(step as i32), PREFIXES[step])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Render;
    use crate::scene::Scene;

    #[test]
    fn what_a_worker_has_in_hand_counts_as_busy() {
        let mut stats = Stats::new();
        let before = Instant::now().checked_sub(Duration::from_secs(1000)).unwrap();
        (stats.asked, stats.began) = (before, Some(before));
        stats.workers = vec![Worker::default(); 2];
        assert_eq!(stats.efficiency(), 0.0);
        assert!(Stats::new().efficiency().is_sign_positive(), "no work is 0, not -0");
        stats.claimed(1, 0, before);
        assert!((0.49..=0.51).contains(&stats.efficiency()), "{}", stats.efficiency());
        // Once it is finished, its own busy time counts.
        let claim = Finished {
            range: 0..1,
            words: Box::default(),
            costs: [7].into(),
            executed: 9,
            worker: 1,
            busy: Duration::from_secs(100),
        };
        stats.finished(&claim);
        stats.claimed(0, 1, before);
        stats.finished(&Finished {
            worker: 0,
            busy: Duration::ZERO,
            costs: [1].into(),
            words: Box::default(),
            ..claim
        });
        assert!((0.5..0.6).contains(&stats.efficiency()), "worker 0 has its next claim in flight");
        stats.workers[0] = Worker::default();
        assert!((0.04..=0.06).contains(&stats.efficiency()), "{}", stats.efficiency());
    }

    #[test]
    fn it_is_reported_how_much_is_prepared_until_a_step_begins() {
        let mut stats = Stats::new();
        let shown = |stats: &Stats| {
            let mut pixels = vec![0; 400 * 200];
            stats.draw(&mut Canvas { pixels: &mut pixels, size: (400, 200) }, &[], Font::new(1.0, 200));
            pixels
        };
        let before = shown(&stats);
        for (percent, told) in [(0, 0), (40, 40), (39, 40)] {
            stats.prepare(percent);
            assert_eq!(stats.preparing(), Some(format!("preparing {told} %")), "several threads report progress");
        }
        assert!(shown(&stats) != before);
        stats.end_preparing();
        assert!(stats.preparing().is_none() && shown(&stats) == before);
    }

    #[test]
    fn speeds_are_in_the_unit_of_the_work() {
        let scene = Scene::from_toml("image = { size = [64, 48] }").unwrap();
        let render = Render::new(&scene).unwrap();
        let run = |stats: &mut Stats, unit| {
            stats.begin(&Begun {
                origin: (0, 0),
                grain: 0,
                tiles: render.tiles(),
                workers: 1,
                samples: 1,
                kernel: "none".into(),
                unit,
            });
            stats.speeds()
        };
        let mut stats = Stats::new();
        assert_eq!(run(&mut stats, "grains"), ["0.00 grains/s executed", "0.00 grains/s useful"]);
        assert_eq!(run(&mut stats, render.work().unit())[0], "0.00 iterations/s executed");
    }

    #[test]
    fn long_lines_lack_their_middle() {
        assert_eq!(shortened("re -1.75", 8), "re -1.75");
        assert_eq!(shortened("re -1.7548776662466927", 12), "re -1...6927");
        let deep = format!("im {}", "0123456789".repeat(100));
        assert!((9..200).all(|most| shortened(&deep, most).chars().count() == most));
        // On the picture it ends before the edge: the last column stays as it was.
        let mut pixels = vec![7; 400 * 200];
        let mut canvas = Canvas { pixels: &mut pixels, size: (400, 200) };
        Stats::new().draw(&mut canvas, &[deep], Font::new(1.0, 200));
        assert!((0..200).all(|row| pixels[row * 400 + 399] == 7) && pixels[20 * 400 + 20] != 7);
    }

    #[test]
    fn numbers_have_prefixes() {
        assert_eq!(
            [0.0, 999.0, 1500.0, 3.42e9, 1e30].map(scaled),
            ["0.00 ", "999.00 ", "1.50 k", "3.42 G", "1000000000000000.00 P"]
        );
    }
}

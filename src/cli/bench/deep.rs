//! `bench deep`: what deep views cost, as a table and charts.

use super::super::bar::{Display, scaled};
use super::super::distinct::Files;
use super::super::signals::Signals;
use super::super::{print, print_json};
use super::args::BenchDeepArgs;
use super::busy;
use super::progress::Bar;
use super::text::time;
use fractal::bench::deep::{Answer, QUESTIONS, html, svg};
use fractal::bench::results::write_to;
use fractal::{Result, Scene};
use std::fmt::Write;

/// `fractal bench deep`.
pub(super) fn run(args: &BenchDeepArgs) -> Result<()> {
    let mut scene = Scene::default();
    scene.set(&format!("image.size={}", args.size))?;
    let signals = Signals::receive()?;
    let mut files = Files::new();
    [&args.svg, &args.html].into_iter().flatten().try_for_each(|path| files.writes(path))?;
    let open = |path: &Option<_>| path.as_ref().map(|path| signals.create(path)).transpose();
    let (drawing, page) = (open(&args.svg)?, open(&args.html)?);
    let display = Display::new(args.progress.as_deref(), false);
    busy::check(&args.busy, display, &signals.stop)?;
    let bar = Bar::new(display);
    let (mut done, all) = (0, QUESTIONS.iter().map(|question| question.len()).sum());
    let mut answers = Vec::new();
    for question in QUESTIONS {
        let step = || {
            done += 1;
            bar.step(done, all, None, question.view);
        };
        answers.push(question.answer(scene.image.size, args.runs, &signals.stop, step)?);
    }
    drop(bar);
    drawing.map_or(Ok(()), |output| write_to(output, svg(&answers)))?;
    page.map_or(Ok(()), |output| write_to(output, html(&answers)))?;
    if args.json { print_json(&answers) } else { print(answers.iter().map(table).collect::<String>()) }
}

/// An answer as people read it.
fn table(answer: &Answer) -> String {
    let mut text = format!("{}: {}\n", answer.view, answer.varied);
    for cost in &answer.costs {
        let value = if answer.is_log { format!("1e{}", cost.value) } else { cost.value.to_string() };
        let [shared, samples] = [cost.shared, cost.samples].map(time);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{value:>12}  shared {shared:>9}, {:>7}B  samples {samples:>9}, {:.1} steps and {:.1} iterations each",
            scaled(cost.bytes as f64),
            cost.executed as f64 / cost.pixels as f64,
            cost.useful as f64 / cost.pixels as f64,
        );
    }
    text
}

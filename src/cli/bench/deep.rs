//! `bench deep`: what deep views cost, as a table and charts.

use super::super::bar::scaled;
use super::super::signals::Signals;
use super::super::{print, print_json};
use super::args::BenchDeepArgs;
use super::charts::Charts;
use super::text::time;
use fractal::bench::deep::{Answer, QUESTIONS, html, svg};
use fractal::{Result, Scene};
use std::fmt::Write;

/// `fractal bench deep`.
pub(super) fn run(args: &BenchDeepArgs) -> Result<()> {
    let mut scene = Scene::default();
    scene.set(&format!("image.size={}", args.size))?;
    let signals = Signals::receive()?;
    let (charts, bar) = Charts::begin(&args.charts, &signals)?;
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
    charts.write(|| svg(&answers), || html(&answers))?;
    if args.charts.json { print_json(&answers) } else { print(answers.iter().map(table).collect::<String>()) }
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

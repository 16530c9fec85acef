//! `bench waiting`: what each model of waiting costs, as tables, JSON and a page with charts.

use super::args::BenchWaitingArgs;
use fractal::Result;

/// `fractal bench waiting`.
#[cfg(not(feature = "net"))]
pub(super) fn run(_: &BenchWaitingArgs) -> Result<()> {
    Err(fractal::Error::Unsupported(fractal::internal::NO_NET.into()))
}

#[cfg(feature = "net")]
pub(super) use measured::run;

#[cfg(feature = "net")]
mod measured {
    use super::super::super::signals::Signals;
    use super::super::super::{print, print_json};
    use super::super::charts::Charts;
    use super::super::text::{table, time};
    use super::{BenchWaitingArgs, Result};
    use fractal::bench::waiting::{Cost, Costs, Settings, html, measure, models, svg};
    use fractal::internal::waiting::find;

    /// `fractal bench waiting`.
    pub(in super::super) fn run(args: &BenchWaitingArgs) -> Result<()> {
        let named = args.model.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
        let signals = Signals::receive()?;
        let (charts, bar) = Charts::begin(&args.charts, &signals)?;
        let settings = Settings {
            connections: args.connections.clone(),
            delay: args.delay,
            models: if named.is_empty() { models() } else { named },
            runs: args.runs,
            block: args.block_one,
            python: args.python,
            program: Default::default(),
        };
        let costs = measure(&settings, &signals.stop, |what, done, all| bar.step(done, all, None, what))?;
        drop(bar);
        let text = text(&costs);
        charts.write(|| svg(&costs), || html(&costs, &text))?;
        if args.charts.json { print_json(&costs) } else { print(text) }
    }

    /// The costs as people read them: a table for each number of connections.
    fn text(costs: &Costs) -> String {
        let mut headings = vec![
            "model",
            "asked",
            "at once",
            "start",
            "wall",
            "processor",
            "KB each",
            "kernel's",
            "p50",
            "p99",
            "failed",
            "lines",
        ];
        if costs.block.is_some() {
            headings.extend(["blocked p50", "blocked p99", "stood still"]);
        }
        let row = |cost: &Cost| {
            let kilobytes = |bytes: f64| format!("{:.1}", bytes / 1e3);
            let failed: usize = cost.failed.values().sum();
            let mut row = vec![cost.model.clone(), cost.connections.to_string(), cost.at_once.to_string()];
            row.extend([cost.start, cost.wall, cost.processor].map(time));
            row.extend([cost.resident, cost.stacks].map(kilobytes));
            row.extend([cost.p50, cost.p99].map(time));
            row.extend([failed.to_string(), cost.lines.map_or(String::new(), |lines| lines.to_string())]);
            row.extend(cost.blocked.iter().flat_map(|blocked| {
                let still = if blocked.still > 0.0 { time(blocked.still) } else { "no".into() };
                [time(blocked.p50), time(blocked.p99), still]
            }));
            row
        };
        let mut text = format!("{}\n", costs.machine);
        if costs.busy {
            text += "Other programs used the processors meanwhile: times are too long.\n";
        }
        text += &format!("A server that answers after {}", time(costs.delay));
        if let Some(block) = costs.block {
            text += &format!("; blocked: the use of the first answer blocks for {}", time(block));
        }
        let rows: Vec<_> = costs.costs.iter().map(row).collect();
        text += &format!("\n{}", table(&headings, 1, &rows));
        text += "Memory is for each connection that is open at once, with the server holding all of them.\n";
        for why in &costs.left_out {
            text += &format!("{why}\n");
        }
        text
    }
}

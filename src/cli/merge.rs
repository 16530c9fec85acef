//! `merge`: a picture from the parts that shards computed.

use super::args::MergeArgs;
use super::bar::Display;
use super::distinct::Files;
use super::picture::Picture;
use super::plan::{Plan, name};
use super::render::Sinks;
use super::signals::Signals;
use super::stats::Mark;
use super::{memory, note, room, typed, written};
use fractal::colour::{Colourer, Depth};
use fractal::parallel::{Pieces, Position, Shard, worker_count};
use fractal::sink::{Estimate, Format, Records, format_for};
use fractal::{Error, Render, Result, backend};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// `fractal merge`.
pub(crate) fn run(args: &MergeArgs) -> Result<()> {
    let mark = Mark::first();
    let mut files = Files::new();
    args.parts.iter().for_each(|part| files.reads(part));
    files.writes(&args.output)?;
    let signals = Signals::receive()?;
    let mut parts = Vec::new();
    for path in &args.parts {
        parts.push(Records::open(path)?);
    }
    let shards: Vec<_> = parts.iter().filter_map(|part| part.description().shard).collect();
    let format = format_for(&args.output, args.format.as_deref())?;
    memory::check_recipe(parts[0].description(), &args.parts[0])?;
    let render = recoloured(args, &Render::of_records(parts[0].description(), parts[0].path())?, format)?;
    let mut records = Vec::new();
    for part in parts {
        let part = render.read_records(part, &signals.stop)?;
        if part.damaged() > 0 && !args.quiet {
            note(format!("`{}` is damaged; its lost tiles count as missing", part.path().display()));
        }
        records.push(Arc::new(part));
    }
    let missing = missing(&render, &records);
    if !missing.is_empty() && !args.complete {
        return Err(Error::Input(gaps(&missing, &shards)));
    }

    let name = name("-".as_ref(), render.scene()).to_string_lossy().into_owned();
    let output = PathBuf::from(&args.output);
    let costs = Estimate::uniform(render.tiling().size());
    let picture = Picture { name, render, output, is_named: true, format, owners: None, shard: None, continued: None };
    let plan = Plan {
        pictures: Vec::new(),
        backend: backend::find(backend::DEFAULT)?,
        workers: backend::SessionOptions { timed: args.verbose, ..backend::SessionOptions::default() },
        depth: if args.bits == "16" { Depth::Sixteen } else { Depth::Eight },
        trace: None,
        stats: false,
        display: Display::new(&args.progress, args.quiet),
        quiet: args.quiet,
        verbose: args.verbose,
    };
    memory::check(&picture, worker_count(None)?, false, plan.depth, true)?;
    room::check(&picture, plan.depth)?;
    let mut session = plan.backend.open(&plan.workers)?;
    let costs = (plan.display != Display::Hidden).then_some(costs);
    let sinks = Sinks::open(&plan, &picture, &signals)?;
    let outcome = sinks.run(&plan, &picture, &mut *session, records.into(), costs, &signals, &mark);
    if matches!(outcome, Err(Error::Stopped)) && !args.quiet {
        let (output, command) = (picture.output.display(), typed::again(None));
        note(format!("nothing is kept of `{output}`, but its parts are as they were; to start again: {command}"));
    }
    outcome?;
    written::report(&plan, &picture, &mark);
    Ok(())
}

/// The render of the parts, with the requested colours.
fn recoloured(args: &MergeArgs, render: &Render, format: &Format) -> Result<Render> {
    let mut scene = render.scene().clone();
    for assignment in args.colours.assignments().chain(args.set.iter().cloned()) {
        scene.set(&assignment)?;
    }
    let needs = format.channels(&Colourer::new(&scene.colour)?);
    if let Some(lacks) = render.channels().lacking(needs) {
        return Err(Error::Input(format!(
            "the parts have no {lacks}, which this picture needs: render them again with --format {} or the same --colour",
            format.name
        )));
    }
    render.of_scene(&scene)
}

/// The pieces that no part has.
fn missing(render: &Render, records: &[Arc<Records>]) -> Pieces {
    let found =
        |index| records.iter().any(|part| part.found().binary_search_by_key(&index, |found| found.index).is_ok());
    Pieces::new(render.tiling().len(), None).without(found)
}

/// The missing tiles, by shard if the parts agree on the number of shards.
fn gaps(missing: &Pieces, shards: &[Shard]) -> String {
    let (count, all) = (missing.len(), missing.of());
    let of = shards.first().map(|shard| shard.of()).filter(|of| shards.iter().all(|shard| shard.of() == *of));
    let whose = match of {
        Some(of) => {
            let mut counts = BTreeMap::<u32, usize>::new();
            for index in missing.iter() {
                *counts.entry(Shard::owner(index, of)).or_default() += 1;
            }
            let told = counts.iter().take(10).map(|(number, count)| format!("{count} of shard {number}/{of}"));
            let more = if counts.len() > 10 { format!(" and of {} more", counts.len() - 10) } else { String::new() };
            format!("{}{more}", told.collect::<Vec<_>>().join(", "))
        }
        None => {
            let ranges = missing.runs(Position::range(0..count)).take(10).map(|range| match range.len() {
                1 => format!("{}", range.start),
                _ => format!("{}–{}", range.start, range.end - 1),
            });
            let more = if missing.runs(Position::range(0..count)).nth(10).is_some() { " and more" } else { "" };
            format!("{}{more}", ranges.collect::<Vec<_>>().join(", "))
        }
    };
    format!("no part has {count} of {all} tiles: {whose}; render these, or compute them with --complete")
}

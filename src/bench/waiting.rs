//! What it costs to wait for many connections in each model: a server of our own that answers after a delay, and for each run a client
//! in a process of its own.
//!
//! Time and memory are measured apart: for memory the server holds its answers back until all connections that the model has at once
//! are there, so that they are counted together; looking at memory takes time. The client's figures are its own and those of its
//! children; the kernel's stacks are counted for the whole machine, since Linux counts no others.

mod child;
mod drawing;
mod python;
mod server;

pub(crate) use child::main;
pub use drawing::{html, svg};

pub use super::waited::{Blocked, Cost, Costs};

use super::clock::System;
use super::load::glance;
use super::machine::Machine;
use crate::backend::Program;
use crate::error::{Error, Result};
use crate::parallel::Stop;
use crate::waiting::{WAITINGS, WaitingEntry, most_connections};
use child::{Ask, Child, Found, Task};
use python::CLIENTS;
use server::{HOLD, Serve};
use std::net::SocketAddr;
use std::time::Duration;

/// How many targets a model is given that has one connection at a time.
const SERIAL: usize = 20;

/// Models that by default have fewer connections at once have a thread or a process for each, and no more here.
const MANY: usize = 1000;

/// The most targets with a process each: a start takes about a millisecond of processor time.
const STARTS: usize = 1000;

/// How many connections one address can have from another.
const AT_AN_ADDRESS: usize = 20_000;

/// For how long the machine is watched, before and after.
const GLANCE: Duration = Duration::from_millis(300);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Numbers of connections.
    pub connections: Vec<usize>,
    /// When the server answers.
    pub delay: Duration,
    /// The models.
    pub models: Vec<&'static WaitingEntry>,
    /// Number of runs; the fastest counts.
    pub runs: u32,
    /// Also measure a run in which the use of the first answer blocks for so long.
    pub block: Option<Duration>,
    /// Also measure Python's clients.
    pub python: bool,
    /// The program that is started as server and client.
    pub program: Program,
}

/// How many targets a model is given, and how many at once, where `connections` are asked for. Pools keep their size.
fn share(entry: &WaitingEntry, connections: usize) -> (usize, usize) {
    let total = match entry.name {
        "serial" => SERIAL,
        "process-each" => STARTS,
        _ => connections,
    };
    let at_once = if entry.connections < MANY { entry.connections } else { connections };
    (connections.min(total), connections.min(at_once))
}

/// Measures everything; `step` is called with what was measured, how much is done and how much there is.
///
/// # Errors
/// [`Error::Stopped`]; [`Error::Unsupported`] when a process cannot be started or ends too early.
pub fn measure(settings: &Settings, stop: &Stop, mut step: impl FnMut(&str, usize, usize)) -> Result<Costs> {
    let (mut costs, mut left_out) = (Vec::new(), Vec::new());
    let is_busy = || glance(&System, GLANCE, stop).is_some();
    let busy = is_busy();
    let most = most_connections();
    let clients: Vec<_> = if settings.python { python::found(&mut left_out) } else { Vec::new() };
    let all = settings.connections.len() * (settings.models.len() + clients.len());
    let mut done = 0;
    for &wanted in &settings.connections {
        let connections = wanted.min(most);
        if connections < wanted {
            left_out.push(format!(
                "{wanted} connections need a descriptor each at either end, and a process may have {most}: {most} are measured \
                 (`ulimit -n` raises the limit)"
            ));
        }
        for entry in &settings.models {
            let (total, at_once) = share(entry, connections);
            if total < connections {
                let most = if at_once > 1 { format!(", and {at_once} at once") } else { String::new() };
                let name = entry.name;
                left_out.push(format!("`{name}` is given {total} of {connections}{most}, since more would take long"));
            }
            if entry.in_processes && total == connections && at_once < total {
                left_out.push(format!("`{}` has {at_once} processes at once, as by default", entry.name));
            }
            let client = |ask: Ask| Child::order(&settings.program, Task::Ask(ask));
            let lines = Some(lines(entry.source));
            costs.push(Cost { lines, ..cost(entry.name, (total, at_once), settings, stop, client)? });
            done += 1;
            step(entry.name, done, all);
        }
        for &name in &clients {
            let at_once = if name == CLIENTS[0].0 { connections.min(100) } else { connections };
            costs.push(cost(name, (connections, at_once), settings, stop, |ask| python::client(&ask))?);
            done += 1;
            step(name, done, all);
        }
    }
    let block = settings.block.map(|block| block.as_secs_f64());
    // Figures change with the machine, not with every commit.
    let machine = Machine { commit: None, ..Machine::here() }.to_string();
    let busy = is_busy() || busy;
    Ok(Costs { machine, busy, delay: settings.delay.as_secs_f64(), block, costs, left_out })
}

/// Measures one client, with a server of its own for each run.
fn cost(
    model: &str,
    (total, at_once): (usize, usize),
    settings: &Settings,
    stop: &Stop,
    client: impl Fn(Ask) -> Result<Child>,
) -> Result<Cost> {
    let run = |total: usize, path: &str, block: Duration, watches: bool| -> Result<Found> {
        let addresses = total.div_ceil(AT_AN_ADDRESS).clamp(1, 200) as u8;
        let serve = Serve { addresses, delay: settings.delay, hold: at_once };
        let mut server = Child::order(&settings.program, Task::Serve(serve))?;
        let wrong = |error| Error::Unsupported(format!("a process to measure with wrote something else: {error}"));
        let addresses: Vec<SocketAddr> = serde_json::from_str(&server.line(stop)?).map_err(wrong)?;
        let path = path.to_owned();
        let mut client = client(Ask { model: model.into(), total, at_once, addresses, path, block, watches })?;
        serde_json::from_str(&client.line(stop)?).map_err(wrong)
    };
    let mut best = run(total, "/", Duration::ZERO, false)?;
    for _ in 1..settings.runs {
        let found = run(total, "/", Duration::ZERO, false)?;
        best = if found.answered >= best.answered && found.wall < best.wall { found } else { best };
    }
    let blocked = settings.block.map(|block| run(total, "/", block, false)).transpose()?;
    let held = run(at_once, HOLD, Duration::ZERO, true)?;
    let each = |bytes: u64| bytes as f64 / at_once as f64;
    Ok(Cost {
        model: model.into(),
        connections: total,
        at_once,
        start: best.start,
        wall: best.wall,
        processor: best.processor,
        resident: each(held.resident),
        stacks: each(held.stacks),
        p50: best.p50,
        p99: best.p99,
        blocked: blocked.map(|found| Blocked { p50: found.p50, p99: found.p99, still: found.still }),
        failed: best.failed,
        lines: None,
    })
}

/// Every model.
pub fn models() -> Vec<&'static WaitingEntry> {
    WAITINGS.iter().collect()
}

/// Lines of code: without blank lines, comments, imports, and the entry of the table.
fn lines(source: &str) -> usize {
    let (mut count, mut inside) = (0, None);
    for line in source.lines().map(str::trim) {
        if inside.is_none() {
            inside = match line {
                _ if line.starts_with("use ") => Some(";"),
                _ if line.contains(" ENTRY: ") => Some("};"),
                _ => None,
            };
            count += usize::from(inside.is_none() && !line.is_empty() && !line.starts_with("//"));
        }
        inside = inside.filter(|end| !line.ends_with(end));
    }
    count
}

//! A busy machine is reported before minutes are spent on it.

use super::super::bar::Display;
use super::super::{note, note_json};
use super::args::BusyArgs;
use fractal::bench::clock::System;
use fractal::bench::load::glance;
use fractal::parallel::Stop;
use fractal::{Error, Result};
use std::time::{Duration, Instant};

/// How long the machine is looked at. Its counters have a resolution of 10 ms.
const GLANCE: Duration = Duration::from_millis(300);

/// Looks whether other programs use the processors. If so, that is said; with `--wait-idle` it waits until they no longer do.
///
/// # Errors
/// [`Error::Stopped`] when it was stopped; with `--wait-idle`, when the machine remains busy.
pub(super) fn check(args: &BusyArgs, display: Display, stop: &Stop) -> Result<()> {
    if args.anyway && args.wait_idle.is_none() {
        return Ok(());
    }
    let began = Instant::now();
    let mut has_reported = false;
    loop {
        let others = glance(&System, GLANCE, stop);
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let Some(others) = others else { return Ok(()) };
        let busy = format!("other programs use {others:.2} processors");
        let Some(limit) = args.wait_idle.map(|seconds| Duration::from_secs(seconds.into())) else {
            report(
                display,
                &format!(
                    "the machine is busy: {busy}, so times will be too long and figures from them are marked; `--wait-idle` waits until \
                     it is quiet, `--anyway` measures without this warning"
                ),
            );
            return Ok(());
        };
        if began.elapsed() >= limit {
            let text = format!("the machine was still busy after {} s: {busy}", limit.as_secs());
            if args.anyway {
                report(display, &text);
                return Ok(());
            }
            return Err(Error::Unsupported(format!("{text}; with `--anyway` it is measured all the same")));
        }
        if !has_reported {
            has_reported = true;
            report(display, &format!("waiting for at most {} s until the machine is quiet: {busy}", limit.as_secs()));
        }
    }
}

fn report(display: Display, text: &str) {
    match display {
        Display::Json => note_json(&serde_json::json!({ "warning": text })),
        _ => note(format!("fractal: {text}")),
    }
}

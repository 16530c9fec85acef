//! `primes`: how many primes there are up to a number.

use super::args::PrimesArgs;
use super::distinct::Files;
use super::signals::Signals;
use super::work::{Runner, speed};
use super::{print, typed};
use fractal::internal::{PrimeCount, Primes, check_unused};
use fractal::parallel::{Sink, Work};
use fractal::sink::{Checkpoint, Description, Kept, Records};
use fractal::{Error, Result};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// `fractal primes`.
pub(crate) fn run(args: &PrimesArgs) -> Result<()> {
    let work: Arc<dyn Work> = Arc::new(Primes::up_to(args.limit)?);
    let runner = Runner::new(&args.work)?;
    let mut files = Files::new();
    [&args.checkpoint, &args.work.trace].into_iter().flatten().try_for_each(|path| files.writes(path))?;
    let signals = Signals::receive()?;
    let (checkpoint, kept) = match &args.checkpoint {
        Some(path) => open(path, &work, args.resume, &signals)?,
        None => (None, Vec::new()),
    };
    let count = Arc::new(PrimeCount::default());
    let sinks = [checkpoint.clone().map(|file| file as Arc<dyn Sink>), Some(count.clone() as _)];
    let outcome = runner.run("primes", &work, kept, sinks.into_iter().flatten().collect(), &signals);
    if let (Err(Error::Stopped), Some(file)) = (&outcome, &checkpoint) {
        let (done, all) = (file.pieces(), work.len());
        runner.note(format!("{done} of {all} segments are kept; continue with: {}", typed::again(Some("--resume"))));
    }
    let report = outcome?;
    let count = count.get();
    if !runner.is_reported() {
        return print(format!("{count}\n"));
    }
    print(format!("{count} primes up to {} {}\n", args.limit, speed(&report)))
}

/// A checkpoint and what an earlier run kept in it.
type Opened = (Option<Arc<Checkpoint>>, Vec<Arc<dyn Kept>>);

/// Opens the checkpoint at `path`, new or to be continued.
fn open(path: &Path, work: &Arc<dyn Work>, resume: bool, signals: &Signals) -> Result<Opened> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() || found.len() > 0) {
        if !resume {
            check_unused(path)?;
            return Err(Error::Usage(format!(
                "`{}` holds the finished segments of an earlier run: continue with --resume, or remove it",
                path.display()
            )));
        }
        let records = Records::open_to_go_on(path)?.read_work(&**work, &signals.stop)?;
        let checkpoint = (!records.is_complete()).then(|| Checkpoint::go_on(&records)).transpose()?;
        return Ok((checkpoint.map(Arc::new), vec![Arc::new(records)]));
    }
    let description = Description::new(work.recipe().as_ref(), work.len(), None)?;
    Ok((Some(Arc::new(Checkpoint::create(path, &description)?)), Vec::new()))
}

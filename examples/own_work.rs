//! Not a fractal at all: finding primes on every backend. A `Work` is any number of independent pieces, each a pure function from its
//! index to bytes. How many bytes need not be known in advance: some ranges of numbers have more primes than others.

use fractal::Result;
use fractal::backend::{BACKENDS, SessionOptions};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Sink, Stop, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Piece i holds the primes among the `SPAN` numbers from i · `SPAN` on.
struct Primes;

const SPAN: u32 = 10_000;

impl Work for Primes {
    fn len(&self) -> usize {
        200
    }

    /// The maximum length of a piece; a work with fixed lengths leaves out `varies` and writes into `claim.bytes()`.
    fn piece_len(&self, _: usize) -> usize {
        SPAN as usize * size_of::<u32>()
    }

    fn varies(&self) -> bool {
        true
    }

    /// What is counted, for reports, progress and traces.
    fn unit(&self) -> &'static str {
        "numbers"
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        for index in claim.range() {
            if stop.is_set() {
                return Err(fractal::Error::Stopped);
            }
            let first = index as u32 * SPAN;
            let primes = (first..first + SPAN).filter(|&n| is_prime(n));
            claim.put(index, &primes.flat_map(u32::to_ne_bytes).collect::<Vec<_>>());
            claim.add_executed(SPAN.into());
        }
        Ok(())
    }
}

fn is_prime(n: u32) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

/// Counts the primes.
#[derive(Default)]
struct Total(AtomicUsize);

impl Sink for Total {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        for piece in done.pieces() {
            self.0.fetch_add(piece.bytes.len() / size_of::<u32>(), Ordering::Relaxed);
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    // Other processes would have to recreate the work; the example `own_worker` shows how.
    for backend in BACKENDS.iter().filter(|backend| !backend.in_processes()) {
        let mut session = backend.open(&SessionOptions { timed: true, ..SessionOptions::default() })?;
        let total = Arc::new(Total::default());
        let report = session.run(Arc::new(Primes), total.clone(), &Stop::new())?;
        let (count, seconds) = (total.0.load(Ordering::Relaxed), report.wall.as_secs_f64());
        let (speed, unit) = (report.executed() as f64 / seconds / 1e6, report.unit);
        println!(
            "{:10} {count} primes in {seconds:.3} s: {speed:.1} M {unit}/s, efficiency {:.2}",
            backend.name,
            report.efficiency()
        );
        assert_eq!(count, 148_933, "the primes below two million");
    }
    Ok(())
}

//! Not a fractal at all: counting primes on every backend. A `Work` is any number of independent pieces, each a pure function from its
//! index to bytes.

use fractal::Result;
use fractal::backend::{BACKENDS, Options};
use fractal::parallel::{Claim, Done, Prepared, Sink, Stop, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Piece i counts the primes among the `SPAN` numbers from i · `SPAN` on.
struct Primes;

const SPAN: u64 = 10_000;

impl Work for Primes {
    fn len(&self) -> usize {
        200
    }

    fn piece_len(&self, _: usize) -> usize {
        size_of::<u64>()
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        for (slot, index) in claim.range().enumerate() {
            if stop.is_set() {
                return Err(fractal::Error::Stopped);
            }
            let first = index as u64 * SPAN;
            let count = (first..first + SPAN).filter(|&n| is_prime(n)).count() as u64;
            claim.bytes()[8 * slot..8 * slot + 8].copy_from_slice(&count.to_ne_bytes());
        }
        Ok(())
    }
}

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

/// Adds up the counts.
#[derive(Default)]
struct Total(AtomicU64);

impl Sink for Total {
    fn done(&self, done: &Done<'_>) -> Result<()> {
        for piece in done.pieces() {
            let count = u64::from_ne_bytes(piece.bytes.try_into().expect("eight bytes"));
            self.0.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    // Other processes would have to make the work again: the example `own_worker` shows how.
    for backend in BACKENDS.iter().filter(|backend| !backend.in_processes()) {
        let mut session = backend.open(&Options { timed: true, ..Options::default() })?;
        let total = Arc::new(Total::default());
        let report = session.run(Arc::new(Primes), total.clone(), &Stop::new())?;
        let (count, seconds) = (total.0.load(Ordering::Relaxed), report.wall.as_secs_f64());
        println!("{:10} {count} primes in {seconds:.3} s, efficiency {:.2}", backend.name, report.efficiency());
        assert_eq!(count, 148_933, "the primes below two million");
    }
    Ok(())
}

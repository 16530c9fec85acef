//! Work of your own in processes of your own program: a recipe says how to recreate the work, and `worker_main` does so.

use fractal::backend::{BACKENDS, SessionOptions, WorkKind};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Recipe, Sink, Stop, Work};
use fractal::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Piece i counts the primes among the `span` numbers from i · `span` on.
struct Primes {
    span: u64,
}

impl Primes {
    fn from_recipe(bytes: &[u8]) -> Result<Arc<dyn Work>> {
        let span = bytes.try_into().map_err(|_| Error::Input("a recipe of primes is one number".into()))?;
        Ok(Arc::new(Self { span: u64::from_le_bytes(span) }))
    }
}

impl Work for Primes {
    fn len(&self) -> usize {
        200
    }

    fn piece_len(&self, _: usize) -> usize {
        size_of::<u64>()
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        for (index, out) in claim.range().zip(claim.bytes().chunks_exact_mut(8)) {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let first = index as u64 * self.span;
            let is_prime = |&n: &u64| n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
            out.copy_from_slice(&((first..first + self.span).filter(is_prime).count() as u64).to_le_bytes());
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "primes".into(), bytes: self.span.to_le_bytes().to_vec() })
    }
}

/// Adds up the counts.
#[derive(Default)]
struct Total(AtomicU64);

impl Sink for Total {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let counts = done.bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        self.0.fetch_add(counts.sum(), Ordering::Relaxed);
        Ok(())
    }
}

fn main() -> Result<()> {
    // In a process that was started as a worker, this never returns.
    fractal::worker_main([WorkKind::new("primes", Primes::from_recipe)]);

    for backend in BACKENDS.iter().filter(|backend| backend.in_processes()) {
        let mut session = backend.open(&SessionOptions { timed: true, ..SessionOptions::default() })?;
        let total = Arc::new(Total::default());
        let report = session.run(Arc::new(Primes { span: 10_000 }), total.clone(), &Stop::new())?;
        let ids: Vec<_> = report.workers.iter().map(|worker| worker.process).collect();
        println!("{}: {} primes from processes {ids:?}", backend.name, total.0.load(Ordering::Relaxed));
        assert_eq!(total.0.load(Ordering::Relaxed), 148_933, "the primes below two million");
    }
    Ok(())
}

//! Binding workers to processors, where the system supports it.

use super::environment::Binding;
use crate::error::Result;

/// The processors of a session's workers.
#[derive(Clone, Debug)]
pub(crate) struct Pinning {
    /// Processor numbers that the process may use, in increasing order; never empty.
    processors: Vec<usize>,
    binding: Binding,
    workers: usize,
}

impl Pinning {
    /// The number of a worker's processor.
    pub(crate) fn processor(&self, worker: usize) -> usize {
        let count = self.processors.len();
        let place = match self.binding {
            Binding::Spread if self.workers < count => worker * count / self.workers,
            Binding::Close | Binding::Spread => worker,
            Binding::Primary => 0,
        };
        self.processors[place % count]
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Binding, Pinning, Result};
    use crate::error::Error;
    use rustix::io::Errno;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// Keeps the calling thread on a worker's processor until dropped.
    #[derive(Debug)]
    pub(crate) struct Pinned {
        before: CpuSet,
    }

    impl Drop for Pinned {
        fn drop(&mut self) {
            // This set was in force before; if the system took a processor away meanwhile, it chose a set itself.
            let _ = sched_setaffinity(None, &self.before);
        }
    }

    impl Pinning {
        /// Finds the processors that the process may use.
        ///
        /// # Errors
        /// [`Error::Unsupported`] when the system does not report them or does not let a thread be bound.
        pub(crate) fn new(binding: Binding, workers: usize) -> Result<Self> {
            let allowed = sched_getaffinity(None).map_err(refused)?;
            let processors: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&number| allowed.is_set(number)).collect();
            if processors.is_empty() {
                return Err(refused(Errno::NODEV));
            }
            let pinning = Self { processors, binding, workers };
            // If one thread may be bound, so may the others.
            pinning.pin(0)?;
            Ok(pinning)
        }

        /// Binds the calling thread to the processor of `worker`.
        pub(crate) fn pin(&self, worker: usize) -> Result<Pinned> {
            let before = sched_getaffinity(None).map_err(refused)?;
            let mut only = CpuSet::new();
            only.set(self.processor(worker));
            sched_setaffinity(None, &only).map_err(refused)?;
            Ok(Pinned { before })
        }
    }

    /// Binds the calling thread to a processor for good, if the system allows it.
    pub(crate) fn keep_to(processor: usize) {
        let mut only = CpuSet::new();
        if processor < CpuSet::MAX_CPU {
            only.set(processor);
            let _ = sched_setaffinity(None, &only);
        }
    }

    fn refused(error: Errno) -> Error {
        let reason = std::io::Error::from(error);
        Error::Unsupported(format!("workers cannot be pinned to processors here: {reason}; run without pinning"))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Binding, Pinning, Result};
    use crate::error::Error;

    #[derive(Debug)]
    pub(crate) struct Pinned;

    impl Pinning {
        pub(crate) fn new(_: Binding, _: usize) -> Result<Self> {
            Err(Error::Unsupported("workers can be pinned to processors on Linux only; run without pinning".into()))
        }

        pub(crate) fn pin(&self, worker: usize) -> Result<Pinned> {
            let _ = self.processor(worker);
            Ok(Pinned)
        }
    }

    pub(crate) fn keep_to(_: usize) {}
}

pub(crate) use system::keep_to;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_and_spread_choose_their_processors() {
        let places = |binding, workers| {
            let pinning = Pinning { processors: vec![0, 1, 4, 5, 8, 9], binding, workers };
            (0..workers).map(|worker| pinning.processor(worker)).collect::<Vec<_>>()
        };
        assert_eq!(places(Binding::Close, 3), [0, 1, 4]);
        assert_eq!(places(Binding::Spread, 3), [0, 4, 8]);
        assert_eq!(places(Binding::Primary, 3), [0, 0, 0]);
        assert_eq!(places(Binding::Spread, 8), [0, 1, 4, 5, 8, 9, 0, 1]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pinned_thread_runs_on_its_processor_and_is_freed() {
        use rustix::thread::{sched_getaffinity, sched_getcpu};
        let before = sched_getaffinity(None).unwrap();
        let pinning = Pinning::new(Binding::Close, 2).unwrap();
        for worker in 0..2 {
            let pinned = pinning.pin(worker).unwrap();
            assert_eq!(sched_getcpu(), pinning.processor(worker));
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            drop(pinned);
            assert_eq!(sched_getaffinity(None).unwrap(), before);
        }
    }
}

//! Where sleeping workers wake in a virtual machine: each on a processor of its own, as far as there are enough.
//!
//! Linux wakes a thread where it ran last or where its waker runs, unless it knows of an idle processor. In a virtual machine it does not
//! know: a virtual processor that sleeps counts as one that the host has taken away. So a worker often wakes behind its waker or another
//! worker, which compute, and comes to an idle processor only milliseconds later, by the next balancing. Programs that sleep between
//! runs, as one with a window does, meet this in half of their runs: a short picture took two workers 5.0 instead of 2.6 ms, as long as
//! one.
//!
//! So each resting worker is kept to the processor where it ran last, and to its part of those where no worker did: those of a team
//! until they have been woken, and those of a pool, which sleep and wake within a run, for its first milliseconds. That costs three system
//! calls for each, some 2 µs, where the waking alone costs 5 to 50.

#[cfg(target_os = "linux")]
mod system {
    use crate::system;
    use crossbeam_utils::CachePadded;
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};
    use std::thread::yield_now;

    /// The threads of some workers, and where each ran last.
    #[derive(Debug)]
    pub(crate) struct LastSeen {
        seen: Box<[CachePadded<Seen>]>,
        /// How many may have to be kept apart.
        resting: CachePadded<AtomicUsize>,
    }

    /// How often the caller yields to threads that have not said yet who they are: one that began on its processor needs that to say it.
    const YIELDS: usize = 10;

    #[derive(Debug)]
    struct Seen {
        /// 0 as long as it is not known.
        thread: AtomicI32,
        processor: AtomicUsize,
        /// Whether it sleeps, has just begun to live, or is about to sleep.
        rests: AtomicBool,
    }

    impl LastSeen {
        /// Of so many workers, which rest; `None` where the system needs no help.
        pub(crate) fn new(workers: usize) -> Option<Self> {
            static IS_VIRTUAL: LazyLock<bool> = LazyLock::new(system::is_virtual);
            (workers > 1 && *IS_VIRTUAL).then(|| Self::of(workers))
        }

        fn of(workers: usize) -> Self {
            let unknown =
                || Seen { thread: AtomicI32::new(0), processor: AtomicUsize::new(0), rests: AtomicBool::new(true) };
            let seen = (0..workers).map(|_| CachePadded::new(unknown())).collect();
            Self { seen, resting: CachePadded::new(AtomicUsize::new(workers)) }
        }

        /// This thread, which is `worker`, runs here, and rests next.
        pub(crate) fn rests(&self, worker: usize) {
            self.saw(worker, gettid().as_raw_nonzero().get() as u32, sched_getcpu());
        }

        /// The thread of `worker`, which rests, ran last on this processor.
        pub(crate) fn saw(&self, worker: usize, id: u32, on: usize) {
            let Seen { thread, processor, rests } = &*self.seen[worker];
            processor.store(on.min(CpuSet::MAX_CPU - 1), Relaxed);
            thread.store(id as i32, Relaxed);
            if !rests.swap(true, Relaxed) {
                self.resting.fetch_add(1, Relaxed);
            }
        }

        /// This worker rests no longer.
        #[inline]
        pub(crate) fn wakes(&self, worker: usize) {
            let rests = &self.seen[worker].rests;
            if rests.load(Relaxed) && rests.swap(false, Relaxed) {
                self.resting.fetch_sub(1, Relaxed);
            }
        }

        /// Keeps workers that rest to processors apart, also from the caller's if it `computes` as well: until each is released, and no
        /// longer than the returned value lives. `None` if none rests.
        #[inline]
        pub(crate) fn apart(&self, computes: bool) -> Option<Apart> {
            if self.resting.load(Relaxed) == 0 { None } else { self.kept_apart(computes) }
        }

        fn kept_apart(&self, computes: bool) -> Option<Apart> {
            let is_new = |seen: &CachePadded<Seen>| seen.rests.load(Relaxed) && seen.thread.load(Relaxed) == 0;
            (0..YIELDS).take_while(|_| self.seen.iter().any(is_new)).for_each(|_| yield_now());
            let mut used = CpuSet::new();
            if computes {
                used.set(sched_getcpu().min(CpuSet::MAX_CPU - 1));
            }
            let mut resting = Vec::new();
            for (worker, seen) in self.seen.iter().enumerate() {
                let Some(thread) = Pid::from_raw(seen.thread.load(Relaxed)) else { continue };
                let processor = seen.processor.load(Relaxed);
                let own = (!used.is_set(processor)).then_some(processor);
                used.set(processor);
                if seen.rests.load(Relaxed) {
                    resting.push((worker, thread, own));
                }
            }
            if resting.is_empty() {
                return None;
            }
            let mut kept: Vec<_> = (0..self.seen.len()).map(|_| None).collect();
            let (mut free, count) = (None, resting.len());
            for (turn, (worker, thread, own)) in resting.into_iter().enumerate() {
                let Ok(before) = sched_getaffinity(Some(thread)) else { continue };
                let is_free = |number: &usize| before.is_set(*number) && !used.is_set(*number);
                let free: &Vec<_> = free.get_or_insert_with(|| (0..CpuSet::MAX_CPU).filter(is_free).collect());
                let mut part = CpuSet::new();
                for &number in free.iter().skip(turn).step_by(count).chain(&own) {
                    if before.is_set(number) {
                        part.set(number);
                    }
                }
                if part.count() > 0 && sched_setaffinity(Some(thread), &part).is_ok() {
                    kept[worker] = Some(Kept { thread, before, is_kept: AtomicBool::new(true) });
                }
            }
            Some(Apart(kept.into()))
        }
    }

    /// Workers that are kept apart, by number.
    #[derive(Debug)]
    pub(crate) struct Apart(Box<[Option<Kept>]>);

    #[derive(Debug)]
    struct Kept {
        thread: Pid,
        /// The processors that it may use otherwise.
        before: CpuSet,
        is_kept: AtomicBool,
    }

    impl Apart {
        /// Releases a worker; false if it was released before or never kept.
        pub(crate) fn release(&self, worker: usize) -> bool {
            self.0.get(worker).and_then(Option::as_ref).is_some_and(Kept::release)
        }
    }

    impl Kept {
        fn release(&self) -> bool {
            let was_kept = self.is_kept.load(Relaxed) && self.is_kept.swap(false, Relaxed);
            if was_kept {
                // This set was in force before; if the system took a processor away meanwhile, it chose a set itself.
                let _ = sched_setaffinity(Some(self.thread), &self.before);
            }
            was_kept
        }
    }

    impl Drop for Apart {
        fn drop(&mut self) {
            for kept in self.0.iter().flatten() {
                kept.release();
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::sync::Barrier;
        use std::thread::scope;

        /// Calls `check` with what was last seen of `workers` threads that sleep, as far as these know, and their numbers.
        fn with_sleepers(workers: usize, check: impl FnOnce(&LastSeen, &[Pid])) {
            let (last_seen, begin, end) =
                (LastSeen::of(workers + 1), Barrier::new(workers + 1), Barrier::new(workers + 1));
            scope(|scope| {
                for worker in 1..=workers {
                    let (last_seen, begin, end) = (&last_seen, &begin, &end);
                    scope.spawn(move || {
                        last_seen.rests(worker);
                        begin.wait();
                        end.wait();
                    });
                }
                begin.wait();
                let threads = last_seen.seen[1..].iter().map(|seen| Pid::from_raw(seen.thread.load(Relaxed)).unwrap());
                check(&last_seen, &threads.collect::<Vec<_>>());
                end.wait();
            });
        }

        fn allowed(thread: Option<Pid>) -> Vec<usize> {
            let set = sched_getaffinity(thread).unwrap();
            (0..CpuSet::MAX_CPU).filter(|&number| set.is_set(number)).collect()
        }

        #[test]
        fn workers_wake_apart_and_are_free_afterwards() {
            let before = sched_getaffinity(None).unwrap();
            let all = allowed(None);
            let [here, other, ..] = all[..] else { return };
            with_sleepers(2, |last_seen, threads| {
                // The caller stays where it is.
                let mut only = CpuSet::new();
                only.set(here);
                sched_setaffinity(None, &only).unwrap();
                // One beside the caller, one elsewhere; both beside the caller; both elsewhere; one awake.
                for (processors, awake) in
                    [([here, other], 0), ([here, here], 0), ([other, other], 0), ([here, other], 1)]
                {
                    for (worker, processor) in (1..).zip(processors) {
                        last_seen.saw(worker, threads[worker - 1].as_raw_nonzero().get() as u32, processor);
                        if worker == awake {
                            last_seen.wakes(worker);
                        }
                    }
                    let apart = last_seen.apart(true).unwrap();
                    let kept: Vec<_> = threads.iter().map(|thread| allowed(Some(*thread))).collect();
                    let is_kept = |worker: usize| apart.0[worker + 1].is_some();
                    for worker in 0..2 {
                        assert!(is_kept(worker) != (kept[worker] == all), "{processors:?}: {kept:?}");
                        assert!(!is_kept(worker) || !kept[worker].contains(&here), "{processors:?}: {kept:?}");
                    }
                    let meet = kept[0].iter().any(|number| kept[1].contains(number));
                    assert!(!meet || !is_kept(0) || !is_kept(1), "{processors:?}: {kept:?}");
                    // Where there are enough processors, each has some.
                    assert!(all.len() < 4 || (0..2).all(|worker| is_kept(worker) == (worker + 1 != awake)), "{kept:?}");
                    assert!(is_kept(1) || processors[1] == here || processors == [other, other], "{kept:?}");
                    assert_eq!(apart.release(2), is_kept(1));
                    assert!(!apart.release(2) && allowed(Some(threads[1])) == all);
                    drop(apart);
                    assert!(threads.iter().all(|thread| allowed(Some(*thread)) == all));
                }
                sched_setaffinity(None, &before).unwrap();
            });
        }

        #[test]
        fn who_has_never_slept_is_left_alone() {
            assert!(LastSeen::of(3).apart(true).is_none());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Debug)]
    pub(crate) struct LastSeen;

    #[derive(Debug)]
    pub(crate) struct Apart;

    impl LastSeen {
        pub(crate) fn new(_: usize) -> Option<Self> {
            None
        }

        pub(crate) fn rests(&self, _: usize) {}

        pub(crate) fn wakes(&self, _: usize) {}

        pub(crate) fn apart(&self, _: bool) -> Option<Apart> {
            None
        }
    }

    impl Apart {
        pub(crate) fn release(&self, _: usize) -> bool {
            false
        }
    }
}

pub(crate) use system::{Apart, LastSeen};

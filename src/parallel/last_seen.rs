//! Where sleeping workers wake in a virtual machine: each on a processor of its own, as far as there are enough.
//!
//! Linux wakes a thread where it ran last or where its waker runs, unless it knows of an idle processor. In a virtual machine it does not
//! know: a virtual processor that sleeps counts as one that the host has taken away. So a worker often wakes behind its waker or another
//! worker, which compute, and comes to an idle processor only milliseconds later, by the next balancing. Programs that sleep between
//! runs, as one with a window does, meet this in half of their runs: a short picture took two workers 5.0 instead of 2.6 ms, as long as
//! one.
//!
//! So each resting worker is kept to the processor where it ran last, and to its part of those where no worker did, until it has been
//! woken. It is released before it calls any code of a work, since threads that this begins would be kept as well, and for ever. That
//! costs three system calls for each, some 2 µs, where the waking alone costs 5 to 50. To keep the threads of a pool apart for the first
//! milliseconds of a run would help `channel`, whose workers also sleep in between, but for the same reason is no option. Workers of a
//! team that wait without sleeping are only asked where they are: the caller may have been woken by one of them, on its processor.

#[cfg(target_os = "linux")]
mod system {
    use crate::parallel::lock;
    use crate::system;
    use crossbeam_utils::CachePadded;
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize};
    use std::sync::{LazyLock, Mutex};
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
        is_kept: AtomicBool,
        /// The processors that it may use while it is not kept.
        before: Mutex<CpuSet>,
    }

    impl LastSeen {
        /// Of so many workers, which rest; `None` where the system needs no help.
        pub(crate) fn new(workers: usize) -> Option<Self> {
            static IS_VIRTUAL: LazyLock<bool> = LazyLock::new(system::is_virtual);
            (workers > 1 && *IS_VIRTUAL).then(|| Self::of(workers))
        }

        fn of(workers: usize) -> Self {
            let unknown = || Seen {
                thread: AtomicI32::new(0),
                processor: AtomicUsize::new(0),
                rests: AtomicBool::new(true),
                is_kept: AtomicBool::new(false),
                before: Mutex::new(CpuSet::new()),
            };
            let seen = (0..workers).map(|_| CachePadded::new(unknown())).collect();
            Self { seen, resting: CachePadded::new(AtomicUsize::new(workers)) }
        }

        /// This thread, which is `worker`, runs here, and rests next.
        pub(crate) fn rests(&self, worker: usize) {
            self.saw(worker, gettid().as_raw_nonzero().get() as u32, sched_getcpu());
        }

        /// The thread of `worker`, which rests, ran last on this processor.
        pub(crate) fn saw(&self, worker: usize, id: u32, on: usize) {
            let Seen { thread, processor, rests, .. } = &*self.seen[worker];
            processor.store(on.min(CpuSet::MAX_CPU - 1), Relaxed);
            thread.store(id as i32, Relaxed);
            if !rests.swap(true, Relaxed) {
                self.resting.fetch_add(1, Relaxed);
            }
        }

        /// This thread, which is `worker`, runs here, and waits without sleeping.
        #[inline]
        pub(crate) fn waits(&self, worker: usize) {
            let (seen, here) = (&self.seen[worker].processor, sched_getcpu().min(CpuSet::MAX_CPU - 1));
            // The caller keeps the line as long as nothing is stored.
            if seen.load(Relaxed) != here {
                seen.store(here, Relaxed);
            }
        }

        /// This worker rests no longer.
        #[inline]
        pub(crate) fn wakes(&self, worker: usize) {
            self.release(worker);
            let rests = &self.seen[worker].rests;
            if rests.load(Relaxed) && rests.swap(false, Relaxed) {
                self.resting.fetch_sub(1, Relaxed);
            }
        }

        /// Keeps workers that rest to processors apart until each is released. If the caller `computes` as well, as worker 0, they are kept
        /// from its processor, and so are those that wait there: it may have been woken there by one of them. Returns whether any is kept.
        #[inline]
        pub(crate) fn keep_apart(&self, computes: bool) -> bool {
            let here = if computes { Some(sched_getcpu()) } else { None };
            let meets = |seen: &CachePadded<Seen>| Some(seen.processor.load(Relaxed)) == here;
            let any = self.resting.load(Relaxed) > 0 || computes && self.seen[1..].iter().any(meets);
            any && self.keep_those_apart(computes)
        }

        #[cold]
        fn keep_those_apart(&self, computes: bool) -> bool {
            let is_new = |seen: &CachePadded<Seen>| seen.rests.load(Relaxed) && seen.thread.load(Relaxed) == 0;
            (0..YIELDS).take_while(|_| self.seen.iter().any(is_new)).for_each(|_| yield_now());
            let mut used = CpuSet::new();
            if computes {
                used.set(sched_getcpu().min(CpuSet::MAX_CPU - 1));
            }
            let mut resting = Vec::new();
            for seen in &self.seen {
                let Some(thread) = Pid::from_raw(seen.thread.load(Relaxed)) else { continue };
                let processor = seen.processor.load(Relaxed);
                let meets = used.is_set(processor);
                let own = (!meets).then_some(processor);
                used.set(processor);
                if seen.rests.load(Relaxed) || meets && computes {
                    resting.push((seen, thread, own));
                }
            }
            let (mut free, mut any, count) = (None, false, resting.len());
            for (turn, (seen, thread, own)) in resting.into_iter().enumerate() {
                let Ok(before) = sched_getaffinity(Some(thread)) else { continue };
                let is_free = |number: &usize| before.is_set(*number) && !used.is_set(*number);
                let free: &Vec<_> = free.get_or_insert_with(|| (0..CpuSet::MAX_CPU).filter(is_free).collect());
                let mut part = CpuSet::new();
                for &number in free.iter().skip(turn).step_by(count).chain(&own) {
                    if before.is_set(number) {
                        part.set(number);
                    }
                }
                any |= part.count() > 0 && seen.keep(thread, before, &part);
            }
            any
        }

        /// Releases a worker; false if it was not kept. Afterwards it may use all processors again, whoever has released it.
        #[inline]
        pub(crate) fn release(&self, worker: usize) -> bool {
            let seen = &self.seen[worker];
            seen.is_kept.load(Acquire) && seen.release()
        }

        /// Releases all workers.
        pub(crate) fn release_all(&self) {
            (0..self.seen.len()).for_each(|worker| {
                self.release(worker);
            });
        }
    }

    impl Seen {
        /// Keeps the thread to `part`; false where the system does not allow that.
        fn keep(&self, thread: Pid, before: CpuSet, part: &CpuSet) -> bool {
            // It may wake and release itself at once, which has to wait for this.
            let mut kept = lock(&self.before);
            *kept = before;
            let is_kept = sched_setaffinity(Some(thread), part).is_ok();
            self.is_kept.store(is_kept, Release);
            is_kept
        }

        #[cold]
        fn release(&self) -> bool {
            let before = lock(&self.before);
            let was_kept = self.is_kept.load(Relaxed);
            if was_kept {
                // This set was in force before; if the system took a processor away meanwhile, it chose a set itself.
                let _ = sched_setaffinity(Pid::from_raw(self.thread.load(Relaxed)), &before);
                self.is_kept.store(false, Release);
            }
            was_kept
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
                    [([here, other], 0), ([here, here], 0), ([other, other], 0), ([other, here], 1)]
                {
                    for (worker, processor) in (1..).zip(processors) {
                        last_seen.saw(worker, threads[worker - 1].as_raw_nonzero().get() as u32, processor);
                        if worker == awake {
                            last_seen.wakes(worker);
                        }
                    }
                    last_seen.keep_apart(true);
                    let kept: Vec<_> = threads.iter().map(|thread| allowed(Some(*thread))).collect();
                    let is_kept = |worker: usize| last_seen.seen[worker + 1].is_kept.load(Acquire);
                    for worker in 0..2 {
                        assert!(is_kept(worker) != (kept[worker] == all), "{processors:?}: {kept:?}");
                        assert!(!is_kept(worker) || !kept[worker].contains(&here), "{processors:?}: {kept:?}");
                    }
                    let meet = kept[0].iter().any(|number| kept[1].contains(number));
                    assert!(!meet || !is_kept(0) || !is_kept(1), "{processors:?}: {kept:?}");
                    // Where there are enough processors, each has some.
                    assert!(all.len() < 4 || (0..2).all(|worker| is_kept(worker) == (worker + 1 != awake)), "{kept:?}");
                    assert!(is_kept(1) || processors[1] == here || processors == [other, other], "{kept:?}");
                    assert_eq!(is_kept(1), last_seen.release(2));
                    assert!(!last_seen.release(2) && allowed(Some(threads[1])) == all);
                    last_seen.release_all();
                    assert!(threads.iter().all(|thread| allowed(Some(*thread)) == all));
                }
                sched_setaffinity(None, &before).unwrap();
            });
        }

        #[test]
        fn who_has_never_slept_is_left_alone() {
            assert!(!LastSeen::of(3).keep_apart(true));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Debug)]
    pub(crate) struct LastSeen;

    impl LastSeen {
        pub(crate) fn new(_: usize) -> Option<Self> {
            None
        }

        pub(crate) fn rests(&self, _: usize) {}

        pub(crate) fn waits(&self, _: usize) {}

        pub(crate) fn wakes(&self, _: usize) {}

        pub(crate) fn keep_apart(&self, _: bool) -> bool {
            false
        }

        pub(crate) fn release(&self, _: usize) -> bool {
            false
        }

        pub(crate) fn release_all(&self) {}
    }
}

pub(crate) use system::LastSeen;

//! How far apart two processors are: the time that a cache line takes from one to the other and back.
//!
//! It is most of the cost of a barrier and of a shared counter. Between cores that share a cache it is about 100 ns, between two halves
//! of a large processor or two sockets up to five times as much. A host may move a virtual machine's processors between such places at
//! any moment, and nothing that the system reports shows it; so it is measured again and again alongside everything else.

use crossbeam_utils::CachePadded;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::time::{Duration, Instant};

/// Round trips that are timed together, and how many such batches a figure is the minimum of.
const TRIPS: u32 = 100;
const BATCHES: usize = 20;

/// The shortest and the longest round trips so far, in seconds; `None` where there are not two processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrips {
    range: Option<[f64; 2]>,
}

impl RoundTrips {
    /// Measures one more, which takes a few milliseconds at most on an idle machine.
    pub fn look(&mut self) {
        if let Some(time) = measure() {
            let [least, most] = self.range.unwrap_or([time; 2]);
            self.range = Some([least.min(time), most.max(time)]);
        }
    }

    /// The shortest and the longest so far.
    pub fn range(self) -> Option<[f64; 2]> {
        self.range
    }
}

/// The time of a round trip between the first and the last processor that this process may use, in seconds.
fn measure() -> Option<f64> {
    let allowed = sched_getaffinity(None).ok()?;
    let mut processors = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
    let (first, last) = (processors.next()?, processors.next_back()?);
    let stay = |processor| {
        let mut only = CpuSet::new();
        only.set(processor);
        sched_setaffinity(None, &only).is_ok()
    };
    let (there, back) = (CachePadded::new(AtomicU32::new(0)), CachePadded::new(AtomicU32::new(0)));
    let over = AtomicBool::new(false);
    let answer = || {
        let stays = stay(last);
        let mut trip = 0;
        while !over.load(Relaxed) {
            if there.load(Acquire) != trip {
                trip += 1;
                back.store(trip, Release);
            }
            spin_loop();
        }
        stays
    };
    let ask = || {
        let stays = stay(first);
        let mut least = Duration::MAX;
        for batch in 0..BATCHES as u32 {
            let began = Instant::now();
            for trip in batch * TRIPS + 1..=(batch + 1) * TRIPS {
                there.store(trip, Release);
                while back.load(Acquire) != trip {
                    spin_loop();
                }
            }
            least = least.min(began.elapsed());
        }
        over.store(true, Relaxed);
        stays.then(|| least.as_secs_f64() / f64::from(TRIPS))
    };
    // Separate threads, so that the caller's affinity stays as it is.
    std::thread::scope(|scope| {
        let spawn = std::thread::Builder::new;
        let answering = spawn().spawn_scoped(scope, answer).ok()?;
        let asking = spawn().spawn_scoped(scope, ask);
        if asking.is_err() {
            over.store(true, Relaxed);
        }
        let time = asking.ok()?.join().ok()??;
        answering.join().ok()?.then_some(time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_takes_time_where_there_are_two_processors() {
        let mut trips = RoundTrips::default();
        assert!(trips.range().is_none());
        (0..3).for_each(|_| trips.look());
        let two = sched_getaffinity(None).unwrap().count() >= 2;
        assert_eq!(trips.range().is_some(), two);
        assert!(trips.range().is_none_or(|[least, most]| 0.0 < least && least <= most && most < 10.0));
    }
}

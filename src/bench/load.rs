//! What else the machine did while something was measured, by the operating system's own accounting.
//!
//! The kernel counts in ticks of 10 ms, so sums over a whole benchmark are reported, and not those of single runs.

use super::clock::Clock;
use super::round_trip::RoundTrips;
use crate::parallel::Stop;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Ticks per second of `/proc`'s counters; Linux shows every program 100, whatever it uses internally.
const TICKS: f64 = 100.0;

/// What a count of processor time may be wrong by, in seconds.
pub const TICK: f64 = 2.0 / TICKS;

/// Other programs that use more than this many processors disturb a measurement.
pub const BUSY: f64 = 0.05;

/// The ratio of round trips above which a move is reported: within one place they differ by less.
const MOVED: f64 = 2.0;

/// LoadCounters at one moment, in seconds since the machine's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadCounters {
    /// Busy time of all processors.
    busy: f64,
    /// Time in which a virtual machine's processors were given to others.
    steal: f64,
    /// User time of this process and its descendants, as the system counts it.
    user: f64,
    /// Their system time.
    system: f64,
    /// How often this machine or control group was throttled because of heat or a quota.
    throttled: u64,
}

/// What happened between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds between them.
    pub wall: f64,
    /// Processor seconds of this process and its descendants, as the system counts them.
    pub own: f64,
    /// Processor seconds of this process by its own clock.
    pub own_clock: f64,
    /// Processor seconds of all other programs.
    pub others: f64,
    /// Processor seconds that the host took away.
    pub steal: f64,
    /// How often the machine was throttled because of heat or a quota.
    pub throttled: u64,
    /// The load average of the last minute, at the end.
    pub load: f64,
    /// The shortest and the longest [round trips](super::round_trip) between two processors, in seconds, where they were measured.
    #[serde(default)]
    pub round_trips: Option<[f64; 2]>,
}

impl LoadCounters {
    /// The counters now. What the system does not report is 0.
    pub fn read() -> Self {
        let (busy, steal) = fs::read_to_string("/proc/stat").ok().and_then(|text| totals(&text)).unwrap_or_default();
        let [user, system] = family();
        Self { busy, steal, user, system, throttled: throttled() }
    }

    /// User and system seconds of this process and its descendants since `earlier`.
    pub fn own_since(&self, earlier: &Self) -> [f64; 2] {
        [self.user - earlier.user, self.system - earlier.system]
    }

    /// Processor seconds of other programs since `earlier`, in which this process's clock counted `own_clock`. Ticks make it uncertain by
    /// [`TICK`], below 0 too, so that sums over many runs are right.
    pub fn others_since(&self, earlier: &Self, own_clock: Duration) -> f64 {
        let own: f64 = self.own_since(earlier).iter().sum();
        self.busy - earlier.busy - own.max(own_clock.as_secs_f64())
    }

    /// The usage from here to `later`, a time of `wall` in which this process's clock counted `own_clock`.
    pub fn until(&self, later: &Self, wall: Duration, own_clock: Duration) -> Usage {
        let own: f64 = later.own_since(self).iter().sum();
        // The process's own clock is exact, but knows of no other process.
        let ours = own.max(own_clock.as_secs_f64());
        Usage {
            wall: wall.as_secs_f64(),
            own,
            own_clock: own_clock.as_secs_f64(),
            others: (later.busy - self.busy - ours).max(0.0),
            steal: (later.steal - self.steal).max(0.0),
            throttled: later.throttled.saturating_sub(self.throttled),
            load: load(),
            round_trips: None,
        }
    }
}

/// Watches the machine from the start of a measurement.
#[derive(Clone, Debug)]
pub struct Watch {
    counters: LoadCounters,
    began: Duration,
    processor: Duration,
    round_trips: RoundTrips,
}

impl Watch {
    /// Starts watching now.
    pub fn begin(clock: &dyn Clock) -> Self {
        let mut round_trips = RoundTrips::default();
        round_trips.look();
        Self { counters: LoadCounters::read(), began: clock.now(), processor: clock.processor(), round_trips }
    }

    /// Measures another round trip between two processors.
    pub fn look(&mut self) {
        self.round_trips.look();
    }

    /// The usage so far.
    pub fn usage(&mut self, clock: &dyn Clock) -> Usage {
        let (wall, processor) = (clock.now() - self.began, clock.processor() - self.processor);
        let usage = self.counters.until(&LoadCounters::read(), wall, processor);
        self.look();
        Usage { round_trips: self.round_trips.range(), ..usage }
    }
}

impl Usage {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            own: self.own + other.own,
            own_clock: self.own_clock + other.own_clock,
            others: self.others + other.others,
            steal: self.steal + other.steal,
            throttled: self.throttled + other.throttled,
            load: other.load,
            round_trips: match (self.round_trips, other.round_trips) {
                (Some([a, b]), Some([c, d])) => Some([a.min(c), b.max(d)]),
                (one, two) => one.or(two),
            },
        }
    }

    /// How far apart two processors were, in a sentence, where that was measured.
    pub fn way(&self) -> Option<String> {
        let [near, far] = self.round_trips?.map(|seconds| format!("{:.0}", 1e9 * seconds));
        let range = if near == far { near } else { format!("{near} to {far}") };
        Some(format!("A cache line went from one processor to another and back in {range} ns."))
    }

    /// How many processors other programs used on average, less what the ticks leave open.
    pub fn busy(&self) -> f64 {
        if self.wall > 0.0 { ((self.others - TICK) / self.wall).max(0.0) } else { 0.0 }
    }

    /// Reasons to doubt the times that were measured meanwhile, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        // A tick or two are attributed to no process.
        let settled = (self.wall - TICK).max(0.0);
        let others = self.busy();
        if others > BUSY {
            warnings.push(format!(
                "The machine was busy: other programs used {others:.2} processors on average. Times are too long, especially those \
                 with many workers."
            ));
        }
        let steal = self.steal / self.wall;
        if steal > 0.02 {
            warnings.push(format!("The host took away {steal:.2} processors on average from this virtual machine."));
        }
        if self.throttled > 0 {
            let times = self.throttled;
            warnings.push(format!("The processor was slowed down {times} times because of heat or a quota."));
        }
        if self.round_trips.is_some_and(|[near, far]| far > MOVED * near) {
            warnings.push(
                "The distance between processors changed, as when a host moves those of a virtual machine. \
                 The cost of what workers share changed as much."
                    .into(),
            );
        }
        // Both count the same time; a tick at each end may be missed, and only one of them includes other processes.
        if settled > 0.5 && self.own + 0.05 * self.own_clock + 4.0 / TICKS < self.own_clock {
            warnings.push(format!(
                "The system counted {:.2} s of processor time where this program's clock says {:.2} s; do not trust either.",
                self.own, self.own_clock
            ));
        }
        warnings
    }
}

/// Busy and stolen seconds of all processors.
fn totals(stat: &str) -> Option<(f64, f64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is already included in user.
    let &[user, nice, system, _, _, irq, softirq, steal, ..] = &ticks[..] else { return None };
    Some(((user + nice + system + irq + softirq) / TICKS, steal / TICKS))
}

/// A process: its parent, and the user and system seconds of it and its ended children.
fn process(stat: &str) -> Option<(u32, [f64; 2])> {
    // The name is in parentheses and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let (user, system) = (ticks(11)? + ticks(13)?, ticks(12)? + ticks(14)?);
    Some((fields.get(1)?.parse().ok()?, [user / TICKS, system / TICKS]))
}

/// User and system seconds of this process and all its descendants.
fn family() -> [f64; 2] {
    let Ok(entries) = fs::read_dir("/proc") else { return [0.0; 2] };
    let mut processes = HashMap::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may have ended meanwhile.
        let found = fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| process(&text));
        processes.extend(found.map(|found| (pid, found)));
    }
    let own = std::process::id();
    let is_ours = |mut pid: u32| {
        (0..64).any(|_| {
            let here = pid;
            pid = processes.get(&pid).map_or(0, |&(parent, _)| parent);
            here == own
        })
    };
    let ours = processes.iter().filter(|(pid, _)| is_ours(**pid)).map(|(_, (_, seconds))| seconds);
    ours.fold([0.0; 2], |sum, seconds| [sum[0] + seconds[0], sum[1] + seconds[1]])
}

/// How often something was throttled, as far as the system counts it.
fn throttled() -> u64 {
    let number = |path: String| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let heat: u64 = (0..1024)
        .map_while(|cpu| number(format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count")))
        .sum();
    let group = fs::read_to_string("/sys/fs/cgroup/cpu.stat").ok();
    let quota = group.and_then(|text| text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok()));
    heat + quota.unwrap_or(0)
}

/// The load of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Looks at the machine for `time`: how many processors other programs use, if that is worth a word. It ends early when it is stopped.
pub fn glance(clock: &dyn Clock, time: Duration, stop: &Stop) -> Option<f64> {
    /// Every system has processes that wake up now and then.
    const WORTH: f64 = 2.0 * BUSY;
    let (counters, began, processor) = (LoadCounters::read(), clock.now(), clock.processor());
    while !stop.is_set() && clock.now() - began < time {
        std::thread::sleep(Duration::from_millis(10));
    }
    let usage = counters.until(&LoadCounters::read(), clock.now() - began, clock.processor() - processor);
    Some(usage.busy()).filter(|others| *others > WORTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        let (busy, steal) = totals("cpu  100 20 30 4000 50 1 2 300 0 0\ncpu0 1 2 3\n").unwrap();
        assert!((busy - 1.53).abs() < 1e-12 && steal == 3.0, "{busy}");
        assert_eq!(totals("nothing"), None);
        let stat = "42 (a (strange) name) S 7 42 42 0 -1 4194304 100 0 0 0 150 50 25 25 20 0 4 0 100 0 0";
        assert_eq!(process(stat), Some((7, [1.75, 0.75])));
        assert_eq!(process("42 (cut"), None);
    }

    #[test]
    fn a_quiet_machine_gives_no_warning_and_a_busy_one_does() {
        let start = LoadCounters { busy: 100.0, steal: 1.0, user: 4.0, system: 1.0, throttled: 2 };
        let seconds = Duration::from_secs;
        let quiet = LoadCounters { busy: 110.0, steal: 1.0, user: 13.0, system: 2.0, throttled: 2 };
        let usage = start.until(&quiet, seconds(5), seconds(10));
        assert_eq!((usage.others, usage.steal, usage.throttled), (0.0, 0.0, 0));
        assert_eq!(usage.warnings(), Vec::<String>::new());
        let busy = LoadCounters { busy: 114.5, steal: 2.0, user: 13.0, system: 2.0, throttled: 5 };
        let warnings = start.until(&busy, seconds(5), seconds(10)).warnings();
        assert!(warnings[0].contains("other programs used 0.90 processors"), "{warnings:?}");
        assert!(warnings[1].contains("took away 0.20 processors") && warnings[2].contains("3 times"), "{warnings:?}");
        let lost = LoadCounters { user: 7.0, ..quiet };
        let warnings = start.until(&lost, seconds(5), seconds(10)).warnings();
        assert!(warnings[0].contains("counted 4.00 s"), "{warnings:?}");
        let twice = usage.and(usage);
        assert_eq!((twice.wall, twice.own), (10.0, 20.0));
        let (near, far) = (Some([1e-7, 1.5e-7]), Some([4e-7, 4.8e-7]));
        let [still, moved] =
            [near, far].map(|round_trips| Usage { round_trips: near, ..usage }.and(Usage { round_trips, ..usage }));
        assert_eq!((still.warnings().len(), moved.warnings().len(), moved.round_trips), (0, 1, Some([1e-7, 4.8e-7])));
        assert_eq!((usage.way(), usage.and(still).round_trips), (None, near));
        assert!(moved.way().unwrap().ends_with("in 100 to 480 ns."), "{:?}", moved.way());
    }

    #[test]
    fn the_system_counts_what_this_process_does() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let before = LoadCounters::read();
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        // Until the system has counted at least three ticks for us, and two for the machine, which it may do later.
        let after = loop {
            for i in 0..1_000_000_u64 {
                sum = std::hint::black_box(sum ^ i.wrapping_mul(sum | 1));
            }
            let after = LoadCounters::read();
            let counted = after.own_since(&before).iter().sum::<f64>() >= 0.03 && after.busy - before.busy >= 0.02;
            if counted || began.elapsed() > Duration::from_secs(60) {
                break after;
            }
        };
        let usage = before.until(&after, began.elapsed(), Duration::ZERO);
        assert!(usage.own >= 0.03, "{usage:?}");
        assert!(after.busy - before.busy >= 0.02, "{usage:?}");
    }
}

//! The clocks of a worker and its session.

use crate::parallel::Job;

/// The origin of a run's clock as sent to its workers: plus one, since 0 means that no times are measured.
pub(crate) fn origin(job: &Job) -> u64 {
    // In this order: if this thread is preempted in between, times come out too early, never in the future.
    let now = job.now();
    1 + monotonic().saturating_sub(now.as_nanos() as u64)
}

/// Nanoseconds on a clock that all processes of a machine share.
pub(super) fn monotonic() -> u64 {
    #[cfg(unix)]
    {
        nanoseconds(rustix::time::ClockId::Monotonic)
    }
    #[cfg(not(unix))]
    {
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64)
    }
}

/// Nanoseconds of processor time that this process has used; 0 where the system does not report it.
pub(super) fn processor_time() -> u64 {
    #[cfg(unix)]
    {
        nanoseconds(rustix::time::ClockId::ProcessCPUTime)
    }
    #[cfg(not(unix))]
    0
}

#[cfg(unix)]
fn nanoseconds(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

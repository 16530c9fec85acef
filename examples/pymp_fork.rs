//! PyMP as it really works: `fork` in the middle of a program, and children that share memory and run the same loop.
//!
//! It is an example and not part of the library, because no type can express what makes it correct. A child is a copy of the process
//! with a single thread: whatever other threads held, such as the allocator's lock, stays locked for ever, so there must be no other
//! threads. A child must never return into the program, or the rest would run twice, files would be flushed twice, and temporary
//! directories would be removed under the parent. And whatever it changes outside shared memory is silently lost: Rust sees `&mut` and
//! is content. [`fork_join`] enforces the first two rules itself and leaves the third to the caller; hence `unsafe`. The library's
//! [`region`](fractal::parallel::region::region) has the same interface on threads, where the compiler checks all of this.

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod fork {
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Numbers that a process and its forks share, all zero at first.
    pub(crate) struct Shared(&'static [AtomicU64]);

    impl Shared {
        pub(crate) fn new(len: usize) -> io::Result<Self> {
            // SAFETY: an anonymous mapping at an address that the system chooses touches no existing memory.
            let start = unsafe {
                let access = libc::PROT_READ | libc::PROT_WRITE;
                libc::mmap(std::ptr::null_mut(), len * 8, access, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0)
            };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the mapping has this length, is page-aligned and zeroed, and is never unmapped.
            Ok(Self(unsafe { std::slice::from_raw_parts(start.cast(), len) }))
        }
    }

    impl std::ops::Deref for Shared {
        type Target = [AtomicU64];
        fn deref(&self) -> &[AtomicU64] {
            self.0
        }
    }

    /// Calls `body` with the numbers 0 to `workers` − 1, each in a process of its own but for 0, which is the caller's, and waits for
    /// all. A child that panics or is killed is reported.
    ///
    /// # Safety
    /// Do not rely on anything that `body` does outside shared memory. It must not use what belongs to the parent alone: files that
    /// both write, a window, a connection.
    pub(crate) unsafe fn fork_join(workers: usize, body: impl Fn(usize)) -> Result<(), String> {
        let threads = std::fs::read_dir("/proc/self/task").map_err(|error| error.to_string())?.count();
        if threads > 1 {
            return Err(format!("a process with {threads} threads cannot be forked safely; 1 is allowed"));
        }
        let mut children = Vec::new();
        for index in 1..workers {
            // SAFETY: there is only one thread, so the child may do whatever the parent may.
            match unsafe { libc::fork() } {
                0 => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| body(index)));
                    // SAFETY: the child ends here, without running the parent's destructors or flushing its buffers.
                    unsafe { libc::_exit(i32::from(outcome.is_err())) }
                }
                -1 => children.push((index, Err(io::Error::last_os_error()))),
                child => children.push((index, Ok(child))),
            }
        }
        let own = catch_unwind(AssertUnwindSafe(|| body(0)));
        let mut faults: Vec<String> = own.is_err().then(|| "worker 0 panicked".into()).into_iter().collect();
        for (index, child) in children {
            let mut status = 0;
            let fault = match child {
                Err(error) => format!("could not be started: {error}"),
                // SAFETY: the child is ours, and nobody else waits for it.
                Ok(child) if unsafe { libc::waitpid(child, &raw mut status, 0) } != child => "was lost".into(),
                Ok(_) if libc::WIFSIGNALED(status) => format!("was killed by signal {}", libc::WTERMSIG(status)),
                Ok(_) if libc::WEXITSTATUS(status) != 0 => "panicked".into(),
                Ok(_) => continue,
            };
            faults.push(format!("worker {index} {fault}"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    pub(crate) fn main() -> io::Result<()> {
        let (workers, numbers) = (4, 1000);
        let shared = Shared::new(numbers + 1)?;
        let next = || shared[numbers].fetch_add(1, Ordering::Relaxed) as usize;
        let squares = |_| {
            // A dynamic loop: a free worker takes the next number.
            for number in std::iter::repeat_with(next).take_while(|&number| number < numbers) {
                shared[number].store((number * number) as u64, Ordering::Relaxed);
            }
        };
        // SAFETY: the body writes only shared memory.
        let outcome = unsafe { fork_join(workers, squares) };
        let sum: u64 = shared[..numbers].iter().map(|square| square.load(Ordering::Relaxed)).sum();
        println!("four processes: {outcome:?}, the sum of squares is {sum}");
        assert_eq!(sum, 332_833_500);

        // SAFETY: as above; the child that kills itself takes nothing with it.
        let outcome = unsafe { fork_join(3, |index| assert!(index != 2 || libc::raise(libc::SIGKILL) != 0)) };
        println!("one is killed:  {outcome:?}");
        assert_eq!(outcome.unwrap_err(), "worker 2 was killed by signal 9");

        // SAFETY: as above.
        let outcome = std::thread::scope(|scope| scope.spawn(|| unsafe { fork_join(2, |_| ()) }).join().unwrap());
        println!("with a thread:  {outcome:?}");
        assert!(outcome.unwrap_err().contains("2 threads"));
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    fork::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this example needs Linux");
}

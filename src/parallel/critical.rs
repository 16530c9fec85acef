//! Named critical sections, which are process-wide as in OpenMP.
//!
//! Two threads that only enter one, again and again, need 21 ns each time, where GNU's OpenMP needs 20. It was 84 to 100 ns while a table
//! of all sections, behind a lock of its own, was looked up each time.

use super::event_count::SpinThenPark;
use super::exclusion::Exclusion;
use crate::parallel::lock;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;

/// How threads wait for each other: half a microsecond or more, then for some 50 µs.
const SPIN: SpinThenPark = SpinThenPark { spins: 7, yields: 100 };

/// A critical section, which lives as long as the program: its name stands in it.
struct Section {
    name: Box<str>,
    lock: Exclusion,
}

/// What a thread knows of sections.
struct Own {
    /// Those that it has entered before, so that it finds them without a lock that all threads share.
    known: Vec<&'static Section>,
    /// Those that it is in.
    inside: Vec<&'static Section>,
}

thread_local! {
    static OWN: RefCell<Own> = const { RefCell::new(Own { known: Vec::new(), inside: Vec::new() }) };
}

/// Calls `body` while no other thread is in the critical section called `name`.
///
/// A panic inside releases the section, and the others can still enter it. A name is kept until the program ends.
///
/// # Panics
/// When the thread is already in that section: it would wait for itself for ever.
pub fn critical<T>(name: &str, body: impl FnOnce() -> T) -> T {
    let section = OWN.with_borrow_mut(|own| {
        let section = match own.known.iter().find(|section| *section.name == *name) {
            Some(section) => section,
            None => {
                let section = shared(name);
                own.known.push(section);
                section
            }
        };
        let held = own.inside.iter().any(|held| std::ptr::eq(*held, section));
        assert!(!held, "critical section `{name}` is entered inside itself");
        own.inside.push(section);
        section
    });
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            OWN.with_borrow_mut(|own| own.inside.pop());
        }
    }
    let _leave = Leave;
    let _held = section.lock.enter(SPIN);
    body()
}

/// The program's section called `name`.
#[cold]
fn shared(name: &str) -> &'static Section {
    static SECTIONS: Mutex<Option<HashMap<&'static str, &'static Section>>> = Mutex::new(None);
    let mut sections = lock(&SECTIONS);
    let sections = sections.get_or_insert_default();
    if let Some(section) = sections.get(name) {
        return section;
    }
    let section: &'static Section = Box::leak(Box::new(Section { name: name.into(), lock: Exclusion::default() }));
    sections.insert(&section.name, section);
    section
}

/// Whether the thread is in a critical section.
pub(super) fn is_inside() -> bool {
    OWN.with_borrow(|own| !own.inside.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn threads_that_spin_and_threads_that_sleep_exclude_each_other() {
        let (exclusion, count) = (Exclusion::default(), AtomicUsize::new(0));
        let enter = |spin| {
            for _ in 0..10_000 {
                let _held = exclusion.enter(spin);
                // If another thread were here, one of the two would be lost.
                count.store(count.load(Relaxed) + 1, Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for spin in [SpinThenPark::NONE, SpinThenPark::NONE, SPIN] {
                scope.spawn(move || enter(spin));
            }
        });
        assert_eq!(count.into_inner(), 30_000);
    }
}

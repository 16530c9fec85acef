//! Named critical sections, which are process-wide as in OpenMP.

use crate::parallel::lock;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// The sections that the thread is in.
    static INSIDE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Calls `body` while no other thread is in the critical section called `name`.
///
/// A panic inside releases the section, and the others can still enter it.
///
/// # Panics
/// When the thread is already in that section: it would wait for itself for ever.
pub fn critical<T>(name: &str, body: impl FnOnce() -> T) -> T {
    static SECTIONS: Mutex<Option<HashMap<String, Arc<Mutex<()>>>>> = Mutex::new(None);
    assert!(
        !INSIDE.with_borrow(|inside| inside.iter().any(|held| held == name)),
        "critical section `{name}` is entered inside itself"
    );
    let section = {
        let mut sections = SECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let sections = sections.get_or_insert_default();
        match sections.get(name) {
            Some(section) => section.clone(),
            None => sections.entry(name.to_owned()).or_default().clone(),
        }
    };
    let _held = lock(&section);
    INSIDE.with_borrow_mut(|inside| inside.push(name.to_owned()));
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.with_borrow_mut(Vec::pop);
        }
    }
    let _leave = Leave;
    body()
}

/// Whether the thread is in a critical section.
pub(super) fn is_inside() -> bool {
    INSIDE.with_borrow(|inside| !inside.is_empty())
}

//! The synchronisation primitives of this folder's protocols. Their models in `tests/models.rs` replace them with a model checker's
//! types, which explore every order in which threads can meet.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
pub(super) use std::sync::{Condvar, Mutex};
pub(super) use std::thread::yield_now;

//! What the protocols of this folder synchronise with. Their models in `tests/models.rs` put a checker's types in its place, which
//! goes through every order in which threads can meet.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicUsize, Ordering, fence};
pub(super) use std::sync::{Condvar, Mutex};
pub(super) use std::thread::yield_now;

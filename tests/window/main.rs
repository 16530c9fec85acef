//! The window's loop with a scripted window: real events, real computing, no screen.

mod exploring;
mod keeping;
#[path = "../support/random.rs"]
mod random;
mod session;
mod showing;
mod storm;
#[path = "../support/mod.rs"]
mod support;
mod watching;

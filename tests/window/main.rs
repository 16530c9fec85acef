//! The window's loop with a scripted window: real events, real computing, no screen.

mod exploring;
mod keeping;
mod random;
mod session;
mod showing;
#[path = "../support/mod.rs"]
mod support;
mod watching;

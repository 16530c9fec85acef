//! The interactive window: exploring, watching the backends at work, saving what was found.
//!
//! The toolkit is behind one small trait ([`Window`]); a script implements it without a screen. The [`Explorer`] is the loop: it reads
//! events, moves what is on the screen at once, has the engine compute what is missing in the background, and draws. It never blocks on
//! anything but time, and every picture that it settles on equals, bit for bit, what rendering its [scene](Explorer::scene) gives.

mod autosave;
mod canvas;
mod engine;
mod explorer;
mod frame;
mod inset;
pub(crate) mod keys;
mod minifb;
mod onscreen;
mod overlay;
mod panel;
mod passes;
mod pixels;
mod place;
mod references;
pub(crate) mod remember;
pub(crate) mod save;
pub(crate) mod script;
mod state;
mod toolkit;
mod watch;

pub use explorer::{Explorer, ExplorerOptions, Status, Timing};
pub(crate) use onscreen::main;
pub use onscreen::{NoWindow, OnScreen};
pub use remember::WindowSettings;
pub use toolkit::{Button, Event, Key, Window};
pub use watch::{Seen, Viewer, Watched};

//! What the window needs from a toolkit: events, a place for pixels, a clock. Another toolkit is another file that implements this.

use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A key, as far as the window knows keys. Characters are what the layout says, with Shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // Their names say it.
pub enum Key {
    Char(char),
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    PageUp,
    PageDown,
    Backspace,
    Delete,
    Enter,
    Escape,
    Tab,
    F1,
}

/// A button of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // Their names say it.
pub enum Button {
    Left,
    Middle,
    Right,
}

/// What happened. Positions are pixels from the window's top left; they can lie outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A key was pressed, or repeated while it is held.
    Key(Key),
    /// The pointer moved to here.
    Moved(i64, i64),
    /// A button went down where the pointer is; with or without Shift.
    Pressed(Button, bool),
    /// A button went up.
    Released(Button),
    /// The wheel was turned by so many notches, away from the user when positive.
    Wheel(i32),
    /// The window has this size now.
    Resized(u32, u32),
    /// The window came to the front, or was uncovered as far as the toolkit tells: what it shows may be gone.
    Exposed,
    /// The user asks to close the window.
    Closed,
}

/// A window of a toolkit. It stays on the thread that made it.
pub trait Window {
    /// Adds what has happened since the last call to `events`.
    ///
    /// # Errors
    /// When the toolkit has failed.
    fn poll(&mut self, events: &mut Vec<Event>) -> Result<()>;

    /// The size of what is drawn in, in pixels.
    fn size(&self) -> (u32, u32);

    /// Shows a picture of the window's size: rows from the top, each pixel 0x00RRGGBB.
    ///
    /// # Errors
    /// When the toolkit has failed.
    fn present(&mut self, pixels: &[u32], size: (u32, u32)) -> Result<()>;

    /// Sets the window's title.
    fn set_title(&mut self, title: &str);

    /// The time, from any moment on.
    fn now(&self) -> Duration;

    /// Waits for an event, at most this long.
    fn wait(&mut self, at_most: Duration);
}

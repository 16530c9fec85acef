//! What the window needs from a toolkit: events, a place for pixels, a clock. Another toolkit means another file that implements this.

use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A key that the window knows. Characters follow the keyboard layout and Shift.
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

/// A mouse button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // Their names say it.
pub enum Button {
    Left,
    Middle,
    Right,
}

/// An event. Positions are pixels from the window's top left; they can lie outside it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A key was pressed, or repeated while it is held.
    Key(Key),
    /// The pointer moved to here.
    Moved(i64, i64),
    /// A button was pressed where the pointer is, with Shift if `true`.
    Pressed(Button, bool),
    /// A button was released.
    Released(Button),
    /// The wheel was turned by this many notches, away from the user when positive.
    Wheel(i32),
    /// The window has this size now.
    Resized(u32, u32),
    /// The window came to the front, or was uncovered, if the toolkit reports that: its contents may be gone.
    Exposed,
    /// The user asks to close the window.
    Closed,
}

/// A toolkit's window. It stays on the thread that made it.
pub trait Window {
    /// Adds what has happened since the last call to `events`.
    ///
    /// # Errors
    /// When the toolkit has failed.
    fn poll(&mut self, events: &mut Vec<Event>) -> Result<()>;

    /// The size of the drawing area, in pixels.
    fn size(&self) -> (u32, u32);

    /// Shows a picture of the window's size: rows from the top, each pixel 0x00RRGGBB.
    ///
    /// # Errors
    /// When the toolkit has failed.
    fn present(&mut self, pixels: &[u32], size: (u32, u32)) -> Result<()>;

    /// Sets the window's title.
    fn set_title(&mut self, title: &str);

    /// The time since some fixed moment.
    fn now(&self) -> Duration;

    /// Waits for an event, at most this long.
    fn wait(&mut self, at_most: Duration);
}

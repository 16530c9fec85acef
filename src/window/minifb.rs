//! The window through minifb: a framebuffer on X11 (and so on Wayland through XWayland), Windows and macOS.
//!
//! Measured with 0.29 on X11: key callbacks deliver every press and character in order, while polled keys miss those released within a
//! frame; a notch of the wheel counts twice, for the press and for the release of its button; buttons are reported as levels, so a click
//! shorter than the time between two polls is lost, and polls are therefore 8 ms apart; a poll costs 30 µs, a picture of 1280×720 6 ms;
//! nothing reports that the window was uncovered.

use super::pixels::Pixels;
use super::toolkit::{Button, Event, Key, Window};
use crate::error::{Error, Result};
use crate::parallel::lock;
use minifb::{InputCallback, MouseButton, MouseMode, ScaleMode, WindowOptions};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The time between two polls.
const POLL: Duration = Duration::from_millis(8);

/// What the wheel reports for one notch.
const NOTCH: f32 = if cfg!(windows) {
    12.0
} else if cfg!(target_os = "macos") {
    1.0
} else {
    2.0
};

/// A minifb window.
pub(super) struct Minifb {
    window: minifb::Window,
    pixels: Pixels,
    began: Instant,
    keys: Arc<Mutex<Vec<Event>>>,
    size: (u32, u32),
    pointer: (i64, i64),
    buttons: [bool; 3],
    active: bool,
    /// Wheel movement that does not add up to a whole notch yet.
    wheel: f32,
    /// Events read while a picture was being shown.
    pending: Vec<Event>,
}

impl fmt::Debug for Minifb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minifb").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Receives keys from the toolkit.
struct Keys(Arc<Mutex<Vec<Event>>>);

impl Keys {
    fn push(&self, key: Key) {
        lock(&self.0).push(Event::Key(key));
    }
}

impl InputCallback for Keys {
    fn add_char(&mut self, code: u32) {
        // Control characters come as keys as well.
        if let Some(c) = char::from_u32(code).filter(|c| !c.is_control()) {
            self.push(Key::Char(c));
        }
    }

    fn set_key_state(&mut self, key: minifb::Key, down: bool) {
        use minifb::Key as Theirs;
        let key = match key {
            Theirs::Left => Key::Left,
            Theirs::Right => Key::Right,
            Theirs::Up => Key::Up,
            Theirs::Down => Key::Down,
            Theirs::Home => Key::Home,
            Theirs::End => Key::End,
            Theirs::PageUp => Key::PageUp,
            Theirs::PageDown => Key::PageDown,
            Theirs::Backspace => Key::Backspace,
            Theirs::Delete => Key::Delete,
            Theirs::Enter | Theirs::NumPadEnter => Key::Enter,
            Theirs::Escape => Key::Escape,
            Theirs::Tab => Key::Tab,
            Theirs::F1 => Key::F1,
            _ => return,
        };
        if down {
            self.push(key);
        }
    }
}

impl Minifb {
    /// Opens a resizable window on a display with this pixel format. The error is the toolkit's own message.
    pub(super) fn open(title: &str, (width, height): (u32, u32), pixels: Pixels) -> std::result::Result<Self, String> {
        let options = WindowOptions { resize: true, scale_mode: ScaleMode::UpperLeft, ..WindowOptions::default() };
        let window = minifb::Window::new(title, width as usize, height as usize, options);
        let mut window = window.map_err(|error| error.to_string())?;
        // The loop does its own waiting.
        window.set_target_fps(0);
        let keys = Arc::default();
        window.set_input_callback(Box::new(Keys(Arc::clone(&keys))));
        Ok(Self {
            window,
            pixels,
            began: Instant::now(),
            keys,
            size: (width, height),
            pointer: (-1, -1),
            buttons: [false; 3],
            active: true,
            wheel: 0.0,
            pending: Vec::new(),
        })
    }

    /// The window's handle in the toolkit.
    pub(super) fn number(&self) -> u64 {
        self.window.get_window_handle() as u64
    }

    /// Adds the events that the toolkit has just read. Button levels are valid only until the next read.
    fn observe(&mut self, events: &mut Vec<Event>) {
        if !self.window.is_open() {
            events.push(Event::Closed);
        }
        let (width, height) = self.window.get_size();
        let size = (width.max(1) as u32, height.max(1) as u32);
        if size != self.size {
            self.size = size;
            events.push(Event::Resized(size.0, size.1));
        }
        let active = self.window.is_active();
        if active != self.active {
            self.active = active;
            events.push(Event::Exposed);
        }
        if let Some((x, y)) = self.window.get_unscaled_mouse_pos(MouseMode::Pass) {
            let pointer = (x.floor() as i64, y.floor() as i64);
            if pointer != self.pointer {
                self.pointer = pointer;
                events.push(Event::Moved(pointer.0, pointer.1));
            }
        }
        let shift =
            [minifb::Key::LeftShift, minifb::Key::RightShift].into_iter().any(|key| self.window.is_key_down(key));
        let buttons = [
            (MouseButton::Left, Button::Left),
            (MouseButton::Middle, Button::Middle),
            (MouseButton::Right, Button::Right),
        ];
        for (held, (theirs, ours)) in self.buttons.iter_mut().zip(buttons) {
            let down = self.window.get_mouse_down(theirs);
            if down != *held {
                *held = down;
                events.push(if down { Event::Pressed(ours, shift) } else { Event::Released(ours) });
            }
        }
        if let Some((_, turned)) = self.window.get_scroll_wheel() {
            self.wheel += turned / NOTCH;
            let notches = self.wheel.trunc();
            if notches != 0.0 {
                self.wheel -= notches;
                events.push(Event::Wheel(notches.clamp(-100.0, 100.0) as i32));
            }
        }
        events.append(&mut lock(&self.keys));
    }
}

impl Window for Minifb {
    fn poll(&mut self, events: &mut Vec<Event>) -> Result<()> {
        events.append(&mut self.pending);
        self.window.update();
        self.observe(events);
        Ok(())
    }

    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn present(&mut self, pixels: &[u32], (width, height): (u32, u32)) -> Result<()> {
        // This also reads events.
        let pixels = self.pixels.convert(pixels);
        let shown = self.window.update_with_buffer(pixels, width as usize, height as usize);
        let mut pending = std::mem::take(&mut self.pending);
        self.observe(&mut pending);
        self.pending = pending;
        shown.map_err(|error| Error::Unsupported(format!("the window cannot show its picture: {error}")))
    }

    fn set_title(&mut self, title: &str) {
        self.window.set_title(title);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wait(&mut self, at_most: Duration) {
        std::thread::sleep(at_most.min(POLL));
    }
}

//! The messages between the program and its window's process: lines of JSON, and after a picture's line its pixels.

use super::super::toolkit::Event;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// What the program asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// A window with this title, of this size. It comes first.
    Open(String, (u32, u32)),
    /// Another title.
    Title(String),
    /// A picture of this size: its pixels follow, four bytes each, in native byte order. Answered by [`News::Shown`].
    Picture(u32, u32),
}

/// What the window's process reports.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    /// The window is open, on a screen this many times as dense as usual; 0 if that is unknown.
    Opened(f64),
    /// There is no display, and why.
    NoDisplay(String),
    /// The display cannot show the window, and why.
    Unfit(String),
    /// Something happened.
    Event(Event),
    /// The picture is shown.
    Shown,
    /// The toolkit has failed: this is the last message.
    Failed(String),
}

/// Sends a message.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, message)?;
    to.write_all(b"\n")
}

/// The next message; `None` at the end.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl BufRead, line: &mut String) -> io::Result<Option<T>> {
    line.clear();
    match from.read_line(line)? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_str(line)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::toolkit::{Button, Key};
    use super::*;

    #[test]
    fn messages_come_as_they_were_sent() {
        let events = [
            Event::Key(Key::Char('\n')),
            Event::Key(Key::Char('é')),
            Event::Moved(-3, i64::MAX),
            Event::Pressed(Button::Left, true),
            Event::Resized(u32::MAX, 1),
            Event::Closed,
        ];
        let mut bytes = Vec::new();
        events.iter().for_each(|event| send(&mut bytes, &News::Event(*event)).unwrap());
        send(&mut bytes, &Order::Title("a\n\u{0}\"b".into())).unwrap();
        let (mut bytes, mut line) = (&bytes[..], String::new());
        for event in events {
            let heard = receive::<News>(&mut bytes, &mut line).unwrap();
            assert!(matches!(heard, Some(News::Event(heard)) if heard == event), "{heard:?}");
        }
        let heard = receive::<Order>(&mut bytes, &mut line).unwrap();
        assert!(matches!(&heard, Some(Order::Title(title)) if title == "a\n\u{0}\"b"), "{heard:?}");
        assert!(receive::<Order>(&mut bytes, &mut line).unwrap().is_none());
        assert!(receive::<Order>(&mut &b"hello\n"[..], &mut line).is_err());
    }
}

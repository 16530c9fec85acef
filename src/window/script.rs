//! A window without a screen, for tests and benchmarks: events are scripted, and pictures are kept.

use super::toolkit::{Event, Window};
use crate::error::Result;
use std::time::Duration;

/// A window that plays a script.
#[derive(Debug)]
pub struct Script {
    /// The events of the next poll. Resizes also change the window's size then.
    pub events: Vec<Event>,
    /// The last picture that was shown.
    pub shown: Vec<u32>,
    /// How many pictures were shown.
    pub frames: u64,
    /// The title.
    pub title: String,
    size: (u32, u32),
    /// The time, which advances only by waiting, so that a slow machine changes nothing.
    pub later: Duration,
}

impl Script {
    /// A window of this size without any events yet.
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            events: Vec::new(),
            shown: Vec::new(),
            frames: 0,
            title: String::new(),
            size: (width, height),
            later: Duration::ZERO,
        }
    }
}

impl Window for Script {
    fn poll(&mut self, events: &mut Vec<Event>) -> Result<()> {
        for event in self.events.drain(..) {
            if let Event::Resized(width, height) = event {
                self.size = (width, height);
            }
            events.push(event);
        }
        Ok(())
    }

    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn present(&mut self, pixels: &[u32], size: (u32, u32)) -> Result<()> {
        assert_eq!(pixels.len(), size.0 as usize * size.1 as usize, "the picture is of the size that is passed");
        self.shown.clear();
        self.shown.extend_from_slice(pixels);
        self.frames += 1;
        Ok(())
    }

    fn set_title(&mut self, title: &str) {
        title.clone_into(&mut self.title);
    }

    fn now(&self) -> Duration {
        self.later
    }

    fn wait(&mut self, at_most: Duration) {
        let time = at_most.min(Duration::from_millis(1));
        std::thread::sleep(time);
        self.later += time;
    }
}

//! The line in which the user types how large a picture to save, and with how many samples.

use super::super::toolkit::Key;
use super::{Effects, State};
use crate::error::Result;
use crate::scene::Scene;
use std::time::Duration;

/// The most characters that can be typed.
const LONGEST: usize = 40;

/// The width in pixels that is proposed, for windows that are smaller.
const PROPOSED: u32 = 3840;

impl State {
    /// Asks for size and samples, with a proposal of the window's shape.
    pub(super) fn ask(&mut self) {
        let mut scene = self.scene();
        // The window's size at least; a shape for which that is not possible keeps its size.
        let _ = scene.set(&format!("image.size={}", PROPOSED.max(self.size.0)));
        let (width, height) = scene.image.size;
        self.prompt = Some(format!("{width}x{height}, {}", scene.image.samples.max(2)));
        self.message = None;
    }

    /// What is asked, with what was typed so far.
    pub(in crate::window) fn question(&self) -> Option<String> {
        let typed = self.prompt.as_ref()?;
        Some(format!("size, samples of the picture to save: {typed}_ (Enter saves, Esc cancels)"))
    }

    /// A key while something is asked.
    pub(super) fn answer(&mut self, key: Key, now: Duration, effects: &mut Effects) {
        effects.draw = true;
        let Some(typed) = &mut self.prompt else { return };
        match key {
            Key::Char(c) if typed.chars().count() < LONGEST => typed.push(c),
            Key::Backspace => _ = typed.pop(),
            Key::Delete => typed.clear(),
            Key::Escape => self.prompt = None,
            Key::Enter => {
                let typed = typed.clone();
                match wanted(self.scene(), &typed) {
                    Ok(scene) => {
                        self.saves.push(scene);
                        (self.prompt, self.message) = (None, None);
                    }
                    Err(error) => self.show_message(error.to_string(), now),
                }
            }
            _ => {}
        }
    }
}

/// The scene with the size and the samples of a text such as `3840x2160, 3`, `4K 3` or `2560`.
fn wanted(mut scene: Scene, typed: &str) -> Result<Scene> {
    let typed = typed.trim();
    let (size, samples) = match typed.rsplit_once([',', ' ']) {
        Some((size, samples)) => (size.trim_end_matches([',', ' ']), Some(samples.trim())),
        None => (typed, None),
    };
    // Together they may be within limits that one with the old other is not.
    scene.image.samples = 1;
    scene.set(&format!("image.size={size}"))?;
    if let Some(samples) = samples {
        scene.set(&format!("image.samples={samples}"))?;
    }
    Ok(scene)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_samples_are_typed_as_people_do() {
        let wanted = |typed: &str| {
            let scene = Scene::from_toml("image = { size = [640, 400], samples = 3 }").unwrap();
            let image = wanted(scene, typed).map(|scene| scene.image);
            image.map(|image| (image.size, image.samples)).map_err(|error| error.to_string())
        };
        for (typed, meant) in [
            ("3840x2160, 3", ((3840, 2160), 3)),
            ("3840x2160,3", ((3840, 2160), 3)),
            ("4K 2", ((3840, 2160), 2)),
            (" 1280 , 4 ", ((1280, 800), 4)),
            ("1280", ((1280, 800), 1)),
        ] {
            assert_eq!(wanted(typed), Ok(meant), "{typed}");
        }
        for (typed, fault) in
            [("", "image.size"), ("big", "`big`"), ("4K 17", "image.samples"), ("4K x", "image.samples")]
        {
            assert!(wanted(typed).unwrap_err().contains(fault), "{typed}");
        }
    }
}

//! When frames are shown, and what is drawn over the picture.

use super::super::canvas::{Canvas, Font};
use super::super::overlay;
use super::super::state::{Hold, State};
use super::super::toolkit::Window;
use super::{Explorer, FRAME, Status};
use crate::error::Result;
use std::time::{Duration, Instant};

/// How often an unchanged picture is shown again, since toolkits do not report that the window was uncovered.
const HEARTBEAT: Duration = Duration::from_millis(450);

/// Frames that only show more finished tiles take at most one part in this many of the time, however large the window is.
const SHARE: u32 = 4;

impl Explorer {
    pub(super) fn font(&self) -> Font {
        Font::new(self.scale, self.state.size.1)
    }

    pub(super) fn show(&mut self, window: &mut dyn Window) -> Result<()> {
        let now = window.now();
        let live = self.state.panel && self.status == Status::Busy;
        let due = match self.presented {
            None => true,
            Some((then, cost)) => {
                let passed = now.saturating_sub(then);
                let more = (self.dirty || live) && passed >= FRAME.max(cost * (SHARE - 1));
                self.urgent || more || passed >= HEARTBEAT
            }
        };
        if due {
            let began = Instant::now();
            // An unchanged picture needs no drawing.
            let same = !self.urgent && !self.dirty && !live && self.presented.is_some();
            let drawn = if same { self.drawn } else { self.draw() };
            self.drawn = drawn;
            let picture = if drawn { &self.canvas[..] } else { self.frame.picture() };
            window.present(picture, self.frame.size())?;
            self.presented = Some((window.now(), began.elapsed()));
            (self.urgent, self.dirty) = (false, false);
            let title = self.title();
            if title != self.title {
                window.set_title(&title);
                self.title = title;
            }
        }
        Ok(())
    }

    fn title(&self) -> String {
        let scene = self.state.scene();
        let name = if scene.julia.is_some() { format!("Julia set of {}", scene.formula) } else { scene.formula };
        format!("fractal - {name}, {}", self.state.magnification())
    }

    /// Draws the overlays on a copy of the picture. Returns whether there are any.
    fn draw(&mut self) -> bool {
        let State { outlines, costs, panel, help, hold, pointer, .. } = self.state;
        let refusal = match &self.status {
            Status::Refused(why) => Some(why.as_str()),
            _ => None,
        };
        let message = self.state.message.as_ref().map(|(text, _)| text.clone());
        // The panel has a line for it.
        let preparing = self.stats.preparing().filter(|_| !panel);
        let (saving, question) = (self.saving.clone(), self.state.question());
        let message =
            [message, preparing, saving, question].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
        let boxed = match hold {
            Some(Hold::Box(from)) => Some(from),
            _ => None,
        };
        let anything = outlines || costs || panel || help > 0 || boxed.is_some() || self.inset.is_some();
        if !anything && refusal.or(message.as_deref()).is_none() {
            return false;
        }
        self.canvas.clear();
        self.canvas.extend_from_slice(self.frame.picture());
        let font = Font::new(self.scale, self.state.size.1);
        let mut canvas = Canvas { pixels: &mut self.canvas, size: self.frame.size() };
        let thick = font.height() / 16;
        if costs {
            self.marks.draw_costs(&mut canvas);
        }
        if outlines {
            self.marks.draw_outlines(&mut canvas, thick);
        }
        if let Some(from) = boxed {
            overlay::draw_box(&mut canvas, from, pointer);
        }
        if let Some(inset) = &self.inset {
            let (picture, (width, height)) = inset.picture();
            let (width, height) = (i64::from(width), i64::from(height));
            let (across, down) = canvas.size;
            let at = (i64::from(across) - width - font.width(), i64::from(down) - height - font.width());
            canvas.copy(at, picture, (width as u32, height as u32));
            canvas.outline((at.0 - 1, at.1 - 1), (width + 2, height + 2), overlay::DIM, thick);
        }
        if panel {
            self.stats.draw(&mut canvas, &self.state.summary(), font);
        }
        match (refusal, message) {
            (Some(why), None) => overlay::draw_message(&mut canvas, why, overlay::ACCENT, font),
            (_, Some(message)) => overlay::draw_message(&mut canvas, &message, overlay::BRIGHT, font),
            (None, None) => {}
        }
        if help > 0 {
            overlay::draw_help(&mut canvas, help, font);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::engine::{EngineEvent, News};
    use super::super::{Explorer, ExplorerOptions, Status};
    use crate::scene::Scene;
    use crate::window::script::Script;
    use crate::window::{Event, Key};
    use std::time::Duration;

    #[test]
    fn preparing_is_shown_while_it_lasts() {
        let mut window = Script::new(320, 200);
        let mut scene = Scene::default();
        scene.image.size = (320, 200);
        let mut explorer = Explorer::new(&scene, &ExplorerOptions::default(), &mut window).unwrap();
        while *explorer.status() == Status::Busy {
            explorer.step(&mut window).unwrap();
        }
        let mut look = |explorer: &mut Explorer, told: Option<News>, events: &[Event]| {
            // Longer than a message is shown.
            window.later += Duration::from_secs(60);
            window.events.extend_from_slice(events);
            explorer.engine_events.extend(told.map(|news| EngineEvent { generation: explorer.generation, news }));
            explorer.step(&mut window).unwrap();
            window.shown.clone()
        };
        let plain = look(&mut explorer, None, &[]);
        let some = look(&mut explorer, Some(News::Preparing { percent: 4 }), &[]);
        let more = look(&mut explorer, Some(News::Preparing { percent: 40 }), &[]);
        assert!(plain != some && some != more && more != plain);
        assert!(look(&mut explorer, None, &[]) == more, "as long as it lasts");
        explorer.stats.end_preparing();
        let tab = [Event::Key(Key::Tab)];
        let panel = look(&mut explorer, None, &tab);
        let line = look(&mut explorer, Some(News::Preparing { percent: 50 }), &[]);
        assert!(panel != line && panel[300 * 180..] == line[300 * 180..], "it is in the panel only");
        let failed = look(&mut explorer, Some(News::Failed(crate::Error::Stopped)), &tab);
        assert!(explorer.stats.preparing().is_none() && failed != plain);
    }
}

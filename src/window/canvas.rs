//! Drawing over a picture: rectangles, outlines and text. The font is Noto Sans Mono, rasterised beforehand in four sizes and compiled in.

use super::place::Size;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// A picture that is drawn on.
pub(super) struct Canvas<'a> {
    pub(super) pixels: &'a mut [u32],
    pub(super) size: Size,
}

/// A font size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Font {
    raster: RasterHeight,
    /// Each of the raster's pixels becomes a block of this many, each way.
    times: usize,
}

const RASTERS: [RasterHeight; 4] =
    [RasterHeight::Size16, RasterHeight::Size20, RasterHeight::Size24, RasterHeight::Size32];

impl Font {
    /// The font for a screen that is `scale` times as dense as usual; with 0, for a window of this height.
    pub(super) fn new(scale: f64, height: u32) -> Self {
        let wanted = if scale > 0.0 { 16.0 * scale } else { f64::from(height) / 56.0 };
        let fits = |raster: &&RasterHeight| raster.val() as f64 <= wanted + 0.5;
        let raster = RASTERS.iter().rev().find(fits).copied().unwrap_or(RASTERS[0]);
        let times = (wanted / 32.0).floor().clamp(1.0, 16.0) as usize;
        Self { raster: if times > 1 { RasterHeight::Size32 } else { raster }, times }
    }

    /// The width of a engine_event.
    pub(super) fn width(self) -> i64 {
        (get_raster_width(FontWeight::Regular, self.raster) * self.times) as i64
    }

    /// The height of a line.
    pub(super) fn height(self) -> i64 {
        (self.raster.val() * self.times) as i64
    }
}

/// Blends a colour over another, `share` parts of 256.
fn mix(under: u32, over: u32, share: u32) -> u32 {
    let blend = |shift: u32| {
        let (a, b) = (under >> shift & 0xff, over >> shift & 0xff);
        (a * (256 - share) + b * share) >> 8 << shift
    };
    blend(16) | blend(8) | blend(0)
}

impl Canvas<'_> {
    /// The part of a rectangle that is on the picture, as columns and rows.
    fn clip(
        &self,
        (x, y): (i64, i64),
        (width, height): (i64, i64),
    ) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let range = |start: i64, length: i64, size: u32| {
            let clamp = |at: i64| at.clamp(0, size.into()) as usize;
            clamp(start)..clamp(start.saturating_add(length)).max(clamp(start))
        };
        (range(x, width, self.size.0), range(y, height, self.size.1))
    }

    /// Fills a rectangle, with an opacity of `share` parts of 256.
    pub(super) fn fill(&mut self, at: (i64, i64), size: (i64, i64), colour: u32, share: u32) {
        let (columns, rows) = self.clip(at, size);
        let width = self.size.0 as usize;
        for y in rows {
            for pixel in &mut self.pixels[y * width..][columns.clone()] {
                *pixel = mix(*pixel, colour, share);
            }
        }
    }

    /// Draws the inner edge of a rectangle.
    pub(super) fn outline(&mut self, (x, y): (i64, i64), (width, height): (i64, i64), colour: u32, thick: i64) {
        let thick = thick.min(width / 2).min(height / 2).max(1);
        self.fill((x, y), (width, thick), colour, 256);
        self.fill((x, y + height - thick), (width, thick), colour, 256);
        self.fill((x, y), (thick, height), colour, 256);
        self.fill((x + width - thick, y), (thick, height), colour, 256);
    }

    /// Copies a picture to a position.
    pub(super) fn copy(&mut self, (x, y): (i64, i64), picture: &[u32], (width, height): Size) {
        let (columns, rows) = self.clip((x, y), (width.into(), height.into()));
        if columns.is_empty() {
            return;
        }
        let across = self.size.0 as usize;
        for row in rows {
            let from = (row as i64 - y) as usize * width as usize + (columns.start as i64 - x) as usize;
            self.pixels[row * across..][columns.clone()].copy_from_slice(&picture[from..from + columns.len()]);
        }
    }

    /// Writes a line with its upper left corner at a position; what does not fit is cut off. Characters that the font lacks become `?`.
    pub(super) fn text(&mut self, (x, y): (i64, i64), text: &str, colour: u32, font: Font) {
        let lacking = get_raster('?', FontWeight::Regular, font.raster);
        let times = font.times as i64;
        for (index, engine_event) in (0..).zip(text.chars()) {
            let left = x + index * font.width();
            if left >= i64::from(self.size.0) {
                return;
            }
            let raster = get_raster(engine_event, FontWeight::Regular, font.raster);
            let Some(raster) = raster.as_ref().or(lacking.as_ref()) else { continue };
            for (row, line) in (0..).zip(raster.raster()) {
                for (column, &strength) in (0..).zip(*line) {
                    if strength > 0 {
                        let share = u32::from(strength) + u32::from(strength >> 7);
                        self.fill((left + column * times, y + row * times), (times, times), colour, share);
                    }
                }
            }
        }
    }

    /// Writes lines on a dark background at a position, and returns their total height.
    pub(super) fn lines(&mut self, at: (i64, i64), lines: &[(String, u32)], font: Font) -> i64 {
        let (width, height) = Self::measure(lines, font);
        let pad = font.width();
        self.fill(at, (width, height), 0x05_06_0a, 200);
        for (row, (line, colour)) in (0..).zip(lines) {
            self.text((at.0 + pad, at.1 + pad / 2 + row * font.height()), line, *colour, font);
        }
        height
    }

    /// The width and height of lines with their background.
    pub(super) fn measure(lines: &[(String, u32)], font: Font) -> (i64, i64) {
        let longest = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0) as i64;
        ((longest + 2) * font.width(), lines.len() as i64 * font.height() + font.width())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_outside() {
        let mut pixels = vec![0; 12];
        let mut canvas = Canvas { pixels: &mut pixels, size: (4, 3) };
        for at in [-70, -3, 0, 3, 90] {
            canvas.fill((at, at), (5, 5), 0xff_ff_ff, 128);
            canvas.outline((at, -at), (300, 300), 0x80_80_80, 3);
            canvas.copy((at, 1 - at), &[7; 6], (3, 2));
            canvas.text((at, at), "Ängström × 10¹²", 0xff_ff_ff, Font::new(1.0, 0));
        }
        canvas.fill((0, 0), (4, 3), 0x12_34_56, 256);
        assert_eq!(pixels, [0x12_34_56; 12]);
    }

    #[test]
    fn letters_grow_with_the_screen() {
        let heights = [400, 720, 1080, 1440, 2160, 4320].map(|height| Font::new(0.0, height).height());
        assert_eq!(heights, [16, 16, 16, 24, 32, 64]);
        assert_eq!([1.0, 1.25, 2.0, 4.0].map(|scale| Font::new(scale, 720).height()), [16, 20, 32, 64]);
    }

    #[test]
    fn a_letter_is_light_on_dark() {
        let mut pixels = vec![0; 20 * 20];
        Canvas { pixels: &mut pixels, size: (20, 20) }.text((2, 2), "H", 0xff_ff_ff, Font::new(1.0, 0));
        let lit = pixels.iter().filter(|&&pixel| pixel & 0xff > 0x80).count();
        assert!((15..100).contains(&lit), "{lit}");
    }
}

//! What is drawn over the picture: tiles in their workers' colours, costs, the box, the help, messages.

use super::canvas::{Canvas, Font};
use super::engine::{Begun, Finished};
use super::keys::GROUPS;
use super::place::Size;
use crate::colour::distinct;
use crate::tile::Tile;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Colours of text.
pub(super) const BRIGHT: u32 = 0xf4_f6_fa;
pub(super) const DIM: u32 = 0xa9_b4_c4;
pub(super) const ACCENT: u32 = 0xff_c8_5a;

/// The most tiles that are remembered: every pan adds strips of new ones.
const MOST_TILES: usize = 100_000;

/// Tiles with fewer pixels each way are filled, since their outlines would hide them.
const OUTLINED: u32 = 6;

/// A tile that was claimed.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// In pixels of the picture; can lie outside after a pan.
    at: (i64, i64),
    size: (i64, i64),
    /// The worker that computes it, or did.
    worker: usize,
    /// Nanoseconds per pixel; `None` while it is being computed.
    cost: Option<f64>,
}

/// The tiles of the picture and who computed them.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    /// Where the tiles of the steps of this generation are, by the step's address and the tile's number.
    index: HashMap<(usize, usize), usize>,
    /// Keeps the addresses from being reused.
    steps: Vec<Arc<Begun>>,
}

impl Marks {
    /// Starts another view: tiles stay where their pixels do.
    pub(super) fn begin(&mut self, shift: Option<(i64, i64)>, (width, height): Size) {
        self.index.clear();
        self.steps.clear();
        let Some((right, down)) = shift else {
            self.marks.clear();
            return;
        };
        self.marks.retain_mut(|mark| {
            mark.at = (mark.at.0 - right, mark.at.1 - down);
            let seen = |at: i64, length: i64, size: u32| at < size.into() && at + length > 0;
            mark.cost.is_some() && seen(mark.at.0, mark.size.0, width) && seen(mark.at.1, mark.size.1, height)
        });
        let surplus = self.marks.len().saturating_sub(MOST_TILES);
        self.marks.drain(..surplus);
    }

    fn mark(&mut self, step: &Arc<Begun>, index: usize, worker: usize) -> &mut Mark {
        let key = (Arc::as_ptr(step) as usize, index);
        let marks = &mut self.marks;
        let steps = &mut self.steps;
        let place = *self.index.entry(key).or_insert_with(|| {
            if steps.last().is_none_or(|last| !Arc::ptr_eq(last, step)) {
                steps.push(step.clone());
            }
            let Tile { x, y, width, height } = step.tiles.tiling.tile(index);
            let pixels = |samples: u32| i64::from(samples / step.samples);
            let at = (i64::from(step.origin.0) + pixels(x), i64::from(step.origin.1) + pixels(y));
            marks.push(Mark { at, size: (pixels(width), pixels(height)), worker, cost: None });
            marks.len() - 1
        });
        let mark = &mut marks[place];
        mark.worker = worker;
        mark
    }

    /// A worker has claimed tiles. Those of coarse passes are not shown: they are over in a moment.
    pub(super) fn claimed(&mut self, step: &Arc<Begun>, range: Range<usize>, worker: usize) {
        if step.grain == 0 {
            range.for_each(|index| {
                self.mark(step, index, worker);
            });
        }
    }

    /// A worker has finished tiles. Those of one claim share its time by their pixels.
    pub(super) fn finished(&mut self, step: &Arc<Begun>, claim: &Finished) {
        if step.grain == 0 {
            let pixels: usize = claim.range.clone().map(|index| step.tiles.tiling.tile(index).area()).sum();
            let cost = claim.busy.as_nanos() as f64 / pixels as f64;
            for index in claim.range.clone() {
                self.mark(step, index, claim.worker).cost = Some(cost);
            }
        }
    }

    /// Draws the outline of each tile in its worker's colour, and fills it lightly while it is being computed.
    pub(super) fn draw_outlines(&self, canvas: &mut Canvas<'_>, thick: i64) {
        for mark in &self.marks {
            let colour = worker_colour(mark.worker);
            if mark.size.0.min(mark.size.1) < OUTLINED.into() {
                canvas.fill(mark.at, mark.size, colour, 120);
            } else {
                if mark.cost.is_none() {
                    canvas.fill(mark.at, mark.size, colour, 90);
                }
                canvas.outline(mark.at, mark.size, colour, thick);
            }
        }
    }

    /// Draws how long each tile took, from blue for the fastest to yellow for the slowest, on a logarithmic scale.
    pub(super) fn draw_costs(&self, canvas: &mut Canvas<'_>) {
        let logarithms = || self.marks.iter().filter_map(|mark| Some((mark, mark.cost?.max(1.0).ln())));
        let low = logarithms().map(|(_, cost)| cost).fold(f64::INFINITY, f64::min);
        let high = logarithms().map(|(_, cost)| cost).fold(low, f64::max);
        for (mark, cost) in logarithms() {
            let share = if high > low { (cost - low) / (high - low) } else { 0.5 };
            canvas.fill(mark.at, mark.size, heat(share), 190);
        }
    }
}

/// A worker's colour.
pub(super) fn worker_colour(worker: usize) -> u32 {
    let [r, g, b] = distinct(worker, 0.78);
    u32::from_be_bytes([0, r, g, b])
}

/// Dark blue, purple, orange, yellow.
fn heat(share: f64) -> u32 {
    const STOPS: [[f64; 3]; 4] =
        [[13.0, 16.0, 66.0], [122.0, 22.0, 112.0], [237.0, 105.0, 37.0], [252.0, 240.0, 120.0]];
    let place = share.clamp(0.0, 1.0) * 3.0;
    let first = (place as usize).min(2);
    let part = place - first as f64;
    let [r, g, b] = [0, 1, 2].map(|i| (STOPS[first][i] * (1.0 - part) + STOPS[first + 1][i] * part).round() as u8);
    u32::from_be_bytes([0, r, g, b])
}

/// Draws the box that the user is drawing.
pub(super) fn draw_box(canvas: &mut Canvas<'_>, from: (i64, i64), to: (i64, i64)) {
    let at = (from.0.min(to.0), from.1.min(to.1));
    let size = ((from.0 - to.0).abs() + 1, (from.1 - to.1).abs() + 1);
    canvas.fill(at, size, 0xff_ff_ff, 40);
    canvas.outline(at, size, 0x00_00_00, 3);
    canvas.outline((at.0 + 1, at.1 + 1), (size.0 - 2, size.1 - 2), 0xff_ff_ff, 1);
}

/// Writes a message at the bottom, wrapped to fit.
pub(super) fn draw_message(canvas: &mut Canvas<'_>, text: &str, colour: u32, font: Font) {
    let engine_events = (i64::from(canvas.size.0) / font.width() - 4).max(8) as usize;
    let lines: Vec<_> = broken(text, engine_events).into_iter().map(|line| (line, colour)).collect();
    let (_, height) = Canvas::measure(&lines, font);
    let at = (font.width(), i64::from(canvas.size.1) - height - font.width());
    canvas.lines(at, &lines, font);
}

/// Wraps a text into lines of at most this many characters; longer words are cut.
fn broken(text: &str, engine_events: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut count = 0;
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        for part in word.chunks(engine_events) {
            if count > 0 && count + 1 + part.len() > engine_events {
                lines.push(String::new());
                count = 0;
            }
            if let Some(line) = lines.last_mut() {
                if count > 0 {
                    line.push(' ');
                    count += 1;
                }
                line.extend(part);
                count += part.len();
            }
        }
    }
    lines
}

/// The help in columns of at most this many lines. A group stays together where it fits.
fn help_columns(lines: usize) -> Vec<Vec<(String, u32)>> {
    let mut columns = vec![Vec::new()];
    for group in GROUPS {
        let head = std::iter::once((group.name.to_owned(), ACCENT));
        let rows = group.bindings.iter();
        let rows = rows.map(|binding| (format!("{:<19} {}", binding.names().join(" "), binding.help), BRIGHT));
        let rows: Vec<_> = head.chain(rows).collect();
        let used = columns.last().map_or(0, Vec::len);
        if used > 0 && used + rows.len() > lines {
            columns.push(Vec::new());
        }
        for row in rows {
            if columns.last().is_none_or(|column| column.len() >= lines) {
                columns.push(Vec::new());
            }
            columns.last_mut().expect("there is one").push(row);
        }
    }
    columns
}

/// The layout of the help in a window: columns per page, lines per column, and a column's width.
fn help_layout((width, height): Size, font: Font) -> (usize, usize, i64) {
    let rows = GROUPS.iter().flat_map(|group| group.bindings);
    let longest = 20 + rows.map(|binding| binding.help.chars().count()).max().unwrap_or(0) as i64;
    let column = (longest + 3) * font.width();
    let columns = ((i64::from(width) - font.width()) / column).clamp(1, 3);
    let lines = ((i64::from(height) - 3 * font.width()) / font.height() - 2).max(1);
    (columns as usize, lines as usize, column)
}

/// How many pages the help has in a window of this size.
pub(super) fn help_pages(size: Size, font: Font) -> usize {
    let (columns, lines, _) = help_layout(size, font);
    help_columns(lines).len().div_ceil(columns)
}

/// Draws a page of the help, counted from 1.
pub(super) fn draw_help(canvas: &mut Canvas<'_>, page: usize, font: Font) {
    let size = canvas.size;
    let (columns, lines, column) = help_layout(size, font);
    let pages = help_pages(size, font);
    canvas.fill((0, 0), (size.0.into(), size.1.into()), 0x05_06_0a, 225);
    let all = help_columns(lines);
    let shown = all.chunks(columns).nth(page.saturating_sub(1)).unwrap_or_default();
    let pad = font.width();
    for (index, part) in (0..).zip(shown) {
        for (row, (line, colour)) in (0..).zip(part) {
            canvas.text((pad + index * column, pad + row * font.height()), line, *colour, font);
        }
    }
    let place = if pages > 1 { format!("page {page} of {pages}; ") } else { String::new() };
    let next = place + if page < pages { "H shows the next" } else { "H returns to the picture" };
    canvas.text((pad, i64::from(size.1) - font.height() - pad), &next, DIM, font);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_every_line_on_some_page() {
        for size in [(640, 400), (1280, 720), (3840, 2160), (40, 30)] {
            let font = Font::new(0.0, size.1);
            let (columns, lines, column) = help_layout(size, font);
            let shown: usize = help_columns(lines).iter().map(Vec::len).sum();
            assert_eq!(shown, GROUPS.iter().map(|group| 1 + group.bindings.len()).sum::<usize>());
            assert!(help_columns(lines).iter().all(|column| (1..=lines).contains(&column.len())));
            assert!(size.0 < 600 || columns as i64 * column <= i64::from(size.0), "{size:?}");
        }
        assert_eq!(help_pages((1280, 720), Font::new(0.0, 720)), 1);
    }

    #[test]
    fn texts_are_broken_where_words_end() {
        assert_eq!(broken("one two  three", 7), ["one two", "three"]);
        assert_eq!(broken("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(broken("", 4), [""]);
    }
}

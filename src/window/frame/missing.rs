//! The pixels still missing from the final picture.

use super::{Frame, level};
use crate::tile::Tile;

impl Frame {
    /// Whether any pixel of an area is coarser than blocks of `grain` pixels.
    pub(in crate::window) fn is_coarser_than(&self, grain: u32, area: Tile) -> bool {
        let level = level(grain.into());
        let rows = self.levels.chunks_exact(self.size.0 as usize).skip(area.y as usize).take(area.height as usize);
        let columns = area.x as usize..(area.x + area.width) as usize;
        rows.into_iter().any(|row| row[columns.clone()].iter().any(|&there| there > level))
    }

    /// Rectangles that hold exactly the pixels that are not final, or one around them all if computing its final pixels again costs less
    /// than separate runs.
    pub(in crate::window) fn missing(&self) -> Vec<Tile> {
        /// Each rectangle is a run of its own, which costs about as much as this many pixels.
        const RUN: usize = 1000;
        let width = self.size.0;
        let mut done: Vec<Tile> = Vec::new();
        let mut open: Vec<Tile> = Vec::new();
        let mut bounds: Option<(u32, u32, u32, u32)> = None;
        for (y, row) in (0..).zip(self.levels.chunks_exact(width as usize)) {
            let mut next: Vec<Tile> = Vec::new();
            let mut x = 0;
            while let Some(start) = row[x..].iter().position(|&level| level != 0).map(|at| at + x) {
                let end = row[start..].iter().position(|&level| level == 0).map_or(row.len(), |at| at + start);
                let (left, across) = (start as u32, (end - start) as u32);
                let bound = bounds.get_or_insert((left, y, left + across, y + 1));
                *bound = (bound.0.min(left), bound.1, bound.2.max(left + across), y + 1);
                let above = open.iter().position(|tile| tile.x == left && tile.width == across);
                next.push(match above {
                    Some(index) => {
                        let tile = open.swap_remove(index);
                        Tile { height: tile.height + 1, ..tile }
                    }
                    None => Tile { x: left, y, width: across, height: 1 },
                });
                x = end;
            }
            done.append(&mut open);
            open = next;
        }
        done.append(&mut open);
        match bounds {
            Some((left, top, right, bottom)) => {
                let whole = Tile { x: left, y: top, width: right - left, height: bottom - top };
                let kept = whole.area() - done.iter().map(Tile::area).sum::<usize>();
                if kept < RUN * (done.len() - 1) { vec![whole] } else { done }
            }
            None => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Channels;

    /// A frame with these tiles of 64 × 64 final.
    fn frame(tiles: &[(u32, u32)]) -> Frame {
        let mut frame = Frame::new((1280, 720), 1, Channels::default());
        for (column, row) in tiles {
            for y in row * 64..(row * 64 + 64).min(720) {
                let start = (y * 1280 + column * 64) as usize;
                frame.levels[start..start + 64].fill(0);
            }
        }
        frame
    }

    #[test]
    fn what_is_final_is_not_missing() {
        // A picture that has grown outwards from its middle to half of its tiles.
        let near = |x: u32, y: u32| (x as i32 - 10).pow(2) + 3 * (y as i32 - 6).pow(2) < 60;
        let tiles: Vec<_> = (0..12).flat_map(|y| (0..20).map(move |x| (x, y))).filter(|&(x, y)| near(x, y)).collect();
        let frame = frame(&tiles);
        let missing = frame.missing();
        assert!(missing.len() > 10, "{missing:?}");
        let mut seen = vec![0; 1280 * 720];
        for tile in &missing {
            for y in tile.y..tile.y + tile.height {
                (tile.x..tile.x + tile.width).for_each(|x| seen[(y * 1280 + x) as usize] += 1);
            }
        }
        assert!(seen.iter().zip(&frame.levels).all(|(&seen, &level)| seen == u32::from(level != 0)));
    }

    #[test]
    fn a_few_final_pixels_are_not_worth_a_run() {
        let mut frame = frame(&[]);
        (0..720).for_each(|y| frame.levels[y * 1280 + y % 7] = 0);
        assert_eq!(frame.missing(), [Tile { x: 0, y: 0, width: 1280, height: 720 }]);
        frame.levels.fill(0);
        assert_eq!(frame.missing(), []);
    }
}

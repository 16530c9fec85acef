//! Carrying planes of samples over from one view to another.

use super::super::place::{Map, Size};

/// Where the pixels of a new view were in the old one.
#[derive(Clone, Debug)]
pub(in crate::window) enum Way {
    /// This many pixels to the right and down, exactly.
    By(i64, i64),
    /// Along a map; `scale` is the size of the new pixels in old ones.
    Along { map: Map, scale: f64 },
}

/// Carries planes over, each sample from the nearest one.
pub(super) struct Gather {
    new: Size,
    old: Size,
    rule: Rule,
}

enum Rule {
    Shift(i64, i64),
    /// The old column of each column and the old row of each row; those outside are `u32::MAX`.
    Axes(Vec<u32>, Vec<u32>),
    Turned(Map),
}

impl Gather {
    /// With `samples` per pixel, each way: sizes are in samples, the way in pixels.
    pub(super) fn new(way: &Way, new: Size, old: Size, samples: u32) -> Self {
        let per = f64::from(samples);
        let rule = match way {
            Way::By(right, down) => Rule::Shift(right * i64::from(samples), down * i64::from(samples)),
            Way::Along { map, .. } if map.right[1] == 0.0 && map.down[0] == 0.0 => {
                let axis = |origin: f64, step: f64, new: u32, old: u32| {
                    let place = |i: u32| (origin * per + (f64::from(i) + 0.5) * step).floor();
                    let inside = |at: f64| if at >= 0.0 && at < f64::from(old) { at as u32 } else { u32::MAX };
                    (0..new).map(|i| inside(place(i))).collect()
                };
                let columns = axis(map.origin[0], map.right[0], new.0, old.0);
                Rule::Axes(columns, axis(map.origin[1], map.down[1], new.1, old.1))
            }
            Way::Along { map, .. } => Rule::Turned(Map { origin: map.origin.map(|o| o * per), ..*map }),
        };
        Self { new, old, rule }
    }

    pub(super) fn plane<T: Copy>(&self, from: &[T], to: &mut [T]) {
        let (width, height) = (self.new.0 as usize, self.new.1 as usize);
        let (old_width, old_height) = (i64::from(self.old.0), i64::from(self.old.1));
        match &self.rule {
            Rule::Shift(right, down) => {
                let start = (-right).clamp(0, width as i64) as usize;
                let end = (old_width - right).clamp(start as i64, width as i64) as usize;
                for y in 0..height {
                    let source = y as i64 + down;
                    if (0..old_height).contains(&source) && start < end {
                        let first = (source * old_width + start as i64 + right) as usize;
                        to[y * width + start..y * width + end].copy_from_slice(&from[first..first + end - start]);
                    }
                }
            }
            Rule::Axes(columns, rows) => {
                for (to, &row) in to.chunks_exact_mut(width).zip(rows) {
                    if row != u32::MAX {
                        let from = &from[row as usize * old_width as usize..][..old_width as usize];
                        for (to, &column) in to.iter_mut().zip(columns) {
                            if let Some(&there) = from.get(column as usize) {
                                *to = there;
                            }
                        }
                    }
                }
            }
            Rule::Turned(Map { origin, right, down }) => {
                for (y, to) in to.chunks_exact_mut(width).enumerate() {
                    let at = [0, 1].map(|i| origin[i] + (y as f64 + 0.5) * down[i]);
                    for (x, to) in to.iter_mut().enumerate() {
                        let [u, v] = [0, 1].map(|i| at[i] + (x as f64 + 0.5) * right[i]);
                        if u >= 0.0 && v >= 0.0 && u < old_width as f64 && v < old_height as f64 {
                            *to = from[v as usize * old_width as usize + u as usize];
                        }
                    }
                }
            }
        }
    }
}

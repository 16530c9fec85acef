//! Parts of a render: works that compute only some of a picture.

use super::maker::Maker;
use super::{Render, RenderOptions};
use crate::error::{Error, Result};
use crate::parallel::{Pieces, Prepared};
use crate::scene::Crop;
use crate::tile::{Order, PixelSize, SampleSize, Tiling};
use std::sync::Arc;

/// Which part of a render's picture is computed. All parts have exactly the picture's samples, and share what its kernel prepares.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// All of it.
    #[default]
    All,
    /// Some of its tiles.
    Tiles(Pieces),
    /// Some samples of some of its tiles. The masks that select them are part of the prepared data; a recipe has none, since the
    /// session sends them.
    Samples(Pieces, Prepared),
    /// A rectangle of its pixels, counted from the top left of what the render draws, cut into tiles of its own.
    Area(Crop),
    /// The samples in the middle of squares of so many samples each way, for the squares that overlap these pixels: a coarse picture,
    /// cut into tiles of its own.
    Coarse(Crop, u32),
}

impl Part {
    /// The tiles that are the pieces of the work, if not all.
    pub(super) fn pieces(&self) -> Option<&Pieces> {
        match self {
            Part::Tiles(pieces) | Part::Samples(pieces, _) => Some(pieces),
            Part::All | Part::Area(_) | Part::Coarse(..) => None,
        }
    }

    /// The masks that select which samples are computed, if not all.
    pub(super) fn masks(&self) -> Option<&Prepared> {
        match self {
            Part::Samples(_, masks) => Some(masks),
            _ => None,
        }
    }
}

impl Render {
    /// A part of this render. A rectangle and a coarse picture are cut into tiles of `tile` × `tile` pixels, or squares, in this order;
    /// the other parts keep the existing tiles.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rectangle that is empty or not within the picture; [`Error::Unsupported`] for a coarse picture of a
    /// render with a kernel of your own, and for a part of a render that is itself only a part.
    pub fn part(&self, part: Part, tile: u32, order: Order) -> Result<Self> {
        let work = &*self.work;
        if !matches!(work.part, Part::All) {
            return Err(Error::Unsupported("a part of a picture cannot have parts of its own".into()));
        }
        let mut new = work.clone();
        new.part = part.clone();
        match part {
            Part::All => return Ok(self.clone()),
            Part::Tiles(pieces) | Part::Samples(pieces, _) => {
                if pieces.of() != work.tiling.len() {
                    return Err(Error::Usage(format!(
                        "the pieces were chosen from {} tiles, but the picture has {}",
                        pieces.of(),
                        work.tiling.len()
                    )));
                }
            }
            Part::Area(area) => {
                let samples = self.scene.image.samples;
                self.check_area(area)?;
                let edge = tile.saturating_mul(samples);
                let size = PixelSize { width: area.width, height: area.height };
                new.tiling = tiling(size.samples(samples), edge, order)?;
                new.origin = (area.x * samples, area.y * samples);
                new.options = RenderOptions { tile, order, ..work.options };
            }
            Part::Coarse(area, grain) => {
                if matches!(work.maker, Maker::Kernel) {
                    let why = "a render with a kernel of its own has no coarse picture";
                    return Err(Error::Unsupported(why.into()));
                }
                let (samples, grain) = (self.scene.image.samples, grain.max(1));
                self.check_area(area)?;
                let squares = |from: u32, length: u32| {
                    let first = from * samples / grain;
                    (first, ((from + length) * samples).div_ceil(grain) - first)
                };
                let ((x, width), (y, height)) = (squares(area.x, area.width), squares(area.y, area.height));
                new.kernel = work.maker.kernel(&work.request.coarse(grain))?;
                new.tiling = tiling(SampleSize { width, height }, tile, order)?;
                new.origin = (x, y);
                new.options = RenderOptions { tile, order, ..work.options };
            }
        }
        Ok(Self { work: Arc::new(new), ..self.clone() })
    }

    fn check_area(&self, area: Crop) -> Result<()> {
        let PixelSize { width, height } = self.scene.image.drawn();
        let within =
            |from: u32, length: u32, all: u32| length > 0 && from.checked_add(length).is_some_and(|end| end <= all);
        if within(area.x, area.width, width) && within(area.y, area.height, height) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the part {area} must be at least 1x1 pixels and within the picture's {width}x{height}"
        )))
    }
}

/// Tiles of at most the size of the image.
pub(super) fn tiling(size: SampleSize, edge: u32, order: Order) -> Result<Tiling> {
    Tiling::new(size, edge.min(size.width.max(size.height)), order)
}

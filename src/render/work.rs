//! A render as a backend sees it: a work whose pieces are tiles.

use super::ingredients::Ingredients;
use super::maker::Maker;
use super::{Part, RenderOptions, continued};
use crate::error::Result;
use crate::kernel::{Kernel, Request, TileClaim, TileRequest};
use crate::parallel::{Claim, Pieces, Position, Prepared, PreparedOnce, Preparing, Recipe, Stop, Work};
use crate::scene::{Crop, Scene};
use crate::tile::{Tile, Tiling};
use std::fmt;
use std::sync::Arc;

/// A scene as a [`Work`]: a piece is a tile.
#[derive(Clone)]
pub(super) struct RenderWork {
    pub(super) scene: Scene,
    pub(super) options: RenderOptions,
    pub(super) kernel: Arc<dyn Kernel>,
    /// The request for the kernel.
    pub(super) request: Request,
    /// The tiles of the picture, or of the part if it has tiles of its own.
    pub(super) tiling: Tiling,
    /// Where these tiles begin among the samples that the kernel computes.
    pub(super) origin: (u32, u32),
    /// Which part of the picture is computed.
    pub(super) part: Part,
    /// What the kernel prepared, for all works of this render.
    pub(super) tables: Arc<PreparedOnce>,
    /// Who makes the kernel.
    pub(super) maker: Maker,
}

impl RenderWork {
    /// The tile that is piece `index`.
    #[inline]
    pub(super) fn tile(&self, index: usize) -> Tile {
        self.tiling.tile(self.part.pieces().map_or(index, |pieces| pieces.get(Position(index))))
    }
}

impl Work for RenderWork {
    fn len(&self) -> usize {
        self.part.pieces().map_or(self.tiling.len(), Pieces::len)
    }

    fn piece_len(&self, index: usize) -> usize {
        self.options.channels.bytes(self.tile(index).area())
    }

    fn most_operations(&self) -> Option<u64> {
        let first = (self.len() > 0).then(|| self.tile(0).area() as u64);
        first.map(|samples| samples.saturating_mul(self.scene.max_iterations()))
    }

    fn claim_bytes(&self) -> Option<usize> {
        self.kernel.facts().claim_bytes
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let tables = self.tables.get(preparing, |preparing| self.kernel.prepare(preparing))?;
        Ok(self.part.masks().map_or_else(|| tables.clone(), |masks| tables.and(masks)))
    }

    fn prepared_len(&self) -> u64 {
        self.kernel.prepared_len() + self.part.masks().map_or(0, |masks| masks.len() as u64)
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let range = claim.range();
        let tiles = range.clone().map(|index| {
            let tile = self.tile(index);
            let masked = self.part.masks().is_some();
            let mask = if masked { continued::mask(prepared, index, tile.area())? } else { None };
            let (x, y) = (tile.x + self.origin.0, tile.y + self.origin.1);
            Ok(TileRequest { tile: Tile { x, y, ..tile }, mask })
        });
        let tiles: Vec<_> = tiles.collect::<Result<_>>()?;
        let mut useful = vec![0; tiles.len()];
        let words = bytemuck::cast_slice_mut(claim.bytes());
        let counters = self.kernel.compute(prepared, TileClaim { tiles: &tiles, words, useful: &mut useful }, stop)?;
        for (index, useful) in range.zip(useful) {
            claim.set_cost(index, useful);
        }
        claim.add_executed(counters.executed);
        claim.add_counts(&counters.to_numbers());
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        let kind = self.maker.kind()?;
        let RenderOptions { tile, order, channels, isa } = self.options;
        let mut scene = self.scene.clone();
        let coarse = match self.part {
            Part::Area(area) => {
                let Crop { x, y, .. } = scene.image.crop.unwrap_or(area);
                let (x, y) = if scene.image.crop.is_some() { (x + area.x, y + area.y) } else { (x, y) };
                scene.image.crop = Some(Crop { x, y, ..area });
                None
            }
            Part::Coarse(area, grain) => Some((area, grain)),
            Part::All | Part::Tiles(_) | Part::Samples(..) => None,
        };
        let recipe = Ingredients {
            scene,
            tile,
            order: order.to_string(),
            channels,
            pieces: self.part.pieces().cloned(),
            masked: self.part.masks().is_some(),
            coarse,
            around: self.request.kept().cloned(),
            isa: isa.map(|isa| isa.to_string()),
            tier: self.kernel.facts().tier.into(),
            exact: self.kernel.facts().exact,
        };
        serde_json::to_vec(&recipe).ok().map(|bytes| Recipe { kind, bytes })
    }

    fn unit(&self) -> &'static str {
        "iterations"
    }

    fn piece(&self) -> &'static str {
        "tile"
    }

    fn describe(&self, index: usize) -> String {
        let number = self.part.pieces().map_or(index, |pieces| pieces.get(Position(index)));
        format!("tile {number} ({}) of {}", self.tiling.tile(number), self.scene.title())
    }
}

impl fmt::Debug for RenderWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderWork").field("kernel", &self.kernel).finish_non_exhaustive()
    }
}

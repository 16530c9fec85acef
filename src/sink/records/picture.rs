//! Pictures of raw data as files of finished tiles.

use super::{Description, Records};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use crate::sample::INTERIOR;
use crate::sink::image::exr;
use crate::sink::tiles::Tiles;
use std::path::Path;

/// The tiles of one of our EXR pictures in which any sample has escaped. They are kept in a nameless file in `folder`, so that
/// memory holds only one row of tiles at a time.
///
/// # Errors
/// [`Error::Input`] when the file is not such a picture of this size, or lacks some of its channels; as [`Records::of`].
pub(crate) fn of_picture(
    path: &Path,
    description: Description,
    tiles: &Tiles,
    folder: &Path,
    stop: &Stop,
) -> Result<Records> {
    let wrong = |why: String| Error::Input(format!("`{}` {why}", path.display()));
    let Tiles { tiling, channels, .. } = tiles;
    let size = tiling.size();
    let mut reader = exr::Reader::open(path, size, *channels).map_err(wrong)?;
    // Tiles in the order of the file, whatever their numbers.
    let mut order: Vec<_> = (0..tiling.len()).map(|index| (tiling.tile(index).y, index)).collect();
    order.sort_unstable();
    let (width, planes) = (size.width as usize, channels.words());
    let (mut band, mut top) = (Vec::new(), None);
    let piece = |(_, index): (u32, usize)| {
        if stop.is_set() {
            return Some(Err(Error::Stopped));
        }
        let tile = tiling.tile(index);
        if top != Some(tile.y) {
            top = Some(tile.y);
            if let Err(why) = reader.take(tile.height as usize, &mut band) {
                return Some(Err(wrong(why)));
            }
        }
        let mut words = Vec::with_capacity(planes * tile.area());
        for plane in 0..planes {
            for y in 0..tile.height as usize {
                let start = (y * planes + plane) * width + tile.x as usize;
                words.extend_from_slice(&band[start..start + tile.width as usize]);
            }
            if plane == 0 && words.iter().all(|&count| count == INTERIOR) {
                return None;
            }
        }
        Some(Ok((index, words)))
    };
    Records::of(description, path, folder, order.into_iter().filter_map(piece))
}

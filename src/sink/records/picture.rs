//! Pictures of raw data as files of finished tiles.

use super::{Description, Records};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use crate::sample::{Channels, INTERIOR};
use crate::sink::image::exr;
use crate::tile::Tiling;
use std::path::Path;

/// The tiles of an EXR picture of ours in which every sample has escaped. They wait in a file without a name, in `folder`.
///
/// # Errors
/// [`Error::Input`] when the file is no such picture of this size, or lacks some of `channels`; as [`Records::of`].
pub(crate) fn of_picture(
    path: &Path,
    description: Description,
    tiling: &Tiling,
    channels: Channels,
    folder: &Path,
    stop: &Stop,
) -> Result<Records> {
    let wrong = |why: &str| Error::Input(format!("`{}` {why}", path.display()));
    let (width, height) = tiling.size();
    let (counts, planes) = exr::read(path, (width, height)).map_err(|why| wrong(&why))?;
    let wanted = [channels.smooth, channels.distance, channels.distance];
    let area = width as usize * height as usize;
    if counts.len() != area || planes.iter().zip(wanted).any(|(plane, wanted)| wanted && plane.len() != area) {
        return Err(wrong("has not all the data that this picture needs"));
    }
    let piece = |index: usize| {
        if stop.is_set() {
            return Some(Err(Error::Stopped));
        }
        let tile = tiling.tile(index);
        let rows = (tile.y as usize..(tile.y + tile.height) as usize).map(|y| {
            let start = y * width as usize + tile.x as usize;
            start..start + tile.width as usize
        });
        let mut words: Vec<u32> = rows.clone().flat_map(|row| counts[row].iter().copied()).collect();
        if words.contains(&INTERIOR) {
            return None;
        }
        for (plane, _) in planes.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            words.extend(rows.clone().flat_map(|row| plane[row].iter().map(|value| value.to_bits())));
        }
        Some(Ok((index, words)))
    };
    Records::of(description, path, folder, (0..tiling.len()).filter_map(piece))
}

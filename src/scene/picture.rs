//! The scene that a picture carries: an iTXt chunk of a PNG file, or a text attribute of an EXR file.
//!
//! Only the head of the file is read, and the sizes it claims are not trusted: everything works on at most [`MAX_HEAD_BYTES`] bytes in
//! memory, and a compressed text is unpacked up to the largest size of a scene.

use super::MAX_SCENE_BYTES;
use crate::sink::SCENE_KEY;
#[cfg(feature = "exr")]
use exr::meta::{MetaData, attribute::AttributeValue};
use std::io::Cursor;

/// How much of a picture is read at most; everything before the first pixels must fit.
pub const MAX_HEAD_BYTES: usize = 4 << 20;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const EXR: &[u8] = b"\x76\x2f\x31\x01";

/// The scene's text when `head` begins a picture; `None` when it does not look like a picture of a kind that carries scenes. The error
/// follows the name of the file.
pub(super) fn scene_text(head: &[u8]) -> Option<Result<String, String>> {
    if head.starts_with(PNG) {
        Some(png(head))
    } else if head.starts_with(EXR) {
        Some(exr(head))
    } else {
        None
    }
}

fn png(head: &[u8]) -> Result<String, String> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(head), png::Limits { bytes: 2 * MAX_HEAD_BYTES });
    decoder.set_ignore_iccp_chunk(true);
    // This stops at the pixels: text may also come after them, but ours comes before.
    let reader = decoder.read_info().map_err(|error| format!("is a damaged PNG picture: {error}"))?;
    let chunk = reader.info().utf8_text.iter().find(|chunk| chunk.keyword == SCENE_KEY);
    let mut chunk = chunk.ok_or_else(|| missing("a PNG"))?.clone();
    chunk
        .decompress_text_with_limit(MAX_SCENE_BYTES)
        .and_then(|()| chunk.get_text())
        .map_err(|error| format!("is a PNG picture whose scene cannot be unpacked: {error}"))
}

#[cfg(not(feature = "exr"))]
fn exr(_: &[u8]) -> Result<String, String> {
    Err(crate::sink::NO_EXR.into())
}

#[cfg(feature = "exr")]
fn exr(head: &[u8]) -> Result<String, String> {
    let meta = MetaData::read_from_buffered(Cursor::new(head), false)
        .map_err(|error| format!("is a damaged EXR picture: {error}"))?;
    let attributes = meta
        .headers
        .iter()
        .flat_map(|header| header.own_attributes.other.iter().chain(&header.shared_attributes.other));
    let text = attributes
        .filter(|(name, _)| **name == *SCENE_KEY)
        .find_map(|(_, value)| match value {
            AttributeValue::Text(text) => Some(text),
            _ => None,
        })
        .ok_or_else(|| missing("an EXR"))?;
    // The bytes of the attribute are UTF-8; the crate's own conversion treats each as a character.
    String::from_utf8(text.as_slice().to_vec()).map_err(|_| "is an EXR picture whose scene is not UTF-8".into())
}

fn missing(kind: &str) -> String {
    format!("is {kind} picture without a scene: only pictures made by this program carry one")
}

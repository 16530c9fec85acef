//! Picture files are decoded before they are hashed, so that another encoder changes no hash.

use super::hash;
use super::list::Hashes;
use exr::prelude::{FlatSamples, ReadChannels, ReadLayers};
use std::io::Cursor;

/// The hashes of a picture in any of the formats, which is known by its first bytes.
pub(super) fn hashes(file: &[u8]) -> Hashes {
    match file {
        [0x89, b'P', b'N', b'G', ..] => png(file),
        [b'P', b'6', ..] => ppm(file),
        [0x76, 0x2f, 0x31, 0x01, ..] => exr(file),
        other => panic!("a picture begins with {:02x?}", &other[..other.len().min(8)]),
    }
}

/// Colours as numbers of the file's depth. The depth goes first: 8 bits of one value are not 16 bits of it.
fn colours(width: u32, height: u32, deep: bool, bytes: &[u8]) -> Hashes {
    let len = width as usize * height as usize * if deep { 6 } else { 3 };
    assert_eq!(bytes.len(), len, "three colours a pixel");
    let words: Vec<u32> = if deep {
        bytes.chunks_exact(2).map(|value| u16::from_be_bytes([value[0], value[1]]).into()).collect()
    } else {
        bytes.iter().map(|&value| value.into()).collect()
    };
    let depth = if deep { 16 } else { 8 };
    vec![("pixels", hash::of_plane(width, height, [depth].into_iter().chain(words)))]
}

fn png(file: &[u8]) -> Hashes {
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let deep = match info.bit_depth {
        png::BitDepth::Eight => false,
        png::BitDepth::Sixteen => true,
        other => panic!("{other:?}"),
    };
    colours(info.width, info.height, deep, &bytes)
}

fn ppm(file: &[u8]) -> Hashes {
    let mut rest = file;
    let words @ [format, width, height, largest] = [(); 4].map(|()| {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap();
        let word = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        word.trim_start_matches('P').parse::<u32>().unwrap()
    });
    assert!(format == 6 && [255, 65535].contains(&largest), "{words:?}");
    colours(width, height, largest > 255, rest)
}

/// The planes of samples under the names that they have in the file. Counts are moved there by 1024 except that of the interior.
fn exr(file: &[u8]) -> Hashes {
    let reader = exr::prelude::read().no_deep_data().largest_resolution_level().all_channels().first_valid_layer();
    let image = reader.all_attributes().from_buffered(Cursor::new(file)).unwrap();
    let layer = &image.layer_data;
    let (width, height) = (layer.size.x() as u32, layer.size.y() as u32);
    let plane = |data: &FlatSamples| match data {
        FlatSamples::U32(values) => hash::of_plane(width, height, values.iter().copied()),
        FlatSamples::F32(values) => hash::of_plane(width, height, values.iter().map(|value| value.to_bits())),
        FlatSamples::F16(_) => panic!("half precision"),
    };
    let name =
        |name: String| ["N", "NF", "DEX", "DEY"].into_iter().find(|known| *known == name).expect("a known plane");
    layer
        .channel_data
        .list
        .iter()
        .map(|channel| (name(channel.name.to_string()), plane(&channel.sample_data)))
        .collect()
}

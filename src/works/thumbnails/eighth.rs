//! JPEG at an eighth of its size: a block of 8 × 8 samples becomes one, its mean, which is the first of its coefficients.
//!
//! The other coefficients are skipped without being computed, and there is no inverse transform. Only the usual kind is read: baseline,
//! 8 bits, Huffman codes, one scan; whatever else there is, is left to a decoder of everything ([`Unread::Other`]).
//!
//! Why not a library: `zune-jpeg` 0.5 decodes at full size only. `jpeg-decoder` 0.3 has a scale, but starts a thread for each component
//! without being asked, so that one worker would be four. Measured for 12 megapixels in 3.4 MB, in processor time of a Zen 5, with reading
//! the file and resizing: this 27 ms, `zune-jpeg` at full size 73 ms (`fractal bench --work thumbnails`).
//!
//! Source of the format: ITU-T T.81 (1992), sections B.2 and F.2.

use super::bits::{Bits, Huffman};
use crate::parallel::Stop;
use image::metadata::Orientation;

/// A picture at an eighth of its size.
#[derive(Debug)]
pub(super) struct Eighth {
    /// Size of the whole picture.
    pub(super) full: (u32, u32),
    /// Width and height here: an eighth, rounded up.
    pub(super) size: (u32, u32),
    /// Bytes of a pixel: 1 for grey, 3 for RGB.
    pub(super) channels: usize,
    pub(super) pixels: Vec<u8>,
    pub(super) orientation: Orientation,
}

/// Why a picture was not read.
#[derive(Debug, PartialEq)]
pub(super) enum Unread {
    /// It is of another kind, or stranger than what is read here.
    Other,
    /// It is damaged.
    Damaged(&'static str),
    /// The run is to end.
    Stopped,
}

/// What the headers say.
#[derive(Default)]
struct Headers {
    frame: Option<Frame>,
    /// The first entry of each table of quantisation.
    quantisation: [Option<u16>; 4],
    first: [Option<Huffman>; 4],
    others: [Option<Huffman>; 4],
    /// For each component of the scan the numbers of its two Huffman tables.
    tables: Vec<u8>,
    restart: usize,
    /// What an Adobe segment says of colours.
    transform: Option<u8>,
    orientation: Option<Orientation>,
}

struct Frame {
    size: (u32, u32),
    components: Vec<Component>,
}

/// A component: how many of its blocks there are across and down in each unit of the scan, and what it is decoded with.
struct Component {
    id: u8,
    across: usize,
    down: usize,
    quantisation: usize,
}

/// The size that a picture's headers state, if it is of the kind that is read here.
pub(super) fn size(data: &[u8]) -> Option<(u32, u32)> {
    headers(data).ok().and_then(|(headers, _)| headers.frame.map(|frame| frame.size))
}

/// Reads a picture.
pub(super) fn read(data: &[u8], stop: &Stop) -> Result<Eighth, Unread> {
    let (headers, start) = headers(data)?;
    let frame = headers.frame.as_ref().ok_or(Unread::Other)?;
    let (planes, stride) = scan(&headers, frame, &data[start..], stop)?;
    let (across, down) = most(frame);
    let (width, height) = (frame.size.0.div_ceil(8) as usize, frame.size.1.div_ceil(8) as usize);
    let channels = frame.components.len();
    let mut pixels = vec![0; width * height * channels];
    for (y, row) in pixels.chunks_exact_mut(width * channels).enumerate() {
        for (component, (plane, stride)) in planes.iter().zip(&stride).enumerate() {
            let Component { across: own, down: own_down, .. } = frame.components[component];
            let line = &plane[y * own_down / down * stride..][..*stride];
            let pixels = row[component..].iter_mut().step_by(channels);
            // A component with fewer blocks is repeated.
            pixels.enumerate().for_each(|(x, pixel)| *pixel = line[x * own / across]);
        }
        if channels == 3 && headers.is_luminance(frame) {
            row.as_chunks_mut().0.iter_mut().for_each(to_rgb);
        }
    }
    let orientation = headers.orientation.unwrap_or(Orientation::NoTransforms);
    Ok(Eighth { full: frame.size, size: (width as u32, height as u32), channels, pixels, orientation })
}

/// The most blocks across and down of any component.
fn most(frame: &Frame) -> (usize, usize) {
    let across = frame.components.iter().map(|component| component.across).max();
    let down = frame.components.iter().map(|component| component.down).max();
    (across.unwrap_or(1), down.unwrap_or(1))
}

/// JFIF's YCbCr to RGB, in 16-bit fractions.
fn to_rgb(pixel: &mut [u8; 3]) {
    let [y, blue, red] = pixel.map(i32::from);
    let (y, blue, red) = ((y << 16) + (1 << 15), blue - 128, red - 128);
    let channel = |value: i32| (value >> 16).clamp(0, 255) as u8;
    *pixel = [channel(y + 91_881 * red), channel(y - 22_554 * blue - 46_802 * red), channel(y + 116_130 * blue)];
}

impl Headers {
    /// Whether the three components are luminance and colour differences: always, but for Adobe's and those that are called R, G and B.
    fn is_luminance(&self, frame: &Frame) -> bool {
        match self.transform {
            Some(transform) => transform != 0,
            None => !frame.components.iter().map(|component| component.id).eq(*b"RGB"),
        }
    }
}

/// Reads all segments up to the scan; also returns where its data begins.
fn headers(data: &[u8]) -> Result<(Headers, usize), Unread> {
    const ENDS: Unread = Unread::Damaged("it ends within its headers");
    let mut headers = Headers::default();
    if !data.starts_with(&[0xff, 0xd8]) {
        return Err(Unread::Other);
    }
    let mut at = 2;
    loop {
        let (lead, marker) = data.get(at).zip(data.get(at + 1)).ok_or(ENDS)?;
        if *lead != 0xff {
            return Err(Unread::Other);
        }
        // A marker may have any number of 0xff before it.
        if *marker == 0xff {
            at += 1;
            continue;
        }
        let len = data.get(at + 2..at + 4).and_then(|bytes| bytes.first_chunk()).ok_or(ENDS)?;
        let end = at + 2 + usize::from(u16::from_be_bytes(*len));
        let segment = data.get(at + 4..end).ok_or(ENDS)?;
        match marker {
            0xc0 | 0xc1 => headers.frame = Some(frame(segment)?),
            0xc4 => huffman(segment, &mut headers).ok_or(Unread::Damaged("its Huffman codes are damaged"))?,
            // Progressive, lossless or arithmetic.
            0xc2..=0xcf => return Err(Unread::Other),
            0xdb => quantisation(segment, &mut headers).ok_or(Unread::Other)?,
            0xdd => {
                let interval = segment.first_chunk().ok_or(Unread::Other)?;
                headers.restart = u16::from_be_bytes(*interval).into();
            }
            0xe1 if segment.starts_with(b"Exif\0\0") => {
                headers.orientation = Orientation::from_exif_chunk(&segment[6..]);
            }
            0xee if segment.starts_with(b"Adobe") => headers.transform = segment.get(11).copied(),
            0xda => {
                headers.tables = tables(segment, &headers)?;
                return Ok((headers, end));
            }
            _ => {}
        }
        at = end;
    }
}

fn frame(segment: &[u8]) -> Result<Frame, Unread> {
    let (&[8, h1, h0, w1, w0, count], rest) = segment.split_first_chunk().ok_or(Unread::Other)? else {
        return Err(Unread::Other);
    };
    let size = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    let (parts, _) = rest.as_chunks::<3>();
    let components = parts.iter().take(count.into()).map(|&[id, factors, table]| Component {
        id,
        across: usize::from(factors >> 4),
        down: usize::from(factors & 15),
        quantisation: table.into(),
    });
    let mut components: Vec<_> = components.collect();
    let is_usual = |component: &Component| {
        matches!((component.across, component.down), (1 | 2 | 4, 1 | 2 | 4)) && component.quantisation < 4
    };
    let fits = matches!(count, 1 | 3) && components.len() == usize::from(count) && components.iter().all(is_usual);
    if !fits || size.0 == 0 || size.1 == 0 {
        return Err(Unread::Other);
    }
    // A single component is not interleaved: its blocks come in rows, whatever its factors.
    if let [component] = &mut components[..] {
        (component.across, component.down) = (1, 1);
    }
    Ok(Frame { size, components })
}

fn quantisation(mut segment: &[u8], headers: &mut Headers) -> Option<()> {
    while let Some((&kind, rest)) = segment.split_first() {
        let wide = kind >> 4 == 1;
        let (table, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
        let first = if wide { u16::from_be_bytes([table[0], table[1]]) } else { table[0].into() };
        *headers.quantisation.get_mut(usize::from(kind & 15))? = Some(first);
        segment = rest;
    }
    Some(())
}

fn huffman(mut segment: &[u8], headers: &mut Headers) -> Option<()> {
    while let Some((&kind, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let (values, rest) = rest.split_at_checked(counts.iter().map(|count| usize::from(*count)).sum())?;
        let tables = if kind >> 4 == 0 { &mut headers.first } else { &mut headers.others };
        *tables.get_mut(usize::from(kind & 15))? = Some(Huffman::new(counts, values)?);
        segment = rest;
    }
    Some(())
}

/// The numbers of the Huffman tables of a scan, which must have all components, in the order of the frame.
fn tables(segment: &[u8], headers: &Headers) -> Result<Vec<u8>, Unread> {
    let frame = headers.frame.as_ref().ok_or(Unread::Other)?;
    let count = frame.components.len();
    let parts = segment.get(1..1 + 2 * count).ok_or(Unread::Other)?.as_chunks::<2>().0;
    let in_order = parts.iter().zip(&frame.components).all(|([id, _], component)| *id == component.id);
    if usize::from(segment[0]) != count || !in_order {
        return Err(Unread::Other);
    }
    Ok(parts.iter().map(|[_, tables]| *tables).collect())
}

/// Decodes the scan: the means of all blocks of each component, and how many of them a row has.
fn scan(headers: &Headers, frame: &Frame, data: &[u8], stop: &Stop) -> Result<(Vec<Vec<u8>>, Vec<usize>), Unread> {
    let (across, down) = most(frame);
    let units = ((frame.size.0 as usize).div_ceil(8 * across), (frame.size.1 as usize).div_ceil(8 * down));
    let missing = Unread::Damaged("a table is missing");
    let damaged = || Unread::Damaged("its data are damaged");
    let mut decoders = Vec::new();
    for (component, tables) in frame.components.iter().zip(&headers.tables) {
        let first = headers.first.get(usize::from(tables >> 4)).and_then(Option::as_ref);
        let others = headers.others.get(usize::from(tables & 15)).and_then(Option::as_ref);
        let (Some(first), Some(others), Some(factor)) = (first, others, headers.quantisation[component.quantisation])
        else {
            return Err(missing);
        };
        let stride = units.0 * component.across;
        let plane = vec![0_u8; stride * units.1 * component.down];
        decoders.push(Decoder { first, others, factor: factor.into(), stride, plane, last: 0 });
    }
    let mut bits = Bits::new(data);
    let mut left = headers.restart;
    for row in 0..units.1 {
        if stop.is_set() {
            return Err(Unread::Stopped);
        }
        for column in 0..units.0 {
            if headers.restart > 0 {
                if left == 0 {
                    if !bits.restart() {
                        return Err(damaged());
                    }
                    decoders.iter_mut().for_each(|decoder| decoder.last = 0);
                    left = headers.restart;
                }
                left -= 1;
            }
            for (component, decoder) in frame.components.iter().zip(&mut decoders) {
                for y in 0..component.down {
                    let at = (row * component.down + y) * decoder.stride + column * component.across;
                    for x in at..at + component.across {
                        decoder.plane[x] = decoder.mean(&mut bits).ok_or_else(damaged)?;
                    }
                }
            }
        }
        if bits.is_past_end() {
            return Err(Unread::Damaged("it ends too early"));
        }
    }
    Ok(decoders.into_iter().map(|decoder| (decoder.plane, decoder.stride)).unzip())
}

/// What decodes a component.
struct Decoder<'a> {
    first: &'a Huffman,
    others: &'a Huffman,
    factor: i32,
    stride: usize,
    plane: Vec<u8>,
    /// The first coefficient of the block before.
    last: i32,
}

impl Decoder<'_> {
    /// The mean of the next block.
    #[inline]
    fn mean(&mut self, bits: &mut Bits<'_>) -> Option<u8> {
        bits.fill();
        let len = self.first.next(bits)?;
        if len > 15 {
            return None;
        }
        self.last = self.last.wrapping_add(bits.signed(len.into()));
        self.others.skip_block(bits)?;
        // The coefficient is eight times the mean, whose middle is 128.
        Some(((self.last.wrapping_mul(self.factor).wrapping_add(4)) >> 3).saturating_add(128).clamp(0, 255) as u8)
    }
}

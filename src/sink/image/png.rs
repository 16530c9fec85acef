//! PNG: 8 or 16 bits of sRGB, with the scene inside.
//!
//! Settings as measured on three pictures of 1920 × 1080: the `png` crate's fastest compression with Paeth's filter takes 10 to
//! 18 ms with 8 bits and 23 to 32 ms with 16; the filter "up" saves 1 to 2 ms but makes files 2 to 4 % larger; choosing a filter
//! for each row costs 15 ms and gains nothing. The crate's default compression takes 150 to 350 ms for files 12 to 24 % smaller.
//! Compressing strips on several threads takes three times the processor time, which the kernels need themselves.

use crate::colour::Depth;
use crate::sink::formats::{Data, Format, Header, Rows, SCENE_KEY};
use crate::sink::output::Output;
use png::{BitDepth, ColorType, Compression, Encoder, Filter, SrgbRenderingIntent};
use std::cell::Cell;
use std::io::{self, Write};

pub(in crate::sink) const FORMAT: Format = Format {
    name: "png",
    extension: "png",
    help: "colours with 8 or 16 bits, compressed, with the scene inside",
    data: Data::Colours,
    seeks: false,
    // Two bits of deflate stand for 258 bytes.
    shrinks: 1032,
    rows: 1,
    blocks: None,
    encode,
};

/// Compressed bytes of one data chunk.
const CHUNK: usize = 1 << 16;

fn encode(output: &mut Output, header: &Header, rows: &mut dyn Rows) -> io::Result<()> {
    let is_cut = Cell::new(false);
    let mut file = Cut { file: io::BufWriter::with_capacity(CHUNK, output), is_cut: &is_cut };
    let mut encoder = Encoder::new(&mut file, header.width, header.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(match header.depth {
        Depth::Eight => BitDepth::Eight,
        Depth::Sixteen => BitDepth::Sixteen,
    });
    encoder.set_compression(Compression::Fastest);
    encoder.set_filter(Filter::Paeth);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    encoder.add_text_chunk("Software".into(), concat!("fractal ", env!("CARGO_PKG_VERSION")).into())?;
    if !header.scene.is_empty() {
        encoder.add_itxt_chunk(SCENE_KEY.into(), header.scene.clone())?;
    }
    let mut writer = encoder.write_header()?;
    let mut stream = writer.stream_writer_with_size(CHUNK)?;
    loop {
        // If no rows come it stays cut.
        is_cut.set(true);
        let Some(bytes) = rows.next_rows()? else { break };
        is_cut.set(false);
        stream.write_all(bytes)?;
    }
    is_cut.set(false);
    stream.finish().inspect_err(|_| is_cut.set(true))?;
    // Explicitly, because a dropped writer discards its errors.
    writer.finish()?;
    file.flush()
}

/// A file that takes nothing more once it is cut. The encoder's writers end the picture as if it were whole when they are dropped, so one
/// that was interrupted would look complete to whoever reads it from a pipe.
struct Cut<'a> {
    file: io::BufWriter<&'a mut Output>,
    is_cut: &'a Cell<bool>,
}

impl Write for Cut<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_cut.get() { Ok(bytes.len()) } else { self.file.write(bytes).inspect_err(|_| self.is_cut.set(true)) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_cut.get() { Ok(()) } else { self.file.flush() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Channels;
    use std::fs;

    /// Rows that end with an error, or all too early.
    struct Few(u32, bool);

    impl Rows for Few {
        fn next_rows(&mut self) -> io::Result<Option<&[u8]>> {
            match self {
                Self(0, true) => Err(io::ErrorKind::Interrupted.into()),
                Self(0, false) => Ok(None),
                Self(left, _) => {
                    *left -= 1;
                    Ok(Some(&[7; 3 * 100]))
                }
            }
        }
    }

    #[test]
    fn a_picture_that_is_interrupted_does_not_end_as_if_it_were_whole() {
        let path = std::env::temp_dir().join(format!("fractal-cut-{}.png", std::process::id()));
        let scene = String::new();
        let header = Header { width: 100, height: 3000, depth: Depth::Eight, channels: Channels::ALL, scene };
        for (rows, fails) in [(0, true), (1, true), (2999, true), (2999, false), (3000, false)] {
            let mut output = Output::create(&path).unwrap();
            let outcome = encode(&mut output, &header, &mut Few(rows, fails));
            let written = fs::read(output.temporary().unwrap()).unwrap();
            assert_eq!(outcome.is_ok(), rows == 3000, "{rows}");
            assert!(
                written.starts_with(b"\x89PNG") && written.ends_with(b"IEND\xaeB`\x82") == outcome.is_ok(),
                "{rows}"
            );
        }
        assert!(!path.exists());
    }
}

//! PPM (P6): a line of text and the bare colours, for pipes and for programs that can read nothing else.

use crate::sink::formats::{Data, Format, Header, Rows};
use crate::sink::output::Output;
use std::io::{self, Write};

pub(in crate::sink) const FORMAT: Format = Format {
    name: "ppm",
    extension: "ppm",
    help: "bare colours with 8 or 16 bits, for pipes; holds no scene",
    data: Data::Colours,
    seeks: false,
    shrinks: 1,
    rows: 1,
    blocks: None,
    encode,
};

fn encode(output: &mut Output, header: &Header, rows: &mut dyn Rows) -> io::Result<()> {
    let largest = (1u32 << header.depth.bits()) - 1;
    // One system call instead of one for each part of the line.
    output.write_all(format!("P6\n{} {}\n{largest}\n", header.width, header.height).as_bytes())?;
    while let Some(bytes) = rows.next_rows()? {
        output.write_all(bytes)?;
    }
    output.flush()
}

//! The bits of a JPEG scan, and the Huffman codes in them.
//!
//! For a picture at an eighth of its size only the first coefficient of a block is wanted. Of the others, it must be known how many bits
//! they take, and how many coefficients they skip: one look into a table says both.

/// Codes of up to so many bits are found with one look.
const QUICK: u32 = 11;

/// Reads bits, the highest first. Behind the end, and from a marker on, there are zeros.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    buffer: u64,
    /// How many of them were read from the data.
    held: u32,
    /// How many of those are zeros behind the end.
    beyond: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, held: 0, beyond: 0 }
    }

    /// Makes sure that there are at least 48 bits: enough for a code of 16 bits and a value of 16.
    #[inline]
    pub(super) fn fill(&mut self) {
        if self.held >= 48 {
            return;
        }
        if let Some(word) = self.data.get(self.at..self.at + 8).and_then(|bytes| bytes.first_chunk()) {
            let word = u64::from_be_bytes(*word);
            // No byte is 0xff if none of the complement is zero.
            let zeros = !word;
            if zeros.wrapping_sub(0x0101_0101_0101_0101) & !zeros & 0x8080_8080_8080_8080 == 0 {
                self.buffer |= word >> self.held;
                let bytes = (64 - self.held) / 8;
                self.at += bytes as usize;
                self.held += 8 * bytes;
                // What did not fit is read again.
                self.buffer &= u64::MAX << (64 - self.held);
                return;
            }
        }
        self.fill_by_bytes();
    }

    /// Byte by byte: 0xff stands with a zero behind it, or is a marker, where the data ends.
    #[cold]
    fn fill_by_bytes(&mut self) {
        while self.held <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.beyond += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
    }

    /// Whether more was read than there is.
    pub(super) fn is_past_end(&self) -> bool {
        self.beyond > self.held
    }

    /// Drops the rest of a byte, and goes behind the restart marker that follows; false if there is none.
    pub(super) fn restart(&mut self) -> bool {
        // All data before the marker was read, but for padding.
        let unread = self.held - self.beyond.min(self.held);
        let is_marker = matches!(self.data.get(self.at..self.at + 2), Some([0xff, 0xd0..=0xd7]));
        if unread >= 8 || !is_marker {
            return false;
        }
        *self = Self { at: self.at + 2, ..Self::new(self.data) };
        true
    }

    #[inline]
    fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.held -= bits;
    }

    /// A value of `bits` bits, 0 to 16, as JPEG writes differences: the lower half of values is negative.
    #[inline]
    pub(super) fn signed(&mut self, bits: u32) -> i32 {
        if bits == 0 {
            return 0;
        }
        let value = (self.buffer >> (64 - bits)) as i32;
        self.skip(bits);
        if value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value }
    }
}

/// A Huffman table.
pub(super) struct Huffman {
    /// For each of the next [`QUICK`] bits: the length of the code, and behind it the value; 0 if the code is longer.
    quick: Box<[u16; 1 << QUICK]>,
    /// For each length the first number above its codes, as if they had 16 bits, and what leads from a code to its value.
    ends: [u32; 17],
    offsets: [i32; 17],
    values: Vec<u8>,
}

impl Huffman {
    /// The table of a segment: how many codes there are of each length, then their values. `None` if that is no code.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut table = Self {
            quick: vec![0; 1 << QUICK].into_boxed_slice().try_into().ok()?,
            ends: [0; 17],
            offsets: [0; 17],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (&count, len) in counts.iter().zip(1_u32..) {
            table.offsets[len as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let value = *values.get(index)?;
                if code >= 1 << len {
                    return None;
                }
                if len <= QUICK {
                    let first = (code << (QUICK - len)) as usize;
                    table.quick[first..first + (1 << (QUICK - len))].fill((len as u16) << 8 | u16::from(value));
                }
                (code, index) = (code + 1, index + 1);
            }
            table.ends[len as usize] = code << (16 - len);
            code <<= 1;
        }
        Some(table)
    }

    /// The next value; `None` if there is no such code. At least 16 bits must be held.
    #[inline]
    pub(super) fn next(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let entry = self.quick[(bits.buffer >> (64 - QUICK)) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        let next = (bits.buffer >> 48) as u32;
        let len = (QUICK as usize + 1..=16).find(|len| next < self.ends[*len])?;
        bits.skip(len as u32);
        let code = (next >> (16 - len)) as i32;
        self.values.get(usize::try_from(code + self.offsets[len]).ok()?).copied()
    }

    /// Skips the coefficients of a block behind the first; `None` if they are damaged.
    #[inline]
    pub(super) fn skip_block(&self, bits: &mut Bits<'_>) -> Option<()> {
        let mut at = 1;
        while at < 64 {
            bits.fill();
            let value = self.next(bits)?;
            let (run, len) = (u32::from(value >> 4), u32::from(value & 15));
            if len == 0 && run < 15 {
                break;
            }
            bits.skip(len);
            at += run + 1;
        }
        (at <= 64).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_bytes_markers_and_the_end_are_seen() {
        let mut bits = Bits::new(&[0x12, 0xff, 0x00, 0x34, 0xff, 0xd3, 0x80]);
        bits.fill();
        // 0x12ff34 in three parts.
        assert_eq!([bits.buffer >> 56, bits.buffer >> 48 & 255, bits.buffer >> 40 & 255], [0x12, 0xff, 0x34]);
        bits.skip(20);
        assert!(bits.restart(), "padding may remain");
        bits.fill();
        assert_eq!(bits.signed(2), 2);
        assert!(!bits.is_past_end() && !bits.restart());
        bits.fill();
        bits.skip(20);
        assert!(bits.is_past_end());
    }

    #[test]
    fn long_runs_are_read_in_words() {
        let data: Vec<u8> = (0..200).map(|i| if i % 37 == 5 { 0xff } else { i }).collect();
        let stuffed: Vec<u8> = data.iter().flat_map(|&b| if b == 0xff { vec![b, 0] } else { vec![b] }).collect();
        let mut bits = Bits::new(&stuffed);
        for (at, &byte) in data.iter().enumerate() {
            bits.fill();
            assert_eq!((bits.buffer >> 56) as u8, byte, "byte {at}");
            bits.skip(8);
        }
        assert!(!bits.is_past_end());
    }

    #[test]
    fn codes_of_every_length_are_found() {
        // One code of each length: 0, 10, 110 and so on.
        let values: Vec<u8> = (1..=16).collect();
        let table = Huffman::new(&[1; 16], &values).unwrap();
        for value in 1..=16_u32 {
            let code = (((1_u64 << value) - 2) << (64 - value)).to_be_bytes();
            let stuffed: Vec<u8> = code.iter().flat_map(|&b| if b == 0xff { vec![b, 0] } else { vec![b] }).collect();
            let mut bits = Bits::new(&stuffed);
            bits.fill();
            assert_eq!(table.next(&mut bits), Some(value as u8));
        }
        let mut bits = Bits::new(&[0xff, 0x00, 0xff, 0x00]);
        bits.fill();
        assert_eq!(table.next(&mut bits), None, "no code has sixteen ones");
        assert!(Huffman::new(&[3; 16], &[0; 48]).is_none(), "there are two codes of one bit");
        assert!(Huffman::new(&[1; 16], &[0; 4]).is_none(), "values are missing");
    }
}

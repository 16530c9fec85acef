//! Words that each use the same few low bits, packed without the others.
//!
//! The layout is that of Lemire's simdcomp and of the crate `bitpacking` (its `BitPacker4x`): 128 words are 32 rows of 4, each
//! column is a bit stream of its own, and the streams are interleaved, so that the four words of a row go through the same
//! operations together. The crate was used before; unrolled for each of 32 widths, it took a twelfth of this program's build time,
//! and packing is a small part of the time to write a checkpoint.

/// Words in a block.
pub(super) const BLOCK: usize = 128;

/// Columns.
const COLUMNS: usize = 4;

/// Bytes of a block of words of `bits` bits each, at most 32.
pub(super) fn packed_len(bits: u8) -> usize {
    BLOCK / 8 * usize::from(bits)
}

/// Bits of the largest word.
pub(super) fn width(words: &[u32; BLOCK]) -> u8 {
    let any = words.iter().fold(0, |any, word| any | word);
    (32 - any.leading_zeros()) as u8
}

/// Appends the low `bits` of each word to `out`; the others are 0.
pub(super) fn pack(words: &[u32; BLOCK], bits: u8, out: &mut Vec<u8>) {
    let bits = u32::from(bits);
    let (mut row, mut filled) = ([0; COLUMNS], 0);
    for words in words.as_chunks::<COLUMNS>().0 {
        if bits == 0 {
            return;
        }
        for (row, word) in row.iter_mut().zip(words) {
            *row |= word << filled;
        }
        filled += bits;
        if filled >= u32::BITS {
            out.extend_from_slice(bytemuck::cast_slice(&row.map(u32::to_le)));
            filled -= u32::BITS;
            // The bits of the words that did not fit: none when they ended with the row.
            row = words.map(|word| word.checked_shr(bits - filled).unwrap_or(0));
        }
    }
}

/// The words of a block of [`packed_len`] bytes.
pub(super) fn unpack(packed: &[u8], bits: u8, words: &mut [u32; BLOCK]) {
    let bits = u32::from(bits);
    let mask = u32::MAX.checked_shr(u32::BITS - bits).unwrap_or(0);
    let mut rows = packed.as_chunks::<{ 4 * COLUMNS }>().0.iter().map(|bytes| {
        let bytes = bytes.as_chunks::<4>().0;
        [0, 1, 2, 3].map(|column| u32::from_le_bytes(bytes[column]))
    });
    let (mut row, mut left) = ([0; COLUMNS], 0);
    for words in words.as_chunks_mut::<COLUMNS>().0 {
        if bits <= left {
            for (word, row) in words.iter_mut().zip(&mut row) {
                *word = *row & mask;
                *row = row.checked_shr(bits).unwrap_or(0);
            }
            left -= bits;
        } else {
            let next = rows.next().unwrap_or_default();
            for ((word, row), next) in words.iter_mut().zip(&mut row).zip(next) {
                *word = (*row | next << left) & mask;
                *row = next.checked_shr(bits - left).unwrap_or(0);
            }
            left += u32::BITS - bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each bit where the layout says: bit b of the word in row r and column c is bit (r · width + b) of stream c.
    #[test]
    fn bits_lie_in_four_streams() {
        for bits in 0..=32_u8 {
            let mut words = [0; BLOCK];
            let mut random = 1_u32;
            for word in &mut words {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *word = random.checked_shr(u32::from(32 - bits)).unwrap_or(0);
            }
            words[5] = u32::MAX.checked_shr(u32::from(32 - bits)).unwrap_or(0);
            assert_eq!(width(&words), bits);
            let mut packed = vec![7];
            pack(&words, bits, &mut packed);
            let packed = &packed[1..];
            assert_eq!(packed.len(), packed_len(bits));
            for (i, word) in words.iter().enumerate() {
                for bit in 0..usize::from(bits) {
                    let at = i / 4 * usize::from(bits) + bit;
                    let byte = packed[16 * (at / 32) + 4 * (i % 4) + at % 32 / 8];
                    assert_eq!(word >> bit & 1, u32::from(byte >> (at % 8) & 1), "bit {bit} of word {i}, width {bits}");
                }
            }
            let mut again = [1; BLOCK];
            unpack(packed, bits, &mut again);
            assert_eq!(again, words);
        }
    }
}

//! Compressing a piece: of each 128 of its 32-bit words the differences from the least, in as many bits as the largest difference
//! needs (frame of reference: Goldstein, Ramakrishnan and Shaft, ICDE 1998).
//!
//! Counts of neighbours are similar, and fractions span few octaves: tiles shrink to a third or a half, tiles of interior alone to
//! a hundredth. That is what makes a checkpoint cheap: the operating system copies each byte into memory that it must allocate
//! first, which takes 1 to 1.5 ns, and packing takes less than half of the time saved. A byte compressor at 1 ns per byte would use
//! it all up.
//!
//! A block is the number of bits of a word (a byte), the least word (4 bytes), then 16 bytes for each bit. Bytes after the last
//! whole block are kept as they are. 1 is added to each word first: the mark of samples that did not escape is all ones, and so
//! lands next to small counts.

use super::bits::{self, BLOCK};

/// Bytes of an unpacked block.
const PLAIN: usize = 4 * BLOCK;

/// Bytes before a block's words.
const FRAME: usize = 5;

/// Appends `bytes`, packed, to `out`; leaves it alone and returns false if they do not get shorter.
pub(super) fn pack(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let blocks = bytes.chunks_exact(PLAIN);
    let rest = blocks.remainder();
    let mut words = [0; BLOCK];
    for block in blocks {
        bytemuck::cast_slice_mut(&mut words).copy_from_slice(block);
        words.iter_mut().for_each(|word: &mut u32| *word = word.wrapping_add(1));
        let least = words.iter().fold(u32::MAX, |least, &word| least.min(word));
        words.iter_mut().for_each(|word| *word -= least);
        let width = bits::width(&words);
        out.push(width);
        out.extend_from_slice(&least.to_le_bytes());
        bits::pack(&words, width, out);
    }
    out.extend_from_slice(rest);
    let shorter = out.len() - start < bytes.len();
    if !shorter {
        out.truncate(start);
    }
    shorter
}

/// Unpacks into `out`; returns whether that is exactly filled.
#[must_use]
pub(super) fn unpack(packed: &[u8], out: &mut [u8]) -> bool {
    let mut words = [0; BLOCK];
    let mut plain = out.chunks_exact_mut(PLAIN);
    let rest = blocks(packed, plain.len(), |width, least, block| {
        bits::unpack(block, width, &mut words);
        let Some(plain) = plain.next() else { return };
        words.iter_mut().for_each(|word: &mut u32| *word = word.wrapping_add(least).wrapping_sub(1));
        plain.copy_from_slice(bytemuck::cast_slice(&words));
    });
    let end = plain.into_remainder();
    match rest {
        Some(rest) if rest.len() == end.len() => {
            end.copy_from_slice(rest);
            true
        }
        _ => false,
    }
}

/// Whether these bytes unpack to length `len`.
pub(super) fn is_packed(packed: &[u8], len: usize) -> bool {
    blocks(packed, len / PLAIN, |_, _, _| {}).is_some_and(|rest| rest.len() == len % PLAIN)
}

/// Passes each of `count` blocks to `take`: its bits per word, its least word and its words. Returns the rest, or `None` if blocks
/// are missing.
fn blocks(mut packed: &[u8], count: usize, mut take: impl FnMut(u8, u32, &[u8])) -> Option<&[u8]> {
    for _ in 0..count {
        let (&[width, a, b, c, d], after) = packed.split_first_chunk::<FRAME>()?;
        if width > 32 {
            return None;
        }
        let (block, after) = after.split_at_checked(bits::packed_len(width))?;
        take(width, u32::from_le_bytes([a, b, c, d]), block);
        packed = after;
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::INTERIOR;
    use proptest::prelude::*;

    /// Packs `words` and a few bytes more, and checks that they unpack to the same.
    fn packed(words: &[u32], tail: &[u8]) -> Option<Vec<u8>> {
        let bytes = [bytemuck::cast_slice(words), tail].concat();
        let mut out = b"before".to_vec();
        let shorter = pack(&bytes, &mut out);
        let packed = out.strip_prefix(b"before").unwrap().to_vec();
        if !shorter {
            assert!(packed.is_empty());
            return None;
        }
        assert!(packed.len() < bytes.len());
        let mut plain = vec![7; bytes.len()];
        assert!(unpack(&packed, &mut plain) && plain == bytes);
        assert!(is_packed(&packed, bytes.len()));
        for wrong in [bytes.len() - 1, bytes.len() + 1, bytes.len() + PLAIN, 0] {
            assert!(!is_packed(&packed, wrong) && !unpack(&packed, &mut vec![0; wrong]), "{wrong}");
        }
        Some(packed)
    }

    #[test]
    fn interior_and_likeness_take_little() {
        assert_eq!(packed(&[INTERIOR; 4096], &[]).unwrap().len(), 32 * FRAME);
        assert_eq!(packed(&[0; 128], b"abc").unwrap().len(), FRAME + 3);
        let mixed: Vec<u32> = (0..256).map(|i| if i % 3 == 0 { INTERIOR } else { 1000 + i }).collect();
        // From 0 to 1256: 11 bits.
        assert_eq!(packed(&mixed, &[]).unwrap().len(), 2 * (FRAME + 16 * 11));
        let fractions: Vec<u32> = (0..128).map(|i| (0.25 + 0.005 * i as f32).to_bits()).collect();
        assert_eq!(packed(&fractions, &[]).unwrap().len(), FRAME + 16 * 24);
    }

    #[test]
    fn what_takes_no_less_is_left() {
        let wide: Vec<u32> = (0..128).map(|i| i * 0x0201_0101).collect();
        assert_eq!((packed(&wide, &[]), packed(&[], b"short"), packed(&[], &[])), (None, None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_packed_comes_out_again(
            bits in 0u32..30,
            base: u32,
            words in prop::collection::vec(any::<u32>(), 0..600),
            tail: [u8; 3],
        ) {
            let words: Vec<_> = words.iter().map(|word| base.wrapping_add(word & ((1 << bits) - 1))).collect();
            let over = base.checked_add(1 << bits).is_none();
            let shorter = packed(&words, &tail).is_some();
            prop_assert!(over || shorter == (words.len() >= BLOCK));
        }

        #[test]
        fn any_bytes_are_refused_or_unpacked(
            mut bytes in prop::collection::vec(any::<u8>(), 0..1500),
            bits in 0u8..34,
            len in 0usize..1600,
        ) {
            if let Some(first) = bytes.first_mut() {
                *first = bits;
            }
            let mut out = vec![0; len];
            prop_assert_eq!(unpack(&bytes, &mut out), is_packed(&bytes, len));
        }
    }
}

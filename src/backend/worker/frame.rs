//! The messages between workers in other processes and their session: frames with a length and checksums, over any byte stream.
//!
//! A frame is a head of nine 64-bit words and a tail of any length. The head gives the kind of message, the length of its tail and
//! the six numbers of the message; head and tail each have a CRC-32. A damaged head is detected before its length is trusted, and
//! memory for a tail grows only as its bytes arrive, so no sender can make a receiver allocate what was not sent. Both ends are the
//! same program on the same machine, so numbers are in its byte order.

use crc32fast::hash as checksum;
use std::io::{self, IoSlice, Read, Write};
use std::iter;

/// "frac" and the version of these frames.
const MAGIC: u32 = u32::from_be_bytes(*b"fra\x01");

/// Memory for a tail is taken in steps of this many words.
const STEP: usize = 1 << 17;

/// How many bytes a program may print before its first frame.
const CHATTER: usize = 1 << 16;

/// The numbers of a message.
pub type Numbers = [u64; 6];

/// The head of a frame that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The kind of message.
    pub kind: u32,
    /// Its numbers.
    pub numbers: Numbers,
}

/// The tail of a frame: whole words, so that it can be read as numbers. Its memory is reused.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    words: Vec<u64>,
    len: usize,
}

impl Tail {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

const BYTES: usize = size_of::<[u64; 9]>();

fn pair(upper: u32, lower: u32) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

/// The head of a frame as it is sent.
fn encode(kind: u32, numbers: &Numbers, tail: &[&[u8]]) -> [u64; 9] {
    let len = tail.iter().map(|part| part.len() as u64).sum();
    let mut hasher = crc32fast::Hasher::new();
    tail.iter().for_each(|part| hasher.update(part));
    let [a, b, c, d, e, f] = *numbers;
    let mut head = [pair(MAGIC, kind), len, a, b, c, d, e, f, pair(hasher.finalize(), 0)];
    head[8] |= u64::from(checksum(bytemuck::bytes_of(&head)));
    head
}

/// Writes a frame whose tail is `tail`, part after part, with one system call if it takes everything, so that the reader is not
/// woken for a part of it.
///
/// # Errors
/// When `to` cannot be written.
pub fn write(to: &mut (impl Write + ?Sized), kind: u32, numbers: &Numbers, tail: &[&[u8]]) -> io::Result<()> {
    let head = encode(kind, numbers, tail);
    let parts = iter::once(bytemuck::bytes_of(&head)).chain(tail.iter().copied());
    let mut parts: Vec<_> = parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
    let mut rest = &mut parts[..];
    while !rest.is_empty() {
        match to.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the next frame, its tail into `tail`; `None` at the end of the stream. `limit` gives the longest tail that a message may
/// have.
///
/// # Errors
/// When `from` cannot be read or ends within the frame; `InvalidData` when it is not a frame.
pub fn read(
    from: &mut (impl Read + ?Sized),
    tail: &mut Tail,
    limit: impl FnOnce(&Head) -> u64,
) -> io::Result<Option<Head>> {
    let mut words = [0; 9];
    if !fill(from, bytemuck::bytes_of_mut(&mut words), true)? {
        return Ok(None);
    }
    let (head, len, check) = decode(words).ok_or_else(|| broken("sent something that is not a frame"))?;
    read_tail(from, tail, len, limit(&head), check)?;
    Ok(Some(head))
}

/// Reads the first frame of a program that may print something before it, which is skipped.
///
/// # Errors
/// As [`read`], also when the output contains no frame.
pub fn read_first(
    from: &mut (impl Read + ?Sized),
    tail: &mut Tail,
    limit: impl FnOnce(&Head) -> u64,
) -> io::Result<Option<Head>> {
    let mut words = [0; 9];
    if !fill(from, bytemuck::bytes_of_mut(&mut words), true)? {
        return Ok(None);
    }
    for _ in 0..CHATTER {
        if let Some((head, len, check)) = decode(words) {
            read_tail(from, tail, len, limit(&head), check)?;
            return Ok(Some(head));
        }
        let bytes: &mut [u8] = bytemuck::bytes_of_mut(&mut words);
        bytes.copy_within(1.., 0);
        if !fill(from, &mut bytes[BYTES - 1..], true)? {
            return Ok(None);
        }
    }
    Err(broken("printed something that is not a frame"))
}

/// The head, the length of its tail and the tail's checksum; `None` when the words are not a head.
fn decode(mut words: [u64; 9]) -> Option<(Head, u64, u32)> {
    let (magic, kind) = ((words[0] >> 32) as u32, words[0] as u32);
    if magic != MAGIC {
        return None;
    }
    let (tail_check, check) = ((words[8] >> 32) as u32, words[8] as u32);
    words[8] = pair(tail_check, 0);
    let [_, len, a, b, c, d, e, f, _] = words;
    (checksum(bytemuck::bytes_of(&words)) == check).then_some((
        Head { kind, numbers: [a, b, c, d, e, f] },
        len,
        tail_check,
    ))
}

fn read_tail(from: &mut (impl Read + ?Sized), tail: &mut Tail, len: u64, limit: u64, check: u32) -> io::Result<()> {
    if len > limit {
        return Err(broken("sent a frame longer than its message can be"));
    }
    let len = usize::try_from(len).map_err(|_| broken("sent a frame longer than memory"))?;
    let words = len.div_ceil(8);
    let mut filled = 0;
    while filled < words {
        let step = (words - filled).min(STEP);
        if tail.words.len() < filled + step {
            tail.words.resize(filled + step, 0);
        }
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut tail.words);
        fill(from, &mut bytes[8 * filled..len.min(8 * (filled + step))], false)?;
        filled += step;
    }
    tail.len = len;
    if checksum(tail.bytes()) != check {
        return Err(broken("sent a frame with a wrong checksum"));
    }
    Ok(())
}

/// Fills `bytes`. False when the stream ended before the first of them and `may_end` allows it.
fn fill(from: &mut (impl Read + ?Sized), bytes: &mut [u8], may_end: bool) -> io::Result<bool> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 && may_end => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NUMBERS: Numbers = [1, u64::MAX, 3, 4, 5, 6];

    fn sent(tail: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, &NUMBERS, tail).unwrap();
        bytes
    }

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let long = vec![3; 3 << 20];
        let mut stream = [sent(&[]), sent(&[b"abc", b"", b"de"]), sent(&[&long, &[1]])].concat();
        stream.extend(sent(&[b"x"]));
        let (mut stream, mut tail) = (&stream[..], Tail::default());
        for expected in [0, 5, long.len() + 1, 1] {
            let head = read(&mut stream, &mut tail, |_| u64::MAX).unwrap().unwrap();
            assert_eq!(head, Head { kind: 7, numbers: NUMBERS });
            assert_eq!(tail.bytes().len(), expected);
        }
        assert_eq!(tail.bytes(), b"x");
        assert_eq!(read(&mut stream, &mut tail, |_| 0).unwrap(), None);
    }

    #[test]
    fn no_length_is_believed_before_its_bytes_arrive() {
        let mut head = encode(7, &NUMBERS, &[]);
        head[1] = 1 << 50;
        head[8] &= !0xffff_ffff;
        head[8] |= u64::from(checksum(bytemuck::bytes_of(&head)));
        let mut tail = Tail::default();
        let error = read(&mut bytemuck::bytes_of(&head), &mut tail, |_| 1 << 40).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = read(&mut bytemuck::bytes_of(&head), &mut tail, |_| u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(tail.words.len() <= STEP, "{}", tail.words.len());
    }

    #[test]
    fn what_is_printed_before_the_first_frame_is_left_out() {
        let stream = [b"\nrunning 1 test\nfra\x01".as_slice(), &sent(&[b"abc"])].concat();
        let mut tail = Tail::default();
        assert!(read_first(&mut &stream[..], &mut tail, |_| 3).unwrap().is_some());
        assert_eq!(tail.bytes(), b"abc");
        assert!(read_first(&mut &vec![b'x'; 1 << 20][..], &mut tail, |_| 3).is_err());
        assert!(read_first(&mut &b"short"[..], &mut tail, |_| 3).is_err());
        assert_eq!(read_first(&mut &[b'x'; 100][..], &mut tail, |_| 3).unwrap(), None);
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_found(tail in prop::collection::vec(any::<u8>(), 0..100), at: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = sent(&[&tail]);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(read(&mut &bytes[..], &mut Tail::default(), |_| 1000).is_err());
        }

        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&mut &bytes[..], &mut Tail::default(), |_| u64::MAX);
            let _ = read_first(&mut &bytes[..], &mut Tail::default(), |_| u64::MAX);
        }
    }
}

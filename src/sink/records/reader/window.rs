//! The bounded buffer through which files are read.

use super::super::{HEAD, Head, MARK};
use std::io::{self, Read, Seek, SeekFrom};

/// How much of a file is read at once.
const WINDOW: usize = 1 << 20;

/// The most bytes that may be read in vain, in lengths of the file. Each damaged piece is read in vain once, however many there
/// are.
const VAIN: u64 = 4;

/// A file that is read forwards through a bounded buffer.
pub(super) struct Window<R> {
    file: R,
    buffer: Vec<u8>,
    used: usize,
    /// The file position of the first unused byte of `buffer`.
    pub(super) at: u64,
    /// How often the buffer was filled.
    fills: u64,
    /// The length of the file.
    end: u64,
    /// Bytes that may still be read in vain, see [`Window::check`].
    vain: u64,
}

impl<R: Read + Seek> Window<R> {
    /// Starts at `at`.
    pub(super) fn new(mut file: R, at: u64) -> io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Self { file, buffer: Vec::new(), used: 0, at, fills: 0, end, vain: end.saturating_mul(VAIN) })
    }

    /// The next bytes in memory: at least `len`, or all up to the end of the file.
    fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.used < len {
            // The moved bytes are fewer than `len`, so next to nothing beside a window.
            self.buffer.drain(..self.used);
            self.used = 0;
            self.fills += 1;
            let missing = WINDOW - self.buffer.len();
            self.file.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.used..])
    }

    fn skip(&mut self, len: usize) {
        self.used += len;
        self.at += len as u64;
    }

    /// The next head and where it begins; `None` at the end of the file. What follows is its data.
    pub(super) fn next_head(&mut self) -> io::Result<Option<(u64, Head)>> {
        loop {
            let bytes = self.peek(HEAD)?;
            let Some(head) = bytes.first_chunk::<HEAD>() else {
                let rest = bytes.len();
                self.skip(rest);
                return Ok(None);
            };
            if let Some(head) = Head::read(head) {
                let at = self.at;
                self.skip(HEAD);
                return Ok(Some((at, head)));
            }
            let next = bytes[1..].iter().position(|&byte| byte == MARK[0]);
            let len = next.map_or(bytes.len(), |next| next + 1);
            self.skip(len);
        }
    }

    /// Passes the data of the head at `at`, which was read last, to `take`, and says whether it is whole. If not, reading continues
    /// right after the head, since another may stand where its data should be. Data that would extend beyond the end of the file is
    /// not read, nor is any once too much was read in vain: heads within other heads' data would have it read again for each of
    /// them.
    pub(super) fn check(&mut self, at: u64, head: &Head, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        if head.len > self.end.saturating_sub(self.at) || head.len > self.vain {
            return Ok(false);
        }
        let (used, fills) = (self.used, self.fills);
        let (mut left, mut crc) = (head.len, crc32fast::Hasher::new());
        while left > 0 {
            let part = self.peek(1)?;
            if part.is_empty() {
                break;
            }
            let part = &part[..part.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            crc.update(part);
            take(part);
            let len = part.len();
            left -= len as u64;
            self.skip(len);
        }
        if left == 0 && crc.finalize() == head.crc {
            return Ok(true);
        }
        self.vain = self.vain.saturating_sub(head.len);
        self.at = at + HEAD as u64;
        if self.fills == fills {
            self.used = used;
        } else {
            self.file.seek(SeekFrom::Start(self.at))?;
            (self.used, self.buffer) = (0, Vec::new());
        }
        Ok(false)
    }
}

//! The shared memory: sealed against changes of its length, laid out by rule, and the only place that makes references into it.
//!
//! A `memfd` has no name, so that nothing is left over in /dev/shm whoever is killed when. Its pages are taken when it is made:
//! memory that is lacking is an error then, and no signal later.

use super::claims::Word;
use crate::error::{Error, Result};
use memmap2::{Mmap, MmapRaw};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// "frac", "proc" and the version of the layout.
const MARK: u64 = u64::from_be_bytes(*b"fracpr\0\x02");

const PAGE: usize = 4096;

/// The least memory for the results of a slot.
const RING: usize = 4 << 20;

/// What both sides compute all offsets from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) slots: usize,
    pub(crate) units: usize,
    /// Bytes of each slot's ring.
    pub(crate) ring: usize,
}

/// What all sides write now and then. Each member has a cache line of its own.
#[repr(C, align(128))]
pub(crate) struct Header {
    mark: AtomicU64,
    layout: [AtomicU64; 3],
    hint: Aligned<Word>,
    /// 1 while the session wants to be woken by results.
    pub(crate) asleep: Line,
}

/// Something on a cache line of its own; on a pair of lines, since processors fetch two together.
#[repr(C, align(128))]
pub(crate) struct Aligned<T>(pub(crate) T);

/// A number on a cache line of its own.
pub(crate) type Line = Aligned<AtomicU64>;

/// One worker's part of the traffic.
#[repr(C, align(128))]
pub(crate) struct Slot {
    /// Where the worker will write next; only it moves it.
    pub(crate) head: Line,
    /// Where the session will read next; only it moves it.
    pub(crate) tail: Line,
    /// 1 while the worker sleeps until the session has read something.
    pub(crate) waiting: AtomicU32,
    /// What the worker computes now, for those who watch: see [`Slot::claimed`].
    claim: AtomicU64,
}

impl Slot {
    /// Bits of the number of pieces in `claim`; their first is in the others.
    const LEN_BITS: u32 = 16;

    /// Says that the worker begins to compute a claim. Both its numbers are in one word, so that they are always of the same claim; who
    /// reads them sees all results that were published before.
    pub(crate) fn claim(&self, claim: &Range<usize>) {
        let word = (claim.start as u64) << Self::LEN_BITS | (claim.len() as u64).min((1 << Self::LEN_BITS) - 1);
        self.claim.store(word, Ordering::Release);
    }

    /// Says that the worker computes nothing.
    pub(crate) fn rest(&self) {
        self.claim.store(0, Ordering::Relaxed);
    }

    /// What the worker said last; empty for nothing.
    pub(crate) fn claimed(&self) -> Range<usize> {
        let word = self.claim.load(Ordering::Acquire);
        let (start, len) = ((word >> Self::LEN_BITS) as usize, (word & ((1 << Self::LEN_BITS) - 1)) as usize);
        start..start + len
    }
}

impl Header {
    /// Where to look for a free unit first.
    pub(crate) fn hint(&self) -> &Word {
        &self.hint.0
    }
}

impl Layout {
    /// For `units` of claims and records of at most `record` bytes.
    pub(crate) fn new(slots: usize, units: usize, record: usize) -> Self {
        Self { slots, units, ring: record.max(RING).next_multiple_of(PAGE) }
    }

    /// Whether memory of this layout serves one that needs `other`.
    pub(crate) fn serves(&self, other: &Self) -> bool {
        self.slots == other.slots && self.units >= other.units && self.ring >= other.ring
    }

    fn slots_at(&self) -> usize {
        size_of::<Header>().next_multiple_of(PAGE)
    }

    fn words_at(&self) -> usize {
        (self.slots_at() + self.slots * size_of::<Slot>()).next_multiple_of(PAGE)
    }

    fn rings_at(&self) -> Option<usize> {
        self.units.checked_mul(8)?.checked_add(self.words_at())?.checked_next_multiple_of(PAGE)
    }

    fn len(&self) -> Option<usize> {
        self.ring.checked_mul(self.slots)?.checked_add(self.rings_at()?).filter(|&len| len < isize::MAX as usize)
    }

    /// Why there is no such memory.
    fn lacking(&self, what: &str, errno: Errno) -> Error {
        let (slots, mib) = (self.slots, self.len().map_or(usize::MAX, |len| len.div_ceil(1 << 20)));
        let reason = std::io::Error::from(errno);
        Error::Unsupported(format!(
            "backend `processes` cannot {what} {mib} MiB of shared memory for {slots} workers: {reason}; ask for fewer workers, \
             smaller tiles or another backend"
        ))
    }

    /// As the numbers of a message.
    pub(crate) fn numbers(&self) -> [u64; 3] {
        [self.slots as u64, self.units as u64, self.ring as u64]
    }
}

/// Shared memory as one process sees it.
#[derive(Debug)]
pub(crate) struct Segment {
    map: MmapRaw,
    layout: Layout,
}

impl Segment {
    /// Makes one, all zero, and the file that other processes map.
    pub(crate) fn create(layout: Layout) -> Result<(Self, File)> {
        let len = layout.len().ok_or_else(|| layout.lacking("have", Errno::NOMEM))?;
        let file = sealed(c"fractal", len, |file| fallocate(file, FallocateFlags::empty(), 0, len as u64), false)
            .map_err(|errno| layout.lacking("have", errno))?;
        let map = MmapRaw::map_raw(&file)
            .map_err(|error| layout.lacking("map", Errno::from_io_error(&error).unwrap_or(Errno::NOMEM)))?;
        let segment = Self { map, layout };
        segment.header().mark.store(MARK, Ordering::Relaxed);
        for (cell, number) in segment.header().layout.iter().zip(layout.numbers()) {
            cell.store(number, Ordering::Relaxed);
        }
        Ok((segment, file))
    }

    /// Maps one that another process made; its layout must be `layout`.
    pub(crate) fn open(file: &File, layout: Layout) -> Result<Self> {
        let other = |what: &str| Error::Input(format!("a worker got shared memory {what}: it is another version"));
        let found = fstat(file).map_err(|_| other("that is no file"))?.st_size;
        if layout.len().is_none_or(|len| len as u64 != found as u64) {
            return Err(other("of another length"));
        }
        let map = MmapRaw::map_raw(file)
            .map_err(|error| layout.lacking("map", Errno::from_io_error(&error).unwrap_or(Errno::NOMEM)))?;
        let segment = Self { map, layout };
        let header = segment.header();
        let numbers = header.layout.iter().map(|cell| cell.load(Ordering::Relaxed));
        if header.mark.load(Ordering::Relaxed) != MARK || !numbers.eq(layout.numbers()) {
            return Err(other("with another layout"));
        }
        Ok(segment)
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The address of `count` items of `T` at `offset`, which must lie in the mapping.
    fn at<T>(&self, offset: usize, count: usize) -> *mut T {
        assert!(offset.is_multiple_of(align_of::<T>()), "an item is aligned");
        assert!(count * size_of::<T>() <= self.map.len() && offset <= self.map.len() - count * size_of::<T>());
        self.map.as_mut_ptr().wrapping_add(offset).cast()
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: in bounds and aligned, as `at` checks; the mapping is page-aligned and lives as long as `self`. It holds atomics
        // only, for which every pattern of bits is valid and which other processes may change at any time.
        #[allow(unsafe_code)]
        unsafe {
            &*self.at::<Header>(0, 1)
        }
    }

    pub(crate) fn slot(&self, index: usize) -> &Slot {
        assert!(index < self.layout.slots);
        // SAFETY: as for the header.
        #[allow(unsafe_code)]
        unsafe {
            &*self.at::<Slot>(self.layout.slots_at() + index * size_of::<Slot>(), 1)
        }
    }

    /// The words of the first `units` units.
    pub(crate) fn words(&self, units: usize) -> &[Word] {
        assert!(units <= self.layout.units);
        // SAFETY: as for the header; a word is one atomic.
        #[allow(unsafe_code)]
        unsafe {
            slice::from_raw_parts(self.at::<Word>(self.layout.words_at(), units), units)
        }
    }

    fn ring<T>(&self, slot: usize, range: &Range<usize>) -> *mut T {
        assert!(slot < self.layout.slots && range.end <= self.layout.ring, "a record lies in its ring");
        let start = self.layout.rings_at().expect("it was made") + slot * self.layout.ring;
        self.at(start + range.start, range.len() / size_of::<T>())
    }

    /// Part of a slot's ring, to read.
    ///
    /// # Safety
    /// Nobody writes to it while the reference lives: the worker has published it and the session has not given it back.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn read(&self, slot: usize, range: Range<usize>) -> &[u64] {
        // SAFETY: in bounds and aligned, as `at` checks; bytes are valid numbers; nobody writes, as the caller promises.
        unsafe { slice::from_raw_parts(self.ring(slot, &range), range.len() / 8) }
    }

    /// Part of a slot's ring, to write.
    ///
    /// # Safety
    /// Nobody else reads or writes it while the reference lives: it lies in what the session has given back to the worker, and the
    /// worker, of which there is one for a slot, has not published it.
    #[allow(unsafe_code, clippy::mut_from_ref)]
    pub(crate) unsafe fn write(&self, slot: usize, range: Range<usize>) -> &mut [u64] {
        // SAFETY: as for `read`, and nobody else has it, as the caller promises.
        unsafe { slice::from_raw_parts_mut(self.ring(slot, &range), range.len() / 8) }
    }
}

/// A file in memory that keeps its length; `constant` also its contents once `fill` has written them.
fn sealed(
    name: &std::ffi::CStr,
    len: usize,
    fill: impl FnOnce(&File) -> rustix::io::Result<()>,
    constant: bool,
) -> rustix::io::Result<File> {
    // The system would kill the process that asks for more than it may.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| len as u64 > most) {
        return Err(Errno::FBIG);
    }
    let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    ftruncate(&file, len as u64)?;
    fill(&file)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, if constant { seals | SealFlags::WRITE } else { seals })?;
    Ok(file)
}

/// A file in memory with `parts` one after the other that nobody can change.
pub(crate) fn constant(parts: &[&[u8]]) -> Result<File> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let write = |mut file: &File| {
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    sealed(c"fractal-work", len, write, true).map_err(|errno| {
        let (mib, reason) = (len.div_ceil(1 << 20), std::io::Error::from(errno));
        Error::Unsupported(format!("backend `processes` cannot share the {mib} MiB that were prepared: {reason}"))
    })
}

/// The bytes of such a file.
pub(crate) fn read_only(file: &File) -> Result<Mmap> {
    let seals = fcntl_get_seals(file);
    if !seals.is_ok_and(|seals| seals.contains(SealFlags::WRITE | SealFlags::SHRINK)) {
        return Err(Error::Input("a worker got a work that can be changed".into()));
    }
    // SAFETY: as was just checked, nobody can write to the file or make it shorter.
    #[allow(unsafe_code)]
    let map = unsafe { Mmap::map(file) };
    map.map_err(|error| Error::io("map", "the work of a session", error))
}

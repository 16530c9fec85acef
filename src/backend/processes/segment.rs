//! The shared memory: sealed against changes of its length, laid out by rule, and the only place that makes references into it.
//!
//! A `memfd` has no name, so that nothing is left over in /dev/shm whoever is killed when. Its pages are taken when it is made:
//! memory that is lacking is an error then, and no signal later.
//!
//! The session sees all of it, and sees it as atomic numbers only: a worker may write there whenever it likes, also when it should
//! not. A worker maps what is everybody's and a [`Desk`] of its own, so that one gone wild cannot reach the results of another.

use super::claims::Word;
use crate::error::{Error, Result};
use memmap2::{Mmap, MmapOptions, MmapRaw};
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

const PAGE: usize = 4096;

/// The least memory for the results of a slot.
const RING: usize = 4 << 20;

/// What both sides compute all offsets from. It comes by message, and nothing of it lies in the memory, which a worker gone wild may write.
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

    /// Where the units' words begin.
    const WORDS_AT: usize = size_of::<Header>().next_multiple_of(PAGE);

    /// Where a desk's ring begins, after its slot.
    const RING_AT: usize = size_of::<Slot>().next_multiple_of(PAGE);

    /// Bytes of what is everybody's, in whole pages.
    fn common(&self) -> Option<usize> {
        self.units.checked_mul(8)?.checked_add(Self::WORDS_AT)?.checked_next_multiple_of(PAGE)
    }

    /// Bytes of one desk, in whole pages.
    fn desk(&self) -> Option<usize> {
        self.ring.checked_add(Self::RING_AT)?.checked_next_multiple_of(PAGE)
    }

    /// Where the desk of a slot begins.
    fn desk_at(&self, slot: usize) -> Option<usize> {
        self.desk()?.checked_mul(slot)?.checked_add(self.common()?)
    }

    fn len(&self) -> Option<usize> {
        self.desk_at(self.slots).filter(|&len| len < isize::MAX as usize)
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

/// Shared memory as one process sees it: all of it, or, in a worker, what is everybody's.
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
        Ok((Self { map: map(&file, layout, 0..len)?, layout }, file))
    }

    /// Maps what is everybody's of one that another process made; its layout must be `layout`.
    pub(crate) fn open(file: &File, layout: Layout) -> Result<Self> {
        let other = |what: &str| Error::Input(format!("a worker got shared memory {what}: it is another version"));
        let found = fstat(file).map_err(|_| other("that is no file"))?.st_size;
        let Some(common) = layout.common().filter(|_| layout.len().is_some_and(|len| len as u64 == found as u64))
        else {
            return Err(other("of another length"));
        };
        Ok(Self { map: map(file, layout, 0..common)?, layout })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// `count` items of `T` at `offset`, which must lie in the mapping.
    fn shared<T: Shared>(&self, offset: usize, count: usize) -> &[T] {
        let at = address(&self.map, offset, count);
        // SAFETY: in bounds and aligned, as `address` checks; the mapping lives as long as `self`. It holds atomics only, for which every
        // pattern of bits is valid and which other processes may change at any time.
        #[allow(unsafe_code)]
        unsafe {
            slice::from_raw_parts(at, count)
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.shared(0, 1)[0]
    }

    /// The words of the first `units` units.
    pub(crate) fn words(&self, units: usize) -> &[Word] {
        assert!(units <= self.layout.units);
        self.shared(Layout::WORDS_AT, units)
    }

    fn desk_at(&self, slot: usize) -> usize {
        assert!(slot < self.layout.slots);
        self.layout.desk_at(slot).expect("it was made")
    }

    /// For the session: one worker's part of the traffic.
    pub(crate) fn slot(&self, slot: usize) -> &Slot {
        &self.shared(self.desk_at(slot), 1)[0]
    }

    /// For the session: the ring of a worker, which may write there at any time.
    pub(crate) fn ring(&self, slot: usize) -> &[AtomicU64] {
        self.shared(self.desk_at(slot) + Layout::RING_AT, self.layout.ring / 8)
    }
}

/// Types of which only atomic numbers consist.
trait Shared {}
impl Shared for Header {}
impl Shared for Slot {}
impl Shared for Word {}
impl Shared for AtomicU64 {}

/// Maps part of the memory.
fn map(file: &File, layout: Layout, part: Range<usize>) -> Result<MmapRaw> {
    let mapped = MmapOptions::new().offset(part.start as u64).len(part.len()).map_raw(file);
    mapped.map_err(|error| layout.lacking("map", Errno::from_io_error(&error).unwrap_or(Errno::NOMEM)))
}

/// The address of `count` items of `T` at `offset`, which must lie in the mapping.
fn address<T>(map: &MmapRaw, offset: usize, count: usize) -> *mut T {
    // A mapping begins with a page.
    assert!(offset.is_multiple_of(align_of::<T>()) && align_of::<T>() <= PAGE, "an item is aligned");
    let len = count.checked_mul(size_of::<T>()).expect("items fit into memory");
    assert!(len <= map.len() && offset <= map.len() - len, "items lie in the mapping");
    map.as_mut_ptr().wrapping_add(offset).cast()
}

/// What is a worker's own: its slot, and the ring that it writes its results to.
#[derive(Debug)]
pub(crate) struct Desk {
    map: MmapRaw,
    words: usize,
}

impl Desk {
    /// Maps that of a slot.
    ///
    /// # Safety
    /// Nobody else writes to the ring of this slot, and nobody but the session reads it, as long as the desk lives: it is this process's
    /// only one of the slot, and the slot belongs to no other living process.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn open(file: &File, layout: Layout, slot: usize) -> Result<Self> {
        let parts = layout.desk_at(slot).zip(layout.desk()).filter(|_| slot < layout.slots && layout.len().is_some());
        let (start, len) =
            parts.ok_or_else(|| Error::Input("a worker got shared memory without a place in it".into()))?;
        Ok(Self { map: map(file, layout, start..start + len)?, words: layout.ring / 8 })
    }

    /// What others see of its worker.
    pub(crate) fn slot(&self) -> &Slot {
        // SAFETY: in bounds and aligned, as `address` checks; the mapping lives as long as `self`. A slot holds atomics only, for which
        // every pattern of bits is valid and which other processes may change at any time.
        #[allow(unsafe_code)]
        unsafe {
            &*address::<Slot>(&self.map, 0, 1)
        }
    }

    /// Some words of the ring, which must not be published: the session may read them from the moment on when they are.
    pub(crate) fn part(&mut self, range: Range<usize>) -> &mut [u64] {
        assert!(range.end <= self.words, "a record lies in its ring");
        let at = address(&self.map, Layout::RING_AT + 8 * range.start, range.len());
        // SAFETY: in bounds and aligned, as `address` checks, and apart from the slot; the mapping lives as long as `self`, of which this
        // borrows all. `open` was promised that nobody else writes here, and that the session alone reads, which looks at published words.
        #[allow(unsafe_code)]
        unsafe {
            slice::from_raw_parts_mut(at, range.len())
        }
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

//! The shared memory of a session. Its length is sealed, its layout follows fixed rules, and only this module makes references into it.
//!
//! A `memfd` has no name, so nothing is left behind in /dev/shm, whichever process is killed and when. Its pages are allocated when
//! it is made: a lack of memory is then an error at once, not a signal later.
//!
//! The session maps all of the memory and accesses it only as atomic numbers, since a worker may write at any time, even when it should
//! not. A worker maps only the common part (the header and the units' words) and a [`SlotMemory`] of its own, so that a rogue worker cannot
//! reach another's results.

use super::claims::Word;
use crate::backend::worker::message;
use crate::error::{Error, Result};
use memmap2::{Mmap, MmapOptions, MmapRaw};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use rustix::thread::sched_getcpu;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const PAGE: usize = 4096;

/// The smallest ring of a slot, in bytes. Its pages are new to both processes, at about 1 µs each, so a small picture takes the less time
/// the fewer there are: 960 × 540 pixels of the whole set took 18.4 ms from start to end with 4 MiB, 14.6 with this and 14.3 with half of
/// it, with which a larger picture took 1 % more. With a quarter of it, workers wait for room, and the small picture took 13 % more.
const RING: usize = 1 << 20;

/// The numbers of slots and of units (consecutive pieces), and the length of a ring, from which the session and its workers compute all
/// offsets. It is sent by message and never read from the memory, which a rogue worker could write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) slots: usize,
    pub(crate) units: usize,
    /// Bytes of each slot's ring.
    pub(crate) ring: usize,
}

/// The start of the memory, which the session and all workers write now and then. Each field has a cache line of its own.
#[repr(C, align(128))]
pub(crate) struct Header {
    hint: Aligned<Word>,
    /// 1 while the session asks to be woken by results.
    pub(crate) asleep: Line,
}

/// A value on a cache line of its own; in fact on a pair of lines, since processors fetch two together.
#[repr(C, align(128))]
pub(crate) struct Aligned<T>(pub(crate) T);

/// A number on a cache line of its own.
pub(crate) type Line = Aligned<AtomicU64>;

/// One worker's part of the shared state.
#[repr(C, align(128))]
pub(crate) struct Slot {
    /// The position that the worker writes at next; only the worker moves it.
    pub(crate) head: Line,
    /// The position that the session reads at next; only the session moves it.
    pub(crate) tail: Line,
    /// 1 while the worker's ring is full and the worker sleeps, until the session reads from the ring.
    pub(crate) waiting: AtomicU32,
    /// The claim that the worker is computing, for observers: see [`Slot::claimed`].
    claim: AtomicU64,
    /// The processor on which the worker began to compute it.
    processor: AtomicU32,
}

impl Slot {
    /// Bits of the number of pieces in `claim`; the other bits hold the first piece.
    const LEN_BITS: u32 = 16;

    /// Notes which claim the worker begins to compute. Its first piece and its number of pieces are in one word, so that they always belong
    /// to the same claim. A thread that reads the word also sees all results that were published before it was stored.
    pub(crate) fn claim(&self, claim: &Range<usize>) {
        let word = (claim.start as u64) << Self::LEN_BITS | (claim.len() as u64).min((1 << Self::LEN_BITS) - 1);
        self.processor.store(sched_getcpu() as u32, Ordering::Relaxed);
        self.claim.store(word, Ordering::Release);
    }

    /// The processor on which the worker last began to compute a claim.
    pub(crate) fn processor(&self) -> usize {
        self.processor.load(Ordering::Relaxed) as usize
    }

    /// Notes that the worker computes nothing.
    pub(crate) fn rest(&self) {
        self.claim.store(0, Ordering::Relaxed);
    }

    /// The claim that the worker noted last; empty for none.
    pub(crate) fn claimed(&self) -> Range<usize> {
        let word = self.claim.load(Ordering::Acquire);
        let (start, len) = ((word >> Self::LEN_BITS) as usize, (word & ((1 << Self::LEN_BITS) - 1)) as usize);
        start..start + len
    }
}

impl Header {
    /// Where to start looking for a free unit.
    pub(crate) fn hint(&self) -> &Word {
        &self.hint.0
    }
}

impl Layout {
    /// For `units` units and records of at most `record` bytes.
    pub(crate) fn new(slots: usize, units: usize, record: usize) -> Self {
        Self { slots, units, ring: record.max(RING).next_multiple_of(PAGE) }
    }

    /// Whether memory of this layout is sufficient for `other`.
    pub(crate) fn serves(&self, other: &Self) -> bool {
        self.slots == other.slots && self.units >= other.units && self.ring >= other.ring
    }

    /// Where the units' words begin.
    const WORDS_AT: usize = size_of::<Header>().next_multiple_of(PAGE);

    /// Where a memory's ring begins, after its slot.
    const RING_AT: usize = size_of::<Slot>().next_multiple_of(PAGE);

    /// Bytes of the common part, in whole pages.
    fn common(&self) -> Option<usize> {
        self.units.checked_mul(8)?.checked_add(Self::WORDS_AT)?.checked_next_multiple_of(PAGE)
    }

    /// Bytes of one memory, in whole pages.
    fn memory_of_slot(&self) -> Option<usize> {
        self.ring.checked_add(Self::RING_AT)?.checked_next_multiple_of(PAGE)
    }

    /// Where the memory of a slot begins.
    fn slot_memory_at(&self, slot: usize) -> Option<usize> {
        self.memory_of_slot()?.checked_mul(slot)?.checked_add(self.common()?)
    }

    fn len(&self) -> Option<usize> {
        self.slot_memory_at(self.slots).filter(|&len| len < isize::MAX as usize)
    }

    /// The error when there is no such memory.
    fn lacking(&self, what: &str, errno: Errno) -> Error {
        let (slots, mib) = (self.slots, self.len().map_or(usize::MAX, |len| len.div_ceil(1 << 20)));
        let reason = std::io::Error::from(errno);
        Error::Unsupported(format!(
            "backend `processes` cannot {what} {mib} MiB of shared memory for {slots} workers: {reason}; ask for fewer workers, \
             smaller tiles or another backend"
        ))
    }

    /// Its message.
    pub(crate) fn message(&self) -> message::Memory {
        message::Memory { slots: self.slots as u64, units: self.units as u64, ring: self.ring as u64 }
    }
}

/// Shared memory as one process maps it: all of it in the session, the common part in a worker.
#[derive(Debug)]
pub(crate) struct Segment {
    map: MmapRaw,
    layout: Layout,
}

impl Segment {
    /// Makes a segment, all zero, and the file that other processes map.
    pub(crate) fn create(layout: Layout) -> Result<(Self, File)> {
        let len = layout.len().ok_or_else(|| layout.lacking("have", Errno::NOMEM))?;
        let file = sealed(c"fractal", len, |file| fallocate(file, FallocateFlags::empty(), 0, len as u64), false)
            .map_err(|errno| layout.lacking("have", errno))?;
        Ok((Self { map: map(&file, layout, 0..len)?, layout }, file))
    }

    /// Maps the common part of a segment that another process made; its layout must be `layout`.
    pub(crate) fn open(file: &File, layout: Layout) -> Result<Self> {
        let other = |what: &str| Error::Input(format!("a worker got shared memory {what}: it is another version"));
        let found = fstat(file).map_err(|_| other("that is not a file"))?.st_size;
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

    fn slot_memory_at(&self, slot: usize) -> usize {
        assert!(slot < self.layout.slots);
        self.layout.slot_memory_at(slot).expect("it was made")
    }

    /// For the session: one worker's part of the shared state.
    pub(crate) fn slot(&self, slot: usize) -> &Slot {
        &self.shared(self.slot_memory_at(slot), 1)[0]
    }

    /// For the session: the ring of a worker, which may write there at any time.
    pub(crate) fn ring(&self, slot: usize) -> &[AtomicU64] {
        self.shared(self.slot_memory_at(slot) + Layout::RING_AT, self.layout.ring / 8)
    }
}

/// Types that consist only of atomic numbers.
trait Shared {}
impl Shared for Header {}
impl Shared for Slot {}
impl Shared for Word {}
impl Shared for AtomicU64 {}

/// Maps part of the memory.
fn map(file: &File, layout: Layout, part: Range<usize>) -> Result<MmapRaw> {
    mapped(MmapOptions::new().offset(part.start as u64).len(part.len()), file, layout)
}

fn mapped(options: &MmapOptions, file: &File, layout: Layout) -> Result<MmapRaw> {
    options.map_raw(file).map_err(|error| layout.lacking("map", Errno::from_io_error(&error).unwrap_or(Errno::NOMEM)))
}

/// The address of `count` items of `T` at `offset`, which must lie in the mapping.
fn address<T>(map: &MmapRaw, offset: usize, count: usize) -> *mut T {
    // A mapping starts on a page boundary.
    assert!(offset.is_multiple_of(align_of::<T>()) && align_of::<T>() <= PAGE, "an item is aligned");
    let len = count.checked_mul(size_of::<T>()).expect("items fit into memory");
    assert!(len <= map.len() && offset <= map.len() - len, "items lie in the mapping");
    map.as_mut_ptr().wrapping_add(offset).cast()
}

/// A worker's own part: its slot, and the ring that it writes its results to.
#[derive(Debug)]
pub(crate) struct SlotMemory {
    map: MmapRaw,
    words: usize,
}

impl SlotMemory {
    /// Maps the memory of a slot.
    ///
    /// # Safety
    /// The caller ensures that, as long as this value lives, it is this process's only mapping of the slot, and the slot belongs to no
    /// other living process. Then nothing else writes to the slot's ring, and only the session reads it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn open(file: &File, layout: Layout, slot: usize) -> Result<Self> {
        let parts = layout
            .slot_memory_at(slot)
            .zip(layout.memory_of_slot())
            .filter(|_| slot < layout.slots && layout.len().is_some());
        let (start, len) =
            parts.ok_or_else(|| Error::Input("a worker got shared memory without a slot for it".into()))?;
        // All pages at once: a worker does this before the first run begins.
        let map = mapped(MmapOptions::new().offset(start as u64).len(len).populate(), file, layout)?;
        Ok(Self { map, words: layout.ring / 8 })
    }

    /// The slot, which the session reads and writes as well.
    pub(crate) fn slot(&self) -> &Slot {
        // SAFETY: in bounds and aligned, as `address` checks; the mapping lives as long as `self`. A slot holds atomics only, for which
        // every pattern of bits is valid and which other processes may change at any time.
        #[allow(unsafe_code)]
        unsafe {
            &*address::<Slot>(&self.map, 0, 1)
        }
    }

    /// Some words of the ring, which must be unpublished: once published, the session may read them.
    pub(crate) fn part(&mut self, range: Range<usize>) -> &mut [u64] {
        assert!(range.end <= self.words, "a record lies in its ring");
        let at = address(&self.map, Layout::RING_AT + 8 * range.start, range.len());
        // SAFETY: in bounds and aligned, as `address` checks, and disjoint from the slot; the mapping lives as long as `self`,
        // which this borrows exclusively. `open`'s caller guarantees that nothing else writes here, and the only reader, the
        // session, reads published words only.
        #[allow(unsafe_code)]
        unsafe {
            slice::from_raw_parts_mut(at, range.len())
        }
    }
}

/// A file in memory of fixed length; with `constant`, its contents are also fixed once `fill` has written them.
fn sealed(
    name: &std::ffi::CStr,
    len: usize,
    fill: impl FnOnce(&File) -> rustix::io::Result<()>,
    constant: bool,
) -> rustix::io::Result<File> {
    // The system kills a process that exceeds its limit.
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

/// A sealed file in memory that holds `parts`, one after the other; its contents cannot be changed.
pub(crate) fn constant(parts: &[&[u8]]) -> Result<File> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let write = |mut file: &File| {
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    sealed(c"fractal-work", len, write, true).map_err(|errno| {
        let (mib, reason) = (len.div_ceil(1 << 20), std::io::Error::from(errno));
        Error::Unsupported(format!("backend `processes` cannot share {mib} MiB of prepared data: {reason}"))
    })
}

/// Maps the bytes of a file that [`constant`] made; an error if it is not sealed against changes.
pub(crate) fn read_only(file: &File) -> Result<Mmap> {
    let seals = fcntl_get_seals(file);
    if !seals.is_ok_and(|seals| seals.contains(SealFlags::WRITE | SealFlags::SHRINK)) {
        return Err(Error::Input("a worker got a work that is not sealed against changes".into()));
    }
    // SAFETY: as was just checked, the file can be neither written nor truncated.
    #[allow(unsafe_code)]
    let map = unsafe { Mmap::map(file) };
    map.map_err(|error| Error::io("map", "the work of a session", error))
}

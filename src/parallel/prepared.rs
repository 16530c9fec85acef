//! What all pieces of a work share, computed once before any of them: a kernel's tables, a reference orbit, masks.
//!
//! It is plain bytes, so that workers in other processes can map them. They are in named parts, so that the kernel and the masks that
//! select samples need not know of each other. Each part has a hash, made once, so that a worker is never sent a part that it has.

use super::Stop;
use crate::error::{Error, Result};
use crate::parallel::lock;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The alignment of a part's bytes: a cache line, and the longest vector.
pub const ALIGNMENT: usize = 64;

/// Position-independent bytes that all pieces of a work share, in named parts, each aligned to [`ALIGNMENT`]. Clones share them.
#[derive(Clone, Default)]
pub struct Prepared(Arc<[Part]>);

#[derive(Clone)]
struct Part {
    name: Arc<str>,
    key: Key,
    bytes: Shared,
}

/// Bytes with several owners.
pub(crate) type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Identifies a part's contents, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) hash: u64,
    /// How many bytes there are.
    pub(crate) len: u64,
}

impl Key {
    fn of(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self { hash: hasher.finish(), len: bytes.len() as u64 }
    }
}

/// Memory for a part that is being made, zeroed, aligned to [`ALIGNMENT`].
pub struct Buffer {
    /// More than is needed, so that the bytes can begin at an aligned address.
    words: Vec<u64>,
    first: usize,
    len: usize,
}

impl Buffer {
    /// Memory for `len` bytes.
    pub fn new(len: usize) -> Self {
        let words = vec![0; len.div_ceil(8) + ALIGNMENT / 8 - 1];
        let first = words.as_ptr().align_offset(ALIGNMENT);
        Self { words, first, len }
    }

    /// The bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words[self.first..])[..self.len]
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = Self::new(bytes.len());
        buffer.bytes().copy_from_slice(bytes);
        buffer
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words[self.first..])[..self.len]
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

impl Prepared {
    /// The same with one more part.
    ///
    /// # Panics
    /// If there already is a part of this name.
    pub fn with(self, name: &str, buffer: Buffer) -> Self {
        assert!(self.get(name).is_none(), "two parts `{name}` were prepared");
        let part = Part { name: name.into(), key: Key::of(buffer.as_ref()), bytes: Arc::new(buffer) };
        Self(self.0.iter().cloned().chain([part]).collect())
    }

    /// These parts and those of `other`.
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&*other.0).cloned().collect())
    }

    /// The parts whose names are wanted.
    #[cfg(feature = "window")]
    pub(crate) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|part| wanted(&part.name)).cloned().collect())
    }

    /// The bytes of the part `name`, aligned to [`ALIGNMENT`].
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|part| *part.name == *name).map(|part| (*part.bytes).as_ref())
    }

    /// How many bytes all parts have.
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.key.len as usize).sum()
    }

    /// Whether nothing was prepared.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and hashes of the parts: equal for equal contents, in this process and in those that the parts are sent to.
    pub fn hashes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|part| (&*part.name, part.key.hash))
    }

    /// The name, key and bytes of each part, for sending it.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, Key, &[u8])> {
        self.0.iter().map(|part| (&*part.name, part.key, (*part.bytes).as_ref()))
    }

    /// What another process prepared, from parts that it sent; their bytes must be aligned to [`ALIGNMENT`].
    pub(crate) fn of(parts: impl Iterator<Item = (Arc<str>, Key, Shared)>) -> Self {
        Self(parts.map(|(name, key, bytes)| Part { name, key, bytes }).collect())
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|part| (&part.name, part.key.len))).finish()
    }
}

/// What [`super::Work::prepare`] may use and must heed.
pub struct Preparing<'a> {
    stop: &'a Stop,
    threads: usize,
    progress: &'a (dyn Fn(f64) + Sync),
}

impl<'a> Preparing<'a> {
    /// With `threads` threads; `progress` is called with the fraction that is done, from 0 to 1.
    pub fn new(stop: &'a Stop, threads: usize, progress: &'a (dyn Fn(f64) + Sync)) -> Self {
        Self { stop, threads, progress }
    }

    /// On this thread only, without reporting progress.
    pub fn quietly(stop: &'a Stop) -> Self {
        Self { stop, threads: 1, progress: &|_| () }
    }

    /// The caller's request to stop, to be noticed within 20 ms.
    pub fn stop(&self) -> &Stop {
        self.stop
    }

    /// How many threads may be used: as many as workers will compute the pieces, which wait meanwhile.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Reports how much is done, from 0 to 1. A preparation that takes longer than a moment calls it with 0 at the beginning, then a few
    /// times a second, from any thread.
    pub fn progress(&self, done: f64) {
        (self.progress)(done.clamp(0.0, 1.0));
    }
}

impl fmt::Debug for Preparing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparing").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// What several runs share: the first of them prepares it, and concurrent runs wait for that.
#[derive(Debug, Default)]
pub struct PreparedOnce {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Nothing,
    InTheMaking,
    Made(Prepared),
}

/// How often a run that waits for another one's preparation checks whether it should stop.
const LOOK: Duration = Duration::from_millis(5);

impl PreparedOnce {
    /// What was prepared, if it was.
    #[cfg(feature = "window")]
    pub(crate) fn made(&self) -> Option<Prepared> {
        if let State::Made(prepared) = &*lock(&self.state) { Some(prepared.clone()) } else { None }
    }

    /// What was prepared, by an earlier call or now by `make`. After an error or a panic of `make`, the next call tries again.
    ///
    /// # Errors
    /// Those of `make`, and [`Error::Stopped`].
    pub fn get(
        &self,
        preparing: &Preparing<'_>,
        make: impl FnOnce(&Preparing<'_>) -> Result<Prepared>,
    ) -> Result<Prepared> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Made(prepared) => return Ok(prepared.clone()),
                State::Nothing => break,
                State::InTheMaking if preparing.stop.is_set() => return Err(Error::Stopped),
                State::InTheMaking => {
                    let waited = self.changed.wait_timeout(state, LOOK);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        *state = State::InTheMaking;
        drop(state);
        let mut made = Making { once: self, state: State::Nothing };
        let prepared = make(preparing)?;
        made.state = State::Made(prepared.clone());
        Ok(prepared)
    }
}

/// Publishes the outcome when dropped, however the preparation ended.
struct Making<'a> {
    once: &'a PreparedOnce,
    state: State,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        *lock(&self.once.state) = std::mem::take(&mut self.state);
        self.once.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    fn example() -> Prepared {
        let table: Vec<u8> = (0..200).collect();
        Prepared::default()
            .with("orbit", (&table[..]).into())
            .with("masks", (&[][..]).into())
            .with("a", (&[7][..]).into())
    }

    #[test]
    fn hashes_tell_contents_apart() {
        let hash = |bytes: &[u8]| Prepared::default().with("x", bytes.into()).hashes().next().unwrap().1;
        assert_eq!(hash(b"same"), hash(b"same"));
        assert_ne!(hash(b"same"), hash(b"samE"));
        let both = example().and(&Prepared::default().with("b", (&[7][..]).into()));
        let keys: Vec<_> = both.parts().map(|(_, key, _)| key).collect();
        assert!(keys[2] == keys[3] && keys[..3].iter().all(|key| *key != keys[0] || key.len == 200));
    }

    #[test]
    fn parts_are_found_by_name_and_aligned() {
        assert_eq!(example().len(), 201);
        for (name, _, bytes) in example().parts() {
            assert_eq!(example().get(name), Some(bytes));
            assert!(example().get(name).unwrap().as_ptr().addr().is_multiple_of(ALIGNMENT), "{name}");
        }
        assert!(example().get("b").is_none());
    }

    #[test]
    fn what_is_shared_is_made_once() {
        let (once, made, stop) = (PreparedOnce::default(), AtomicUsize::new(0), Stop::new());
        let make = |preparing: &Preparing<'_>| {
            made.fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            if preparing.stop().is_set() { Err(Error::Stopped) } else { Ok(example()) }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(once.get(&Preparing::quietly(&stop), make).unwrap().len(), 201));
            }
        });
        assert_eq!(made.load(SeqCst), 1);
    }

    #[test]
    fn what_failed_is_made_by_the_next() {
        let (once, stop) = (PreparedOnce::default(), Stop::new());
        let preparing = Preparing::quietly(&stop);
        assert!(once.get(&preparing, |_| Err(Error::Stopped)).is_err());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            once.get(&preparing, |_| std::panic::resume_unwind(Box::new("silent")))
        }));
        assert!(panicked.is_err());
        assert!(once.get(&preparing, |_| Ok(example())).is_ok());
        assert!(once.get(&preparing, |_| Err(Error::Stopped)).is_ok(), "already prepared");
    }

    #[test]
    fn who_waits_can_be_stopped() {
        let (once, stop) = (PreparedOnce::default(), Stop::new());
        let (begun, made) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let make = |_: &Preparing<'_>| {
                    begun.wait();
                    made.wait();
                    Ok(example())
                };
                assert!(once.get(&Preparing::quietly(&Stop::new()), make).is_ok());
            });
            begun.wait();
            stop.set();
            assert!(matches!(once.get(&Preparing::quietly(&stop), |_| Ok(example())), Err(Error::Stopped)));
            made.wait();
        });
    }
}

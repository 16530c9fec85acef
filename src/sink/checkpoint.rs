//! Keeping finished pieces in a file while a run goes on, so that a run that ends early need not begin again.
//!
//! Each claim is written as soon as it is finished, with one call of the operating system: a program that is killed loses only the
//! claims that its workers had in hand. Nothing waits for the disk: when the whole machine goes down, the last seconds may be lost,
//! and the checksums tell which. A buffer that is written once a second would save a call of 10 µs a claim, and lose that second.

use super::records::{self, Description, Records, lock, write_piece};
use crate::error::{Error, Result};
use crate::parallel::{Done, Sink};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A sink that appends finished pieces to a file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// `None` after a failure: what comes after a gap would be of use, but a disk that is full stays so.
    file: Mutex<Option<File>>,
    pieces: AtomicUsize,
    /// The pieces that were in the file from the start, by number.
    own: Vec<usize>,
    buffers: Mutex<Vec<Vec<u8>>>,
    busy: AtomicU64,
    /// Whether a run goes on when the file cannot be written any more.
    forgiving: bool,
}

impl Checkpoint {
    /// Begins a new file, which must not be there yet.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be created, [`Error::Unsupported`] as [`Description::new`].
    pub fn create(path: impl AsRef<Path>, description: &Description) -> Result<Self> {
        let path = path.as_ref();
        let beginning = records::beginning(description)?;
        let created = File::options().read(true).write(true).create_new(true).open(path);
        let mut file = created.map_err(|source| Error::io("create", path, source))?;
        lock(&file, path)?;
        if let Err(source) = file.write_all(&beginning) {
            let _ = fs::remove_file(path);
            return Err(Error::io("write", path, source));
        }
        Ok(Self::over(path.to_path_buf(), file, Vec::new()))
    }

    /// Goes on with a file, after the last of its whole pieces.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn go_on(records: &Records) -> Result<Self> {
        let path = records.path().to_path_buf();
        let file = records.writable().map_err(|source| Error::io("write", &path, source))?;
        Ok(Self::over(path, file, records.found().iter().map(|found| found.index).collect()))
    }

    fn over(path: PathBuf, file: File, own: Vec<usize>) -> Self {
        Self {
            path,
            file: Mutex::new(Some(file)),
            pieces: AtomicUsize::new(own.len()),
            own,
            buffers: Mutex::default(),
            busy: AtomicU64::new(0),
            forgiving: false,
        }
    }

    /// The same, but when the file cannot be written any more, the run goes on without it.
    pub fn forgiving(self) -> Self {
        Self { forgiving: true, ..self }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many pieces the file has.
    pub fn pieces(&self) -> usize {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Time spent in writing, summed over the workers.
    pub fn cost(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// Whether a forgiving one could not go on.
    pub fn has_failed(&self) -> bool {
        lock_of(&self.file).is_none()
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut guard = lock_of(&self.file);
        let Some(file) = guard.as_mut() else { return Ok(()) };
        match file.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(source) => {
                *guard = None;
                if self.forgiving { Ok(()) } else { Err(Error::io("write", &self.path, source)) }
            }
        }
    }
}

impl Sink for Checkpoint {
    fn done(&self, done: &Done<'_>) -> Result<()> {
        let began = Instant::now();
        let mut buffer = lock_of(&self.buffers).pop().unwrap_or_default();
        buffer.clear();
        let (varies, mut executed) = (done.work.varies(), done.executed);
        for piece in done.pieces() {
            write_piece(&piece, varies, std::mem::take(&mut executed), &mut buffer);
        }
        let outcome = self.append(&buffer);
        lock_of(&self.buffers).push(buffer);
        self.pieces.fetch_add(done.range.len(), Ordering::Relaxed);
        self.busy.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        outcome
    }

    fn kept(&self, done: &Done<'_>) -> Result<()> {
        // Kept pieces come one at a time. What another file had is wanted in this one too.
        if self.own.binary_search(&done.range.start).is_ok() { Ok(()) } else { self.done(done) }
    }
}

/// A lock whose holder panicked protects a file that is still appended to in whole records.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Keeping finished pieces in a file during a run, so that a run that ends early need not start over.
//!
//! Each claim is written as soon as it is finished, with one system call: a killed program loses only the claims in flight. Nothing
//! waits for the disk: when the whole machine goes down, the last seconds may be lost, and the checksums show which pieces. A
//! buffer written once a second would save a call of 10 µs per claim, but could lose that second.

use super::identity::{self, is_at};
use super::output::Output;
use super::records::{self, Description, Records, Unread, lock_file, write_piece};
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Sink, lock};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often a file is created anew that other processes complete or remove meanwhile.
const ATTEMPTS: usize = 100;

/// A sink that appends finished pieces to a file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// The open file identifies it, not its name, which may be another file's by the end of the run.
    file: Mutex<File>,
    /// After a failure nothing is written: pieces after a gap would be useful, but a full disk stays full.
    failed: AtomicBool,
    /// Why it is not locked, if it is not.
    unlocked: Option<io::Error>,
    pieces: AtomicUsize,
    /// The pieces that were in the file from the start, by number.
    own: Vec<usize>,
    buffers: Mutex<Vec<Vec<u8>>>,
    busy: AtomicU64,
    /// Whether a run continues when the file can no longer be written.
    forgiving: bool,
}

impl Checkpoint {
    /// Begins a new file, which must not exist yet, or be empty, as left by a run that was killed at once. No other process can
    /// write it meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be created; [`Error::Unsupported`] when another process is writing it, or could be, and as
    /// [`Description::new`].
    pub fn create(path: impl AsRef<Path>, description: &Description) -> Result<Self> {
        let path = path.as_ref();
        let beginning = records::beginning(description)?;
        let failed = |source| Error::io("create", path, source);
        let mut options = File::options();
        options.read(true).write(true);
        // Another run may have one of this name between any two looks at it.
        for _ in 0..ATTEMPTS {
            let (mut file, is_new) = match options.create_new(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_file() => {
                    match options.create_new(false).open(path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        opened => (opened.map_err(failed)?, false),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(path).is_err() => {
                    continue;
                }
                opened => (opened.map_err(failed)?, true),
            };
            let unlocked = lock_file(&file, path)?;
            if let Some(error) = unlocked.as_ref().filter(|_| !is_new) {
                return Err(Error::Unsupported(format!(
                    "`{}` already exists and cannot be locked ({error}), so another process may be writing it unseen; remove it, \
                     or name a file on a file system that has locks",
                    path.display()
                )));
            }
            // Before it was locked, its previous writer may have completed it, so that the name is free.
            if !is_at(&file, path) {
                continue;
            }
            // Or it ended before that.
            if file.metadata().is_ok_and(|found| found.len() > 0) {
                break;
            }
            if let Err(source) = file.write_all(&beginning) {
                let _ = identity::remove(&file, path);
                return Err(Error::io("write", path, source));
            }
            return Ok(Self { unlocked, ..Self::over(path.to_path_buf(), file, Vec::new()) });
        }
        Err(Error::Unsupported(format!(
            "`{}` was written by another process just now; try again, or remove it",
            path.display()
        )))
    }

    /// Continues a file after the last of its whole pieces.
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
            file: Mutex::new(file),
            failed: AtomicBool::new(false),
            unlocked: None,
            pieces: AtomicUsize::new(own.len()),
            own,
            buffers: Mutex::default(),
            busy: AtomicU64::new(0),
            forgiving: false,
        }
    }

    /// The same, but when the file can no longer be written, the run continues without it.
    pub fn forgiving(self) -> Self {
        Self { forgiving: true, ..self }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of pieces in the file.
    pub fn pieces(&self) -> usize {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Time spent writing, summed over the workers.
    pub fn cost(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// Whether writing has failed; only a forgiving checkpoint lets the run continue.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Why the file is not locked, so that other processes could write it as well: the file system has no locks.
    pub fn unlocked(&self) -> Option<&io::Error> {
        self.unlocked.as_ref()
    }

    /// Whether the file still has its name: it was neither removed nor replaced.
    pub fn is_in_place(&self) -> bool {
        is_at(&lock(&self.file), &self.path)
    }

    /// The contents of the file, even if another has its name meanwhile.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub fn records(&self) -> Result<Unread> {
        let file = lock(&self.file).try_clone();
        Unread::of(file.map_err(|source| Error::io("read", &self.path, source))?, &self.path, false)
    }

    /// Renames the complete file, replacing any file of the new name. If this file was removed or replaced meanwhile, its contents
    /// are copied instead.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be renamed or copied.
    pub fn publish(&self, to: &Path) -> Result<()> {
        let mut file = lock(&self.file);
        let failed = |source| Error::io("complete", &self.path, source);
        if identity::rename(&file, &self.path, to).map_err(failed)? {
            return Ok(());
        }
        let mut output = Output::create(to)?;
        file.rewind()
            .and_then(|()| io::copy(&mut *file, &mut output))
            .map_err(|source| Error::io("write", to, source))?;
        output.finish()
    }

    /// Removes the file; another that has its name meanwhile stays.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        identity::remove(&lock(&self.file), &self.path).map_err(|source| Error::io("remove", &self.path, source))
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut file = lock(&self.file);
        if self.has_failed() {
            return Ok(());
        }
        match file.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(source) => {
                self.failed.store(true, Ordering::Relaxed);
                if self.forgiving { Ok(()) } else { Err(Error::io("write", &self.path, source)) }
            }
        }
    }
}

impl Sink for Checkpoint {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let began = Instant::now();
        let mut buffer = lock(&self.buffers).pop().unwrap_or_default();
        buffer.clear();
        let (varies, mut executed) = (done.work.varies(), done.executed);
        for piece in done.pieces() {
            write_piece(&piece, varies, std::mem::take(&mut executed), &mut buffer);
        }
        let outcome = self.append(&buffer);
        lock(&self.buffers).push(buffer);
        self.pieces.fetch_add(done.range.len(), Ordering::Relaxed);
        self.busy.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        outcome
    }

    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
        // Kept pieces come one at a time. Pieces from other files are wanted in this one too.
        if self.own.binary_search(&done.range.start).is_ok() { Ok(()) } else { self.done(done) }
    }
}

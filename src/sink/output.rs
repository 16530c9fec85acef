//! Destinations: a file that appears only when it is complete, a device or a pipe, or the standard output.
//!
//! A regular file is written beside its destination under a temporary name and renamed at the end, so that an interrupted or failed
//! run leaves the old file unchanged (`staged.rs`). Everything that can be checked early is checked when the output is created,
//! before hours of computing.

use super::identity::destination;
pub(crate) use super::staged::Leftover;
use super::staged::Staged;
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::identity::is_stdout;

/// A destination that is open for writing. Dropped before [`Output::finish`], a regular file leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    /// As the user gave it, for messages.
    path: PathBuf,
    target: Target,
    /// Why writing failed; encoders in between tend to lose it.
    failure: Option<io::Error>,
}

#[derive(Debug)]
enum Target {
    /// A regular file under its temporary name.
    Staged(Staged),
    /// A device, a pipe or anything else that cannot be renamed.
    Straight(File),
    Stdout(io::Stdout),
    /// Memory, for tests and for pictures that are sent elsewhere.
    Memory(io::Cursor<Vec<u8>>),
}

impl Output {
    /// Opens `path` for writing; `-` is the standard output.
    ///
    /// # Errors
    /// [`Error::Usage`] for an empty path or a terminal, [`Error::Io`] when the path cannot be written: it is a directory, its
    /// directory is missing or forbids it, it is read-only, its name is too long.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::open(path.as_ref(), false)
    }

    /// The same for one of many files in a folder that was [swept](super::staged::sweep).
    ///
    /// # Errors
    /// As [`Output::create`].
    #[cfg(feature = "thumbnails")]
    pub(crate) fn create_swept(path: &Path) -> Result<Self> {
        Self::open(path, true)
    }

    fn open(path: &Path, is_swept: bool) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(Error::Usage("the name of the output is empty; give a file or `-`".into()));
        }
        let target = if is_stdout(path) {
            let stdout = io::stdout();
            refuse_terminal(&stdout, path)?;
            check_stdout().map_err(|source| Error::io("write", path, source))?;
            refuse_nobody(path)?;
            Target::Stdout(stdout)
        } else {
            open(path, is_swept).map_err(|source| Error::io("create", path, source))?
        };
        if let Target::Straight(file) = &target {
            refuse_terminal(file, path)?;
        }
        Ok(Self { path: path.to_path_buf(), target, failure: None })
    }

    /// An output in memory; [`Output::into_memory`] returns it.
    pub fn memory() -> Self {
        Self { path: "memory".into(), target: Target::Memory(io::Cursor::default()), failure: None }
    }

    /// The bytes written to [`Output::memory`]; empty for other outputs.
    pub fn into_memory(self) -> Vec<u8> {
        match self.target {
            Target::Memory(cursor) => cursor.into_inner(),
            _ => Vec::new(),
        }
    }

    /// The operating system's error that ended writing; only the first call returns it.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    fn keep<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failure = Some(copy(error));
        }
        outcome
    }

    /// Whether it is an [`Output::memory`].
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.target, Target::Memory(_))
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The temporary path of a regular file until it is complete. Dropping the output removes it; ending the process any other way
    /// does not.
    pub fn temporary(&self) -> Option<&Path> {
        match &self.target {
            Target::Staged(staged) => Some(staged.temporary()),
            _ => None,
        }
    }

    /// What to remove if the process ends before the output is complete without dropping it; `None` if nothing would be left.
    pub fn leftover(&self) -> Option<Leftover> {
        match &self.target {
            Target::Staged(staged) => Some(staged.leftover()),
            _ => None,
        }
    }

    /// The folder of a regular file, otherwise the system's temporary folder: a place for incomplete data.
    pub(crate) fn folder(&self) -> PathBuf {
        match &self.target {
            Target::Staged(staged) => staged.folder().to_path_buf(),
            _ => std::env::temp_dir(),
        }
    }

    /// Whether writing can seek backwards, as some formats need.
    pub fn can_seek(&self) -> bool {
        matches!(self.target, Target::Staged(_) | Target::Memory(_))
    }

    /// Completes the output: only now does a regular file appear under its name. Does not wait for the disk.
    ///
    /// # Errors
    /// [`Error::Io`] when the last bytes cannot be written or the file cannot be renamed; no temporary file is left.
    pub fn finish(mut self) -> Result<()> {
        let outcome = self.flush().and_then(|()| match &mut self.target {
            Target::Staged(staged) => staged.rename(),
            _ => Ok(()),
        });
        outcome.map_err(|source| Error::io("write", &self.path, source))
    }
}

/// A copy of the error, since the type has no `Clone`.
pub(crate) fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Whether the standard output can be written. One that is open only for reading cannot, but the standard library calls that
/// success.
///
/// # Errors
/// The system's error for a file that cannot be written.
pub fn check_stdout() -> io::Result<()> {
    match rustix::fs::fcntl_getfl(io::stdout()) {
        Ok(mode) if mode & rustix::fs::OFlags::ACCMODE == rustix::fs::OFlags::RDONLY => {
            Err(rustix::io::Errno::BADF.into())
        }
        _ => Ok(()),
    }
}

/// Refuses a standard output that was closed (`>&-`), as the picture would be lost. Before `main` the standard library replaces it
/// by `/dev/null`, open for reading too, unlike a shell's `>/dev/null`. A caller that opens it like that and does not need the
/// output can name `/dev/null` as well.
fn refuse_nobody(path: &Path) -> Result<()> {
    let null = Path::new("/dev/null");
    let mode = rustix::fs::fcntl_getfl(io::stdout()).unwrap_or(rustix::fs::OFlags::WRONLY);
    let is_closed = mode & rustix::fs::OFlags::ACCMODE == rustix::fs::OFlags::RDWR;
    let is_null = |found: rustix::fs::Stat| rustix::fs::stat(null).is_ok_and(|null| null.st_rdev == found.st_rdev);
    if is_closed && rustix::fs::fstat(io::stdout()).is_ok_and(is_null) {
        let path = path.display();
        return Err(Error::Unsupported(format!(
            "`{path}` is the standard output, which is closed, so the picture would be lost; redirect it or give a file"
        )));
    }
    Ok(())
}

fn refuse_terminal(file: &impl IsTerminal, path: &Path) -> Result<()> {
    if !file.is_terminal() {
        return Ok(());
    }
    let name = if is_stdout(path) { "the standard output".into() } else { format!("`{}`", path.display()) };
    Err(Error::Usage(format!(
        "{name} is a terminal, which cannot display a picture's bytes; redirect it or give a file"
    )))
}

fn open(path: &Path, is_swept: bool) -> io::Result<Target> {
    let (place, mode) = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // A link is followed, so that its target is replaced or created, not the link. A write-protected file is not replaced
        // either, although renaming would allow it.
        Ok(found) if found.is_file() => {
            OpenOptions::new().write(true).open(path)?;
            (fs::canonicalize(path)?, Some(found.permissions()))
        }
        Ok(_) => return OpenOptions::new().write(true).open(path).map(Target::Straight),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (destination(path), None),
        Err(error) => return Err(error),
    };
    let staged = Staged::create(place, is_swept)?;
    if let Some(mode) = mode {
        staged.file().set_permissions(mode)?;
    }
    Ok(Target::Staged(staged))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = match &mut self.target {
            Target::Staged(staged) => staged.file().write(bytes),
            Target::Straight(file) => file.write(bytes),
            Target::Stdout(stdout) => stdout.write(bytes),
            Target::Memory(cursor) => cursor.write(bytes),
        };
        self.keep(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = match &mut self.target {
            Target::Staged(staged) => staged.file().flush(),
            Target::Straight(file) => file.flush(),
            Target::Stdout(stdout) => stdout.flush(),
            Target::Memory(cursor) => cursor.flush(),
        };
        self.keep(outcome)
    }
}

impl Seek for Output {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.target {
            Target::Staged(staged) => staged.file().seek(to),
            Target::Memory(cursor) => cursor.seek(to),
            Target::Straight(_) | Target::Stdout(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}

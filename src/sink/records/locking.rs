//! Locking: only one process at a time writes a file of finished pieces.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Keeps other processes from writing the file as long as it is open. Returns why it cannot be locked if the file system has no
/// locks; then no other process can tell that it is being written.
pub(in crate::sink) fn lock_file(file: &File, path: &Path) -> Result<Option<io::Error>> {
    settle(|| file.try_lock(), || writer(file), path)
}

/// Locks a file by `try_lock`, unless another process has it, which `writer` names. One that ended between the two has left it free.
fn settle(
    mut try_lock: impl FnMut() -> std::result::Result<(), TryLockError>,
    mut writer: impl FnMut() -> Option<u32>,
    path: &Path,
) -> Result<Option<io::Error>> {
    // A process may also be hidden, and others may come and go.
    const ATTEMPTS: usize = 10;
    let mut who = None;
    for _ in 0..ATTEMPTS {
        match try_lock() {
            Ok(()) => return Ok(None),
            Err(TryLockError::Error(error)) => return Ok(Some(error)),
            Err(TryLockError::WouldBlock) => who = writer(),
        }
        if who.is_some() {
            break;
        }
    }
    let who = who.map_or("another process".into(), |process| format!("process {process}"));
    Err(Error::Unsupported(format!("`{}` is being written by {who}", path.display())))
}

/// Checks that no other process is writing the file at `path`.
///
/// # Errors
/// [`Error::Unsupported`] when one is.
pub fn check_unused(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    // A pipe would wait for its other end. A file that cannot be opened cannot be used either; that is reported later.
    let file = Some(path).filter(|path| path.is_file()).and_then(|path| File::open(path).ok());
    file.map_or(Ok(()), |file| lock_file(&file, path).map(|_| ()))
}

/// The process that has locked a file, if the system says.
#[cfg(target_os = "linux")]
fn writer(file: &File) -> Option<u32> {
    let found = rustix::fs::fstat(file).ok()?;
    let device = (rustix::fs::major(found.st_dev), rustix::fs::minor(found.st_dev));
    holder(&std::fs::read_to_string("/proc/locks").ok()?, device, found.st_ino)
}

#[cfg(not(target_os = "linux"))]
fn writer(_: &File) -> Option<u32> {
    None
}

/// The process that `/proc/locks` names for a file. Some file systems report a different device there than for the file; then the
/// inode alone must do, if it occurs once. Processes in other namespaces have no number.
#[cfg(any(target_os = "linux", test))]
fn holder(locks: &str, device: (u32, u32), inode: u64) -> Option<u32> {
    let fits = |line: &str| {
        let [_, "FLOCK", _, _, process, place, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let mut parts = place.split(':');
        let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
        let found = (number()?, number()?);
        (parts.next()? == inode.to_string())
            .then(|| (found == device, process.parse().ok().filter(|&process| process > 0)))
    };
    let found: Vec<_> = locks.lines().filter_map(fits).collect();
    match found[..] {
        [(_, process)] => process,
        _ => found.iter().find(|(same, _)| *same)?.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ends_while_it_is_looked_for_has_left_the_file_free() {
        let path = Path::new("a.part");
        let taken = || Err(TryLockError::WouldBlock);
        let mut outcomes = vec![Ok(()), taken(), taken()];
        assert!(settle(|| outcomes.pop().unwrap(), || None, path).unwrap().is_none());
        let mut outcomes = vec![Err(TryLockError::Error(io::ErrorKind::Unsupported.into())), taken()];
        assert!(settle(|| outcomes.pop().unwrap(), || None, path).unwrap().is_some());
        let told = |writer: Option<u32>| settle(taken, || writer, path).unwrap_err().to_string();
        assert_eq!(told(Some(7)), "`a.part` is being written by process 7");
        assert_eq!(told(None), "`a.part` is being written by another process");
    }

    #[test]
    fn the_holder_of_a_lock_is_read() {
        let locks = "1: FLOCK  ADVISORY  WRITE 10359 fe:00:7077894 0 EOF\n2: POSIX  ADVISORY  WRITE 7 fe:00:5 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 12 00:2a:5 0 EOF\n4: FLOCK  ADVISORY  WRITE 13 fe:00:5 0 EOF\n\
                     4: -> FLOCK  ADVISORY  WRITE 14 fe:00:7077894 0 EOF\n5: FLOCK ADVISORY WRITE 0 fe:00:8 0 EOF\nnonsense\n";
        assert_eq!(holder(locks, (0xfe, 0), 7_077_894), Some(10359));
        assert_eq!(holder(locks, (0x2a, 0), 7_077_894), Some(10359), "the file system reports another device");
        assert_eq!(holder(locks, (0xfe, 0), 5), Some(13));
        assert_eq!(holder(locks, (0, 0x2a), 5), Some(12));
        assert_eq!(holder(locks, (1, 1), 5), None, "it could be either of the two");
        assert_eq!(
            (holder(locks, (0xfe, 0), 8), holder(locks, (0xfe, 0), 9), holder("", (0, 0), 0)),
            (None, None, None)
        );
    }
}

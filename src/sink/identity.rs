//! Which file a name means: different names may mean the same file, and a name may come to mean another file.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the standard output among paths.
pub const STDOUT: &str = "-";

/// Whether a name is one of the standard output's. Opening it by its system name would replace or truncate the file that it goes
/// to, and what was appended to it would be lost.
pub fn is_stdout(path: &Path) -> bool {
    [STDOUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Identifies a file, whatever its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// An existing file, by its device and inode.
    Found(u64, u64),
    /// A file that does not exist, by its folder without links and its name.
    Wanted(PathBuf),
    /// The standard output, if it is not a file.
    Stdout,
}

impl Identity {
    /// The file that would be written under this name; `None` for devices, pipes and folders, since only files can be overwritten.
    pub fn of(path: &Path) -> Option<Self> {
        if is_stdout(path) {
            return Some(Self::of_stream(io::stdout()).unwrap_or(Self::Stdout));
        }
        match fs::metadata(path) {
            Ok(found) => Self::of_file(path, &found),
            Err(_) => {
                let place = destination(path);
                let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                // Where there is no folder, writing fails.
                let name = place.file_name()?;
                Some(Self::Wanted(fs::canonicalize(folder).map_or(place.clone(), |folder| folder.join(name))))
            }
        }
    }

    /// The file behind a stream of this process, if there is one.
    #[cfg(unix)]
    pub fn of_stream(stream: impl std::os::fd::AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        Self::of_file(Path::new(""), &file.metadata().ok()?)
    }

    /// Unknown on other systems.
    #[cfg(not(unix))]
    pub fn of_stream<T>(_: T) -> Option<Self> {
        None
    }

    #[cfg(unix)]
    fn of_file(_: &Path, found: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        found.is_file().then(|| Self::Found(found.dev(), found.ino()))
    }

    #[cfg(not(unix))]
    fn of_file(path: &Path, found: &Metadata) -> Option<Self> {
        let path = || fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        found.is_file().then(|| Self::Wanted(path()))
    }
}

/// The file that a name means: links are followed, even if the last one points to a file that does not exist.
pub fn destination(path: &Path) -> PathBuf {
    /// The number that Linux follows.
    const MOST: usize = 40;
    let mut place = path.to_path_buf();
    for _ in 0..MOST {
        let Ok(target) = fs::read_link(&place) else { return place };
        place = place.parent().map_or(target.clone(), |folder| folder.join(&target));
    }
    path.to_path_buf()
}

/// Whether the name still refers to this open file, not to another that has replaced it.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(own), Ok(found)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (own.dev(), own.ino()) == (found.dev(), found.ino())
}

/// On other systems an open file keeps its name.
#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Whether both are open on the same file.
#[cfg(unix)]
pub(crate) fn are_same(one: &File, other: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// On other systems an open file stays where it is.
#[cfg(not(unix))]
pub(crate) fn are_same(_: &File, _: &File) -> bool {
    true
}

/// Removes the file if the name is still its own; else it is already gone.
pub(crate) fn remove(file: &File, path: &Path) -> io::Result<()> {
    if is_at(file, path) { fs::remove_file(path) } else { Ok(()) }
}

/// Renames the file; false when its old name is no longer its own.
pub(crate) fn rename(file: &File, from: &Path, to: &Path) -> io::Result<bool> {
    if is_at(file, from) { fs::rename(from, to).map(|()| true) } else { Ok(false) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_of_one_file_have_one_identity() {
        let folder = std::env::temp_dir().join(format!("fractal-identity-{}", std::process::id()));
        fs::create_dir_all(folder.join("sub")).unwrap();
        let at = |name: &str| folder.join(name);
        fs::write(at("file"), "").unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        for (link, target) in [("link", "file"), ("dangling", "sub/later"), ("again", "dangling"), ("loop", "loop")] {
            symlink(target, at(link)).unwrap();
        }
        symlink("sub", at("folder")).unwrap();
        let of = |name: &str| Identity::of(&at(name));
        for (one, other) in [
            ("file", "hard"),
            ("file", "link"),
            ("file", "sub/../file"),
            ("new", "./new"),
            ("new", "sub/../new"),
            ("sub/later", "dangling"),
            ("sub/later", "again"),
            ("sub/later", "folder/later"),
        ] {
            assert!(of(one).is_some() && of(one) == of(other), "{one} {other}");
        }
        assert_ne!(of("new"), of("sub/new"));
        assert_eq!((of("sub"), Identity::of(Path::new("/dev/null"))), (None, None));
        assert_eq!((destination(&at("again")), destination(&at("loop"))), (at("sub/later"), at("loop")));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_name_that_is_another_files_by_now_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("fractal-replaced-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        let own = File::create(at("own")).unwrap();
        assert!(is_at(&own, &at("own")) && !is_at(&own, &at("other")));
        symlink("own", at("link")).unwrap();
        assert!(!is_at(&own, &at("link")), "a link is another file");
        assert!(rename(&own, &at("own"), &at("moved")).unwrap());
        fs::write(at("own"), "foreign").unwrap();
        assert!(!rename(&own, &at("own"), &at("moved")).unwrap());
        remove(&own, &at("own")).unwrap();
        assert_eq!(fs::read(at("own")).unwrap(), b"foreign");
        remove(&own, &at("moved")).unwrap();
        assert!(!at("moved").exists());
        remove(&own, &at("moved")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}

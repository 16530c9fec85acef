//! Small files that the program keeps for itself: the user did not name them, so reading them must never block. Only regular files
//! are read and written, and only up to a limit: a pipe would wait for its other end, and a device may never end.

use super::output::Output;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A user's folder for program files, by the XDG base directory specification: the one that `variable` names if that is an absolute
/// path, else `otherwise` below the home folder. `None` where there is no home.
pub(crate) fn user_folder(variable: &str, otherwise: &str) -> Option<PathBuf> {
    let whole = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    whole(variable).or_else(|| whole("HOME").map(|home| home.join(otherwise)))
}

/// The text of a file; `None` when there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let failed = |source| Error::io("read", path, source);
    if !is_file(path)? {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::Input(format!("`{}` is too large: at most {MAX_BYTES} bytes are read", path.display())));
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| Error::Input(format!("`{}` is not text", path.display())))
}

/// Opens a file to be overwritten, and creates its folder.
pub(crate) fn create(path: &Path) -> Result<Output> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    }
    is_file(path)?;
    Output::create(path)
}

/// Whether there is a file; an error for anything other than a regular file.
fn is_file(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(Error::Input(format!("`{}` is not a regular file", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

//! The pictures of a folder and what is below it, and the names of their thumbnails.

use crate::error::{Error, Result};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// The endings of files that are taken for pictures.
pub const ENDINGS: &[&str] = &["jpg", "jpeg", "png", "webp"];

/// A file or folder that is left out, and why, in words that follow its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Its path below the folder.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// What is in a folder and below it.
#[derive(Debug, Default)]
pub struct Found {
    /// The pictures by their endings, as paths below the folder: the largest first, since they take the longest.
    pub pictures: Vec<PathBuf>,
    /// What looks like a picture, but is no file, and folders that cannot be read.
    pub skipped: Vec<Skipped>,
    /// How many other files there are.
    pub others: usize,
}

/// Looks for pictures in `folder` and below it. Hidden files and folders are left alone, and so is the folder `without`. Links to files
/// are followed, links to folders are not.
///
/// # Errors
/// [`Error::Io`] when the folder itself cannot be read.
pub fn find(folder: &Path, without: &Path) -> Result<Found> {
    let without = fs::canonicalize(without).ok();
    let mut found = Found::default();
    let mut sizes = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let place = folder.join(&below);
        if !below.as_os_str().is_empty() && without.is_some() && fs::canonicalize(&place).ok() == without {
            continue;
        }
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(source) if below.as_os_str().is_empty() => return Err(Error::io("read", &place, source)),
            Err(error) => {
                found.skipped.push(Skipped { path: below, why: format!("cannot be read: {error}") });
                continue;
            }
        };
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), below.join(entry.file_name()));
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let mut skip = |why: String| found.skipped.push(Skipped { path: path.clone(), why });
            match fs::metadata(entry.path()) {
                Ok(data) if data.is_dir() && is_link => skip("is a link to a folder, which is not followed".into()),
                Ok(data) if data.is_dir() && is_picture(&name) => skip("is a folder, not a picture".into()),
                Ok(data) if data.is_dir() => folders.push(path),
                Ok(data) if data.is_file() && is_picture(&name) => sizes.push((data.len(), path)),
                Ok(data) if data.is_file() => found.others += 1,
                Ok(_) if is_picture(&name) => skip("is a pipe, a socket or a device, not a file".into()),
                Err(error) if is_picture(&name) || is_link => skip(format!("cannot be read: {error}")),
                Ok(_) | Err(_) => found.others += 1,
            }
        }
    }
    sizes.sort_by(|(size, path), (other_size, other)| other_size.cmp(size).then_with(|| path.cmp(other)));
    found.pictures = sizes.into_iter().map(|(_, path)| path).collect();
    found.skipped.sort();
    Ok(found)
}

fn is_picture(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The names of thumbnails, of which no two are the same, whatever formats they turn out to have.
///
/// A name is kept where its ending fits the thumbnail's format; otherwise the format's ending is added, so that `a.png` becomes
/// `a.png.jpg`. A name that is another one with an ending added is never kept: of `a.png` and `a.png.jpg` the latter becomes
/// `a.png.jpg.jpg`. So a name that is kept differs from all that are made longer. Capital letters make no difference.
#[derive(Debug)]
pub(super) struct Names(HashSet<OsString>);

impl Names {
    /// For all pictures of a folder.
    pub(super) fn of(pictures: &[PathBuf]) -> Self {
        Self(pictures.iter().map(|path| path.as_os_str().to_ascii_lowercase()).collect())
    }

    /// The path of a picture's thumbnail, whose format has these endings; the first is the usual one.
    pub(super) fn thumbnail(&self, picture: &Path, endings: &[&str]) -> PathBuf {
        let ending = picture.extension().and_then(OsStr::to_str);
        let fits = ending.is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)));
        if fits && !self.0.contains(&picture.with_extension("").as_os_str().to_ascii_lowercase()) {
            return picture.to_path_buf();
        }
        let mut name = picture.as_os_str().to_owned();
        name.push(".");
        name.push(endings[0]);
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_thumbnails_have_one_name() {
        let all = [
            "a.b.jpg",
            "a.b.png",
            "a.jpg",
            "a.jpeg",
            "a.png",
            "a.webp",
            "a.png.jpg",
            "A.PNG.JPG.jpg",
            "a.PNG.png",
            "x/a.jpg",
        ];
        let pictures: Vec<PathBuf> = all.iter().map(PathBuf::from).collect();
        let names = Names::of(&pictures);
        let formats: [&[&str]; 2] = [&["jpg", "jpeg"], &["png"]];
        // Each picture may turn out to be of either format.
        for choices in 0..1_u32 << all.len() {
            let thumbnails = pictures.iter().enumerate().map(|(bit, picture)| {
                names.thumbnail(picture, formats[(choices >> bit & 1) as usize]).as_os_str().to_ascii_lowercase()
            });
            let different: HashSet<_> = thumbnails.collect();
            assert_eq!(different.len(), all.len(), "{choices:b}");
        }
        assert_eq!(names.thumbnail(Path::new("a.jpeg"), formats[0]), Path::new("a.jpeg"));
        assert_eq!(names.thumbnail(Path::new("a.webp"), formats[1]), Path::new("a.webp.png"));
    }
}

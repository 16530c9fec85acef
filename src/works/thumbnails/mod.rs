//! Thumbnails of the pictures in a folder: files as input, uneven pieces, results of varying length.
//!
//! A piece is a file. Its result is what happened, in a byte, and behind it the thumbnail's bytes, or why there is none; a sink writes
//! the files, so that workers in other processes read files but write none.

mod bits;
mod eighth;
mod find;
mod picture;

pub use find::{ENDINGS, Found, Skipped, find};

use crate::error::{Error, Result};
use crate::parallel::{Claim, FinishedClaim, Piece, Prepared, Recipe, Sink, Stop, Work, lock};
use crate::sink::Output;
use crate::sink::staged::sweep;
use fast_image_resize::Resizer;
use find::Names;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fmt, fs};

/// The kind of these works, for other processes.
pub(super) const KIND: &str = "thumbnails";

/// The largest edge of a thumbnail, in pixels.
pub const MAX_EDGE: u32 = 1024;

/// The format of a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

impl Encoding {
    /// The endings of its files, the usual one first.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Png => &["png"],
        }
    }
}

/// How thumbnails are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The longest edge, in pixels, from 1 to [`MAX_EDGE`]. Smaller pictures keep their size.
    pub size: u32,
    /// The format; `None` for JPEG, and PNG where something is transparent.
    pub encoding: Option<Encoding>,
    /// Whether every picture is decoded at its full size, even where an eighth would do.
    pub full: bool,
}

/// The pictures of a folder as a work.
#[derive(Debug)]
pub struct Thumbnails {
    folder: PathBuf,
    pictures: Vec<PathBuf>,
    options: Options,
    /// What must live as long as this does.
    _kept: Option<Kept>,
}

/// Anything at all.
type Kept = Arc<dyn fmt::Debug + Send + Sync>;

impl Thumbnails {
    /// The thumbnails of `pictures`, which are paths below `folder`.
    ///
    /// # Errors
    /// [`Error::Usage`] when the size is not allowed; [`Error::Io`] when the folder is not there.
    pub fn new(folder: &Path, pictures: Vec<PathBuf>, options: Options) -> Result<Self> {
        if !(1..=MAX_EDGE).contains(&options.size) {
            let size = options.size;
            return Err(Error::Usage(format!(
                "thumbnails of {size} pixels are not possible; allowed are 1 to {MAX_EDGE}"
            )));
        }
        // Workers in other processes may have another current folder.
        let folder = fs::canonicalize(folder).map_err(|source| Error::io("read", folder, source))?;
        Ok(Self { folder, pictures, options, _kept: None })
    }

    /// The same, which keeps something until it is dropped: the files themselves, if they are temporary.
    #[must_use]
    pub fn keeping(self, what: Kept) -> Self {
        Self { _kept: Some(what), ..self }
    }

    /// The most bytes of an encoded thumbnail: more than either format takes for noise.
    fn most(&self) -> usize {
        6 * (self.options.size as usize).pow(2) + 4096
    }

    /// Makes the work of a [`Recipe`] of kind [`KIND`] again.
    pub(super) fn from_recipe(bytes: &[u8]) -> Result<Arc<dyn Work>> {
        let damaged = || Error::Input(format!("the bytes are not the recipe of a work `{KIND}`"));
        let mut parts = bytes.split(|byte| *byte == 0);
        let options = parts.next().and_then(|options| serde_json::from_slice(options).ok()).ok_or_else(damaged)?;
        let mut paths = parts.map(|path| PathBuf::from(OsStr::from_bytes(path)));
        let folder = paths.next().ok_or_else(damaged)?;
        Ok(Arc::new(Self { folder, pictures: paths.collect(), options, _kept: None }))
    }

    /// What a piece results in, without its file's name.
    fn result(&self, index: usize, resizer: &mut Resizer, stop: &Stop) -> Result<(Status, Vec<u8>, u64)> {
        let path = self.folder.join(&self.pictures[index]);
        match picture::make(&path, &self.options, resizer, stop) {
            Ok(made) if made.bytes.len() <= self.most() => {
                let status = if made.encoding == Encoding::Jpeg { Status::Jpeg } else { Status::Png };
                Ok((status, made.bytes, made.pixels))
            }
            Ok(_) => Ok((Status::Skipped, b"has a thumbnail that is too long".to_vec(), 0)),
            Err(Error::Stopped) => Err(Error::Stopped),
            Err(error) => {
                let mut why = error.to_string().into_bytes();
                why.truncate(self.most());
                Ok((Status::Skipped, why, 0))
            }
        }
    }
}

/// What became of a file: the first byte of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Status {
    Skipped,
    Jpeg,
    Png,
}

impl Work for Thumbnails {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn piece_len(&self, _: usize) -> usize {
        1 + self.most()
    }

    fn varies(&self) -> bool {
        true
    }

    /// One file a claim: each may take long.
    fn claim_bytes(&self) -> Option<usize> {
        Some(1)
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let mut resizer = Resizer::new();
        for index in claim.range() {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let (status, bytes, pixels) = self.result(index, &mut resizer, stop)?;
            claim.put(index, &[&[status as u8], &bytes[..]].concat());
            claim.set_cost(index, pixels);
            claim.add_executed(pixels);
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        let mut bytes = serde_json::to_vec(&self.options).ok()?;
        // No path contains a zero.
        for path in [&self.folder].into_iter().chain(&self.pictures) {
            bytes.push(0);
            bytes.extend_from_slice(path.as_os_str().as_bytes());
        }
        Some(Recipe { kind: KIND.into(), bytes })
    }

    fn unit(&self) -> &'static str {
        "pixels"
    }

    fn piece(&self) -> &'static str {
        "file"
    }

    fn describe(&self, index: usize) -> String {
        format!("file `{}`", self.pictures[index].display())
    }
}

/// Makes sure that an output leaves nothing behind, however the program ends.
type Guard = dyn Fn(Output) -> Output + Send + Sync;

/// A sink that writes the thumbnails of a [`Thumbnails`] into a folder, each whole or not at all.
pub struct ThumbnailFiles {
    folder: PathBuf,
    pictures: Vec<PathBuf>,
    names: Names,
    guard: Box<Guard>,
    made: Mutex<HashSet<PathBuf>>,
    skipped: Mutex<Vec<Skipped>>,
}

impl ThumbnailFiles {
    /// Writes below `folder`, which is made when it is first needed; `guard` gets each open file until it is complete.
    pub fn new(work: &Thumbnails, folder: &Path, guard: impl Fn(Output) -> Output + Send + Sync + 'static) -> Self {
        Self {
            folder: folder.to_path_buf(),
            pictures: work.pictures.clone(),
            names: Names::of(&work.pictures),
            guard: Box::new(guard),
            made: Mutex::default(),
            skipped: Mutex::default(),
        }
    }

    /// The files that have no thumbnail, and why, in the order of their names.
    pub fn skipped(&self) -> Vec<Skipped> {
        let mut skipped = lock(&self.skipped).clone();
        skipped.sort();
        skipped
    }

    fn take(&self, piece: &Piece<'_>) -> Result<()> {
        let wrong = || Error::Input("a worker returned no thumbnail".into());
        let picture = self.pictures.get(piece.index).ok_or_else(wrong)?;
        let (status, bytes) = piece.bytes.split_first().ok_or_else(wrong)?;
        let encoding = match *status {
            status if status == Status::Jpeg as u8 => Encoding::Jpeg,
            status if status == Status::Png as u8 => Encoding::Png,
            _ => {
                let why = String::from_utf8_lossy(bytes).into_owned();
                lock(&self.skipped).push(Skipped { path: picture.clone(), why });
                return Ok(());
            }
        };
        let path = self.folder.join(self.names.thumbnail(picture, encoding.endings()));
        self.make_folder(&path)?;
        let output = match open(&path) {
            Ok(output) => output,
            // Another file's name may be possible.
            Err(why) if is_about_name(&why) => {
                lock(&self.skipped).push(Skipped { path: picture.clone(), why: format!("has no thumbnail: {why}") });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut output = (self.guard)(output);
        output.write_all(bytes).map_err(|source| Error::io("write", &path, source))?;
        output.finish()
    }

    /// Makes the folder of a file, once.
    fn make_folder(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.folder);
        let mut made = lock(&self.made);
        if !made.contains(folder) {
            fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
            sweep(folder);
            made.insert(folder.to_path_buf());
        }
        Ok(())
    }
}

/// Opens a thumbnail's file. Nothing but a regular file is replaced, and nothing is written through a link: it might lead to the picture.
fn open(path: &Path) -> Result<Output> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(Error::Input(format!("`{}` is there, and no regular file", path.display())))
        }
        _ => Output::create_swept(path),
    }
}

/// Whether an output could not be opened because of its name or what has it.
fn is_about_name(error: &Error) -> bool {
    match error {
        Error::Input(_) => true,
        Error::Io { source, .. } => source.kind() == io::ErrorKind::InvalidFilename,
        _ => false,
    }
}

impl Sink for ThumbnailFiles {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        done.pieces().try_for_each(|piece| self.take(&piece))
    }
}

impl fmt::Debug for ThumbnailFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThumbnailFiles").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Bytes that are spilled to disk because memory is bounded.

use crate::parallel::lock;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A nameless file, made when first needed. It disappears with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    file: Mutex<Option<(File, u64)>>,
}

impl Spill {
    /// For a file in this folder.
    pub(crate) fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), file: Mutex::new(None) }
    }

    /// Writes `bytes`, and returns their position.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut file = lock(&self.file);
        let (file, end) = match &mut *file {
            Some(file) => file,
            none => none.insert((create(&self.folder)?, 0)),
        };
        let place = *end;
        file.seek(SeekFrom::Start(place))?;
        file.write_all(bytes)?;
        *end += bytes.len() as u64;
        Ok(place)
    }

    /// Reads the bytes at `place` into `bytes`.
    pub(crate) fn get(&self, place: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut file = lock(&self.file);
        let Some((file, _)) = &mut *file else { return Err(io::ErrorKind::NotFound.into()) };
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(bytes)
    }
}

/// A new nameless file in `folder`.
pub(crate) fn create(folder: &Path) -> io::Result<File> {
    let mut attempt = 0;
    loop {
        let path = folder.join(format!(".fractal-{}-{attempt}.tmp", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            // Where an open file cannot be unlinked, it stays behind: a nuisance, but not an error.
            Ok(file) => {
                let _ = super::identity::remove(&file, &path);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

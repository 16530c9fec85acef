//! Bytes that are spilled to disk because memory is bounded.

use crate::parallel::lock;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A nameless file, made when first needed. It disappears with the process, however that ends.
///
/// It grows only to what lies in it at once: for a picture whose rows of tiles are larger than memory allows, that is some rows, not the
/// whole picture.
#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    file: Mutex<Option<Spilled>>,
}

#[derive(Debug)]
struct Spilled {
    file: File,
    end: u64,
    /// Positions of bytes that were taken, by their number. Most are as many: a tile's.
    free: BTreeMap<usize, Vec<u64>>,
}

impl Spill {
    /// For a file in this folder.
    pub(crate) fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), file: Mutex::new(None) }
    }

    /// Writes `bytes`, and returns their position.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut spilled = lock(&self.file);
        let Spilled { file, end, free } = match &mut *spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled { file: create(&self.folder)?, end: 0, free: BTreeMap::new() }),
        };
        let place = match free.get_mut(&bytes.len()).and_then(Vec::pop) {
            Some(place) => place,
            None => {
                let place = *end;
                *end += bytes.len() as u64;
                place
            }
        };
        file.seek(SeekFrom::Start(place))?;
        file.write_all(bytes)?;
        Ok(place)
    }

    /// Reads the bytes at `place` into `bytes`, which has as many. Others may take their place.
    pub(crate) fn take(&self, place: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut spilled = lock(&self.file);
        let Some(Spilled { file, free, .. }) = &mut *spilled else { return Err(io::ErrorKind::NotFound.into()) };
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(bytes)?;
        free.entry(bytes.len()).or_default().push(place);
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_as_large_as_what_lies_in_it_at_once() {
        let spill = Spill::in_folder(std::env::temp_dir());
        let mut bytes = vec![0; 100];
        let first = spill.put(&[0; 100]).unwrap();
        for round in 1..50 {
            let (whole, narrow) = (spill.put(&[round; 100]).unwrap(), spill.put(&[!round; 60]).unwrap());
            spill.take(whole, &mut bytes).unwrap();
            assert_eq!(bytes, [round; 100]);
            spill.take(narrow, &mut bytes[..60]).unwrap();
            assert_eq!(bytes[..60], [!round; 60]);
        }
        assert_eq!(lock(&spill.file).as_ref().unwrap().file.metadata().unwrap().len(), 100 + 100 + 60);
        spill.take(first, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 100]);
    }
}

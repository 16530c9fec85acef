//! Reading files of finished pieces, even damaged ones.

mod window;

use super::{Description, HEAD, Head, MAGIC, PACKED, RAW, packing, write_piece};
use crate::error::{Error, Result};
use crate::parallel::{Piece, Shard, Stop, Work, lock};
use crate::sink::identity::{are_same, is_at};
use crate::sink::records::locking::lock_file;
use crate::sink::spill;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use window::Window;

/// A file of finished pieces that was read through: its whole pieces and their positions.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: Mutex<File>,
    description: Description,
    /// By number, each once.
    found: Vec<Found>,
    damaged: u64,
    end: u64,
    /// Whether it was opened to be continued.
    writable: bool,
}

/// A whole piece in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub index: usize,
    /// Where its record begins.
    offset: u64,
    /// The length of its data in the file, in bytes.
    len: usize,
    /// The length of the piece, in bytes.
    whole: usize,
}

impl Records {
    /// Opens a file and reads its description.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Input`] when it is not a file of finished pieces, or its description is
    /// damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Unread> {
        let path = path.as_ref();
        // Before it is opened: opening a pipe would wait for its writer.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::Input(format!(
                "`{}` is not a regular file, so it holds no finished pieces",
                path.display()
            )));
        }
        let file = File::open(path).map_err(|source| Error::io("read", path, source))?;
        Unread::of(file, path, false)
    }

    /// Opens a file to continue it: as [`Records::open`], but exclusively until the result and all that is made from it are
    /// dropped.
    ///
    /// # Errors
    /// As [`Records::open`]; [`Error::Unsupported`] when another process has the file, or the file system has no locks, so that no
    /// other process could know that this one has it.
    pub fn open_to_go_on(path: impl AsRef<Path>) -> Result<Unread> {
        let path = path.as_ref();
        // Errors about the file's contents come first.
        let unread = Self::open(path)?;
        let gone = || Error::Unsupported(format!("`{}` was removed or replaced just now; try again", path.display()));
        let file = File::options().read(true).write(true).open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => gone(),
            _ => Error::io("write", path, source),
        })?;
        if let Some(error) = lock_file(&file, path)? {
            return Err(Error::Unsupported(format!(
                "`{}` cannot be locked ({error}), so another process may be writing it unseen; \
                 continue from a copy on a file system that has locks, or remove it",
                path.display()
            )));
        }
        // Before it was locked, it may have been replaced, or completed by its previous writer.
        if !is_at(&file, path) && !path.is_symlink() {
            return Err(gone());
        }
        drop(unread);
        Unread::of(file, path, true)
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's description of its pieces.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The whole pieces, by number.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// The number of damaged places.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether every wanted piece is there.
    pub fn is_complete(&self) -> bool {
        let Description { pieces, shard, .. } = self.description;
        self.found.len() == shard.map_or(pieces, |shard| shard.len(pieces))
    }

    /// Pieces from elsewhere as if from a file of this form: they are written to a nameless file in `folder`. `pieces` come in any
    /// order, each once.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written, and the errors in `pieces`.
    pub(crate) fn of(
        description: Description,
        path: &Path,
        folder: &Path,
        pieces: impl Iterator<Item = Result<(usize, Vec<u32>)>>,
    ) -> Result<Self> {
        let failed = |source| Error::io("write", folder, source);
        let mut file = spill::create(folder).map_err(failed)?;
        let (mut found, mut end, mut record) = (Vec::new(), 0, Vec::new());
        for piece in pieces {
            let (index, words) = piece?;
            record.clear();
            write_piece(&Piece { index, bytes: bytemuck::cast_slice(&words), cost: 0 }, false, 0, &mut record);
            file.write_all(&record).map_err(failed)?;
            found.push(Found { index, offset: end, len: record.len() - HEAD, whole: 4 * words.len() });
            end += record.len() as u64;
        }
        found.sort_by_key(|found: &Found| found.index);
        let (path, file) = (path.to_path_buf(), Mutex::new(file));
        Ok(Self { path, file, description, found, damaged: 0, end, writable: false })
    }

    /// Forgets the pieces for which `keep` returns false, given their bytes; they can still be read.
    ///
    /// # Errors
    /// As [`Records::read`], or [`Error::Stopped`].
    pub(crate) fn retain(&mut self, stop: &Stop, mut keep: impl FnMut(Found, &[u8]) -> bool) -> Result<()> {
        let (mut words, mut kept) = (Vec::new(), Vec::new());
        for &found in &self.found {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            if keep(found, self.read(found, &mut words)?.0.bytes) {
                kept.push(found);
            }
        }
        self.found = kept;
        Ok(())
    }

    /// Reads a piece into the buffer `words`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read or has changed.
    pub fn read<'a>(&self, found: Found, words: &'a mut Vec<u64>) -> Result<(Piece<'a>, u64)> {
        // The record, then the piece if it is packed. The length of a head keeps the data after it aligned.
        let len = HEAD + found.len;
        let place = len.next_multiple_of(8);
        words.resize(words.len().max((place + found.whole).div_ceil(8)), 0);
        let (record, plain) = bytemuck::cast_slice_mut(words).split_at_mut(place);
        let record = &mut record[..len];
        let file = lock(&self.file);
        read_at(&file, found.offset, record).map_err(|source| Error::io("read", &self.path, source))?;
        drop(file);
        let (head, data) = record.split_at(HEAD);
        let plain = &mut plain[..found.whole];
        let sound = |head: &Head| {
            let same = head.index == found.index as u64 && head.len == found.len as u64;
            same && crc32fast::hash(data) == head.crc
        };
        let head = head.first_chunk().and_then(Head::read).filter(sound);
        let (head, bytes) = match head {
            Some(head) if head.coding == RAW && data.len() == found.whole => (head, data),
            Some(head) if head.coding == PACKED && packing::unpack(data, plain) => (head, &*plain),
            _ => return Err(Error::io("read", &self.path, changed())),
        };
        Ok((Piece { index: found.index, bytes, cost: head.cost }, head.executed))
    }

    /// The file again, to be appended to after the last of its whole records.
    pub(in crate::sink) fn writable(&self) -> io::Result<File> {
        let own = lock(&self.file);
        // The very same open file, with its lock. Where the system allows it, reads meanwhile do not move its position.
        let mut file = if self.writable && cfg!(unix) {
            own.try_clone()?
        } else {
            let file = File::options().read(true).write(true).open(&self.path)?;
            if !are_same(&own, &file) {
                return Err(io::Error::other("it was replaced since it was read"));
            }
            file
        };
        file.set_len(self.end)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }
}

/// Fills `bytes` from a position in a file, with one system call where there is one for it: records may be short and many.
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset);
    #[cfg(not(unix))]
    {
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was read")
}

/// A file of finished pieces of which only the description has been read.
#[derive(Debug)]
pub struct Unread {
    path: PathBuf,
    file: File,
    description: Description,
    writable: bool,
}

impl Unread {
    /// Reads the description of an open file called `path`.
    pub(in crate::sink) fn of(file: File, path: &Path, writable: bool) -> Result<Self> {
        let read = describe(&file);
        let description = read.map_err(|source| Error::io("read", path, source))?;
        let description = description.map_err(|why| Error::Input(format!("`{}` {why}", path.display())))?;
        Ok(Self { path: path.to_path_buf(), file, description, writable })
    }

    /// The file's description of its pieces.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file through and checks each piece. `len` gives the length of a piece.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Stopped`].
    pub fn read(self, len: impl Fn(usize) -> usize, stop: &Stop) -> Result<Records> {
        self.read_pieces(len, false, stop)
    }

    /// Checks that the file has pieces of `work`, then reads it. If a work's lengths vary, a piece is whole at any possible length.
    ///
    /// # Errors
    /// As [`Description::check_work`] and [`Unread::read`].
    pub fn read_work(self, work: &dyn Work, stop: &Stop) -> Result<Records> {
        self.description.check_work(work, &self.path)?;
        self.read_pieces(|index| work.piece_len(index), work.varies(), stop)
    }

    fn read_pieces(self, len: impl Fn(usize) -> usize, varies: bool, stop: &Stop) -> Result<Records> {
        let Self { path, file, description, writable } = self;
        let scanned =
            scan(&file, &description, len, varies, stop).map_err(|source| Error::io("read", &path, source))?;
        let Some(Scan { mut found, damaged, end }) = scanned else { return Err(Error::Stopped) };
        // If a piece was written twice, either copy will do.
        found.sort_by_key(|found| found.index);
        found.dedup_by_key(|found| found.index);
        Ok(Records { path, file: Mutex::new(file), description, found, damaged, end, writable })
    }
}

/// The first whole description; the inner error follows the file's name.
fn describe(mut file: impl Read + Seek) -> io::Result<std::result::Result<Description, String>> {
    file.seek(SeekFrom::Start(0))?;
    let mut magic = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic != MAGIC {
        return Ok(Err("is not a file of finished pieces: neither a checkpoint nor a shard's part".into()));
    }
    let mut window = Window::new(file, MAGIC.len() as u64)?;
    while let Some((at, head)) = window.next_head()? {
        if !head.is_description() {
            break;
        }
        let mut text = Vec::new();
        if window.check(at, &head, |part| text.extend_from_slice(part))?
            && let Ok(description) = serde_json::from_slice::<Description>(&text)
            && description.is_sound()
        {
            return Ok(Ok(description));
        }
    }
    Ok(Err("is unusable, since its description of the work is damaged".into()))
}

/// The contents of a file.
#[derive(Debug, Default)]
struct Scan {
    found: Vec<Found>,
    /// Gaps between whole records.
    damaged: u64,
    /// Where the last whole record ends.
    end: u64,
}

/// Reads everything; `None` when it was stopped.
fn scan(
    file: impl Read + Seek,
    description: &Description,
    len: impl Fn(usize) -> usize,
    varies: bool,
    stop: &Stop,
) -> io::Result<Option<Scan>> {
    let start = MAGIC.len() as u64;
    let mut window = Window::new(file, start)?;
    let (mut scan, mut packed) = (Scan { end: start, ..Scan::default() }, Vec::new());
    let wanted = |index: usize| {
        let ours = description.shard.is_none_or(|shard| Shard::owner(index, shard.of()) == shard.number());
        index < description.pieces && ours
    };
    while let Some((at, head)) = window.next_head()? {
        if stop.is_set() {
            return Ok(None);
        }
        let index = usize::try_from(head.index).ok().filter(|&index| wanted(index));
        let most = index.map(&len);
        // Where lengths vary, only the head gives one.
        let told = |most: usize| usize::try_from(head.len).ok().filter(|&len| len <= most);
        let whole = if varies { most.and_then(told) } else { most };
        let fits = match (whole, head.coding) {
            (Some(whole), RAW) => head.len == whole as u64,
            (Some(whole), PACKED) => !varies && head.len < whole as u64,
            (Some(_), _) => false,
            (None, _) => head.is_description(),
        };
        let is_packed = head.coding == PACKED;
        packed.clear();
        let take = |part: &[u8]| packed.extend_from_slice(if is_packed { part } else { &[] });
        let sound = fits
            && window.check(at, &head, take)?
            && (!is_packed || whole.is_some_and(|whole| packing::is_packed(&packed, whole)));
        if sound {
            scan.damaged += u64::from(at != scan.end);
            scan.end = window.at;
            let len = head.len as usize;
            scan.found.extend(index.zip(whole).map(|(index, whole)| Found { index, offset: at, len, whole }));
        }
    }
    scan.damaged += u64::from(window.at != scan.end);
    Ok(Some(scan))
}

#[cfg(test)]
mod tests;

//! Answers `hashdetect/hashfind.py`: producers walk folders, consumers check files, and the first hit cancels all.

use super::support::{made_tree, notice};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use fractal::{Error, Result};
use std::fs::read_dir;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

/// What to find; without a folder, the lesson makes one.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to look
    folder: Option<PathBuf>,
    /// The CRC-32 of the file, in hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = |text: &str| u32::from_str_radix(text, 16), requires = "folder")]
    crc32: Option<u32>,
}

/// What all threads share.
struct Search {
    wanted: u32,
    /// Folders to read; `None` is the end.
    folders: (Sender<Option<PathBuf>>, Receiver<Option<PathBuf>>),
    /// Folders that are queued or being read: at 0 no more can come.
    open: AtomicUsize,
    found: AtomicBool,
    looked_at: AtomicUsize,
    hit: Mutex<Option<PathBuf>>,
}

/// A producer: takes folders, and puts what is in them.
fn walk(search: &Search, files: &Sender<PathBuf>) {
    let (again, folders) = &search.folders;
    while !search.found.load(SeqCst)
        && let Ok(Some(folder)) = folders.recv()
    {
        for entry in read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    search.open.fetch_add(1, SeqCst);
                    let _ = again.send(Some(entry.path()));
                }
                // Waits while the queue of files is full: back-pressure. It fails when nobody takes files any more.
                Ok(kind) if kind.is_file() => drop(files.send(entry.path())),
                _ => {}
            }
        }
        if search.open.fetch_sub(1, SeqCst) == 1 || search.found.load(SeqCst) {
            let _ = again.send(None);
        }
    }
    // The others end, too.
    let _ = again.send(None);
}

/// A consumer: takes files until there are no more, or somebody has a hit.
fn check(search: &Search, files: &Receiver<PathBuf>) {
    for file in files {
        if search.found.load(SeqCst) {
            // The others end, too; and so do producers, to whose files nobody listens any more.
            return;
        }
        search.looked_at.fetch_add(1, SeqCst);
        if std::fs::read(&file).is_ok_and(|bytes| crc32fast::hash(&bytes) == search.wanted) {
            search.found.store(true, SeqCst);
            search.hit.lock().expect("no thread panics").get_or_insert(file);
        }
    }
}

fn find(folder: &Path, wanted: u32) -> Search {
    let (folders, (open, found, looked_at, hit)) = (unbounded(), (1.into(), false.into(), 0.into(), None.into()));
    let search = Search { wanted, folders, open, found, looked_at, hit };
    let _ = search.folders.0.send(Some(folder.to_owned()));
    thread::scope(|scope| {
        let ((files, queue), search) = (bounded(16), &search);
        for _ in 0..2 {
            let (files, queue) = (files.clone(), queue.clone());
            scope.spawn(move || walk(search, &files));
            scope.spawn(move || check(search, &queue));
        }
    });
    search
}

/// Runs the lesson.
pub(crate) fn run(quick: bool, options: &Options) -> Result<()> {
    let made = made_tree(if quick { 4 } else { 40 })?;
    let folder = options.folder.as_deref().unwrap_or(&made.0);
    std::fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))?;
    for wanted in options.crc32.map_or(vec![made.1, !made.1], |wanted| vec![wanted]) {
        let search = find(folder, wanted);
        let (hit, count) = (search.hit.into_inner().expect("no thread panics"), search.looked_at.into_inner());
        let hit =
            hit.map_or("nothing".to_owned(), |path| path.strip_prefix(folder).unwrap_or(&path).display().to_string());
        println!("CRC-32 {wanted:08x}: {hit}; {count} files were read");
    }
    notice(
        "two queues join four threads. The queue of files is short, so who finds faster than others read has to \
        wait. The end has two reasons: a hit, or no folder is left. The original has only the first, and waits for ever.",
    );
    Ok(())
}

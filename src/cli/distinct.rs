//! Checks that no output overwrites an input or another output of the same command. Files are compared by identity, not by name:
//! `a.png` and `./a.png` are one file, and so are a link and its target.

use fractal::internal::{Identity, is_stdout};
use fractal::{Error, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The files of a command: first what it reads, then what it writes.
pub(super) struct Files {
    read: HashMap<Identity, PathBuf>,
    written: HashMap<Identity, PathBuf>,
    /// Standard output and standard error, which may be files too.
    printed: Vec<(Identity, &'static str)>,
}

impl Files {
    pub(super) fn new() -> Self {
        let stdout = Identity::of_stream(io::stdout()).map(|file| (file, "standard output"));
        let stderr = Identity::of_stream(io::stderr()).map(|file| (file, "standard error"));
        let printed = stdout.into_iter().chain(stderr).collect();
        Self { read: HashMap::new(), written: HashMap::new(), printed }
    }

    /// A scene, or another file that is read; `-` is standard input. Anything that is no file, such as a place's name, is ignored.
    pub(super) fn reads(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let file = match path {
            _ if path == Path::new("-") => Identity::of_stream(io::stdin()),
            _ => Identity::of(path).filter(|_| path.exists()),
        };
        self.read.extend(file.map(|file| (file, path.to_path_buf())));
    }

    /// An output.
    pub(super) fn writes(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.takes(path.as_ref(), false)
    }

    /// A picture, which may replace the picture that was its scene: it carries that scene too.
    pub(super) fn draws(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.takes(path.as_ref(), true)
    }

    fn takes(&mut self, path: &Path, is_picture: bool) -> Result<()> {
        let Some(file) = Identity::of(path) else { return Ok(()) };
        let name = path.display();
        if let Some(read) = self.read.get(&file).filter(|read| !(is_picture && carries_a_scene(read))) {
            let read = if *read == Path::new("-") { "standard input".into() } else { format!("`{}`", read.display()) };
            return Err(Error::Usage(format!(
                "`{name}` would overwrite {read}, which is an input; give it another name"
            )));
        }
        if let Some((_, stream)) = self.printed.iter().find(|(printed, _)| *printed == file && !is_stdout(path)) {
            return Err(Error::Usage(format!("two outputs would go to `{name}`: {stream} goes there already")));
        }
        match self.written.insert(file, path.to_path_buf()) {
            None => Ok(()),
            Some(other) => {
                let also = if other == path { String::new() } else { format!(", which is also `{}`", other.display()) };
                Err(Error::Usage(format!(
                    "two outputs would go to `{name}`{also}; give each its own name, with {{name}} or {{index}} for several scenes"
                )))
            }
        }
    }
}

/// Whether a file is a picture, by its first bytes. Since it was read as a scene, it carries one.
fn carries_a_scene(path: &Path) -> bool {
    const MAGIC: [&[u8]; 2] = [b"\x89PNG", b"\x76\x2f\x31\x01"];
    let mut head = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && MAGIC.contains(&&head[..])
}

//! How the workers of a backend communicate with their session, from their side.

use super::{Run, message};
use crate::backend::worker::message::RunBegins;
use crate::error::{Error, Result};
use crate::parallel::Shared;
use std::fs::File;
use std::io::{self, Read, Write};

/// A worker's incoming messages, and the stream for its own.
pub(in crate::backend) type Streams = (Box<dyn Inbox>, Box<dyn Write + Send>);

/// Opens shared memory, given the worker's number, the message and the files that came with it.
pub(in crate::backend) type OpenShare = fn(usize, message::Memory, Vec<File>) -> Result<Box<dyn Share>>;

/// How the workers of a backend communicate with their session, from their side.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Transport {
    pub(in crate::backend) open: fn() -> Result<Streams>,
    /// Opens memory for claims and results.
    pub(in crate::backend) share: OpenShare,
    /// Maps a work, or a prepared part of one, that came as a file.
    pub(in crate::backend) map: fn(&File) -> Result<Shared>,
}

impl Transport {
    /// Only pipes, for messages.
    pub(in crate::backend) const PIPES: Self = Self {
        open: || {
            let (input, output) = take_stdio().map_err(|error| Error::io("take", "the pipes to the session", error))?;
            Ok((Box::new(Pipe(input)), Box::new(output)))
        },
        share: |_, _, _| Err(Error::Input("a worker of `pipes` got shared memory, which only `processes` has".into())),
        map: |_| Err(Error::Input("a worker of `pipes` got a file, which only `processes` sends".into())),
    };
}

/// Memory in which a worker takes claims and leaves results on its own.
pub(in crate::backend) trait Share {
    /// Computes free units until none is left or the run is over.
    ///
    /// # Errors
    /// When the memory does not match the message, and the error that ended the run.
    fn run(&mut self, run: &Run, begins: RunBegins) -> Result<()>;
}

/// A worker's source of messages. Files may come with them.
pub(in crate::backend) trait Inbox: Read + Send {
    /// The files that came with what was read since the last call.
    fn files(&mut self) -> Vec<File> {
        Vec::new()
    }

    /// Whether there is more to read at once; false where the system does not say.
    fn has_more(&self) -> bool {
        false
    }
}

/// Standard input as a worker's messages.
struct Pipe(File);

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Inbox for Pipe {
    #[cfg(unix)]
    fn has_more(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&NOW)).is_ok_and(|ready| ready > 0)
    }
}

/// This process's standard input and output, which are redirected to nowhere and to standard error: a piece that reads or prints
/// must not touch the messages.
#[cfg(unix)]
pub(crate) fn take_stdio() -> io::Result<(File, File)> {
    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};
    let input = fcntl_dupfd_cloexec(stdin(), 3)?;
    let output = fcntl_dupfd_cloexec(stdout(), 3)?;
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(stderr())?;
    Ok((input.into(), output.into()))
}

/// Standard input and output; on systems other than Unix a piece must not print.
#[cfg(windows)]
pub(crate) fn take_stdio() -> io::Result<(File, File)> {
    use std::os::windows::io::AsHandle;
    let input = io::stdin().as_handle().try_clone_to_owned()?;
    let output = io::stdout().as_handle().try_clone_to_owned()?;
    Ok((input.into(), output.into()))
}

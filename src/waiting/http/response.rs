//! Reading a response, in whatever pieces it comes from whoever sends it.
//!
//! Everything is bounded: the head and the trailers by one limit, the line before a chunk by another, what is kept of the body by a
//! third. Each byte is looked at once, so that a server that sends its head byte by byte costs no more than another. `httparse` reads
//! complete heads. The framing is that of RFC 9112, section 6; what a client may not ignore there is an error here.

use super::super::Response;
use std::fmt;
use std::mem;

/// How many headers a response may have.
const HEADERS: usize = 128;

/// The most bytes of the line before a chunk: its length, and extensions that nobody uses.
const CHUNK_LINE: usize = 256;

/// What is wrong with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is not HTTP/1.
    NotHttp,
    /// Its head, or its trailers, did not end within so many bytes.
    Head(usize),
    /// Its head cannot be read; what is wrong with it.
    Header(String),
    /// It says that it has a length that is no number, or several.
    Length,
    /// Its body is not in chunks as it says.
    Chunk,
    /// The connection ended before the head did.
    NoHead,
    /// The connection ended after so many bytes of the body, of those that were announced, if a number was.
    Cut(u64, Option<u64>),
}

/// What follows a server's name in a sentence.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp => f.write_str("answered with something else than HTTP/1"),
            Self::Head(most) => write!(f, "sent headers without an end: more than {most} bytes"),
            Self::Header(what) => write!(f, "sent headers that cannot be read: {what}"),
            Self::Length => f.write_str("sent a Content-Length that is not one number"),
            Self::Chunk => f.write_str("sent a body that is not in chunks as its headers say"),
            Self::NoHead => f.write_str("closed the connection before it had answered"),
            Self::Cut(got, Some(all)) => write!(f, "closed the connection after {got} of {all} bytes"),
            Self::Cut(got, None) => write!(f, "closed the connection in the middle of the body, after {got} bytes"),
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    /// So many bytes of the body.
    Body(u64),
    /// The body, until the connection ends.
    Rest,
    /// A line with the length of a chunk.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of the line after a chunk.
    ChunkEnd,
    Trailers,
    Complete,
}

/// Reads one response.
#[derive(Debug)]
pub struct Reader {
    part: Part,
    /// The head, the line before a chunk or a trailer, until it is complete.
    line: Vec<u8>,
    /// Bytes of heads and trailers so far.
    heads: usize,
    /// Bytes of the body so far, and those announced.
    body: u64,
    announced: Option<u64>,
    response: Response,
    most_head: usize,
    most_body: usize,
    is_headless: bool,
}

impl Reader {
    /// Reads the response to a request: at most `head` bytes of headers and `body` bytes of a body. The response to a `HEAD` request
    /// has no body, whatever it says.
    pub fn new(head: usize, body: usize, is_head_request: bool) -> Self {
        Self {
            part: Part::Head,
            line: Vec::new(),
            heads: 0,
            body: 0,
            announced: None,
            response: Response::default(),
            most_head: head,
            most_body: body,
            is_headless: is_head_request,
        }
    }

    /// Whether the response is complete, or as much of it as is wanted.
    pub fn is_complete(&self) -> bool {
        self.part == Part::Complete
    }

    /// The response so far, once its head is complete.
    pub fn response(&self) -> Option<&Response> {
        (self.part != Part::Head).then_some(&self.response)
    }

    /// The response.
    pub fn into_response(self) -> Response {
        self.response
    }

    /// Takes bytes that have arrived. Those after the response are ignored.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() && !self.is_complete() {
            match self.part {
                Part::Head => self.head(&mut bytes)?,
                Part::Body(left) => {
                    let taken = self.keep(&mut bytes, left);
                    self.unless_complete(if left == taken { Part::Complete } else { Part::Body(left - taken) });
                    self.response.is_whole = left == taken;
                }
                Part::Rest => _ = self.keep(&mut bytes, u64::MAX),
                Part::Chunk(left) => {
                    let taken = self.keep(&mut bytes, left);
                    self.unless_complete(if left == taken { Part::ChunkEnd } else { Part::Chunk(left - taken) });
                }
                Part::Size => self.size(&mut bytes)?,
                Part::ChunkEnd => {
                    if self.take_line(&mut bytes, 2).map_err(|()| Fault::Chunk)? {
                        let is_end = matches!(&*mem::take(&mut self.line), b"\r\n" | b"\n");
                        self.part = is_end.then_some(Part::Size).ok_or(Fault::Chunk)?;
                    }
                }
                Part::Trailers => {
                    let room = self.most_head - self.heads;
                    if self.take_line(&mut bytes, room).map_err(|()| Fault::Head(self.most_head))? {
                        self.heads += self.line.len();
                        let is_last = matches!(&*mem::take(&mut self.line), b"\r\n" | b"\n");
                        self.response.is_whole = is_last;
                        self.part = if is_last { Part::Complete } else { Part::Trailers };
                    }
                }
                Part::Complete => unreachable!("the loop ends with it"),
            }
        }
        Ok(())
    }

    /// Takes the end of the connection.
    ///
    /// # Errors
    /// [`Fault::NoHead`] or [`Fault::Cut`] if the response is not complete.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.part {
            Part::Complete => {}
            Part::Rest => {
                self.response.is_whole = true;
                self.part = Part::Complete;
            }
            Part::Head => return Err(Fault::NoHead),
            _ => return Err(Fault::Cut(self.body, self.announced)),
        }
        Ok(())
    }

    /// Goes on with a part, unless as much as is wanted was read.
    fn unless_complete(&mut self, part: Part) {
        if self.part != Part::Complete {
            self.part = part;
        }
    }

    /// Takes up to `left` bytes of the body, and says how many. If there are more than are kept, the response is complete.
    fn keep(&mut self, bytes: &mut &[u8], left: u64) -> u64 {
        let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let room = self.most_body - self.response.body.len();
        self.response.body.extend_from_slice(&bytes[..count.min(room)]);
        if count > room {
            self.part = Part::Complete;
        }
        *bytes = &bytes[count..];
        self.body += count as u64;
        count as u64
    }

    /// Takes bytes up to the end of a line, and says whether it is there; fails if the line is longer than `most`.
    fn take_line(&mut self, bytes: &mut &[u8], most: usize) -> Result<bool, ()> {
        let end = bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let count = end.unwrap_or(bytes.len());
        if self.line.len() + count > most {
            return Err(());
        }
        self.line.extend_from_slice(&bytes[..count]);
        *bytes = &bytes[count..];
        Ok(end.is_some())
    }

    fn size(&mut self, bytes: &mut &[u8]) -> Result<(), Fault> {
        if !self.take_line(bytes, CHUNK_LINE).map_err(|()| Fault::Chunk)? {
            return Ok(());
        }
        let line = mem::take(&mut self.line);
        let digits = line.split(|byte| b";\r\n \t".contains(byte)).next().unwrap_or_default();
        // Nothing but digits: a number may begin with a sign otherwise.
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(digits).ok().filter(|_| is_number);
        let size = text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(Fault::Chunk)?;
        self.part = if size == 0 { Part::Trailers } else { Part::Chunk(size) };
        Ok(())
    }

    /// Takes bytes of the head, line by line, until the empty one.
    fn head(&mut self, bytes: &mut &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let count = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
            if self.heads + count > self.most_head {
                return Err(Fault::Head(self.most_head));
            }
            let start = self.line.len();
            self.line.extend_from_slice(&bytes[..count]);
            self.heads += count;
            *bytes = &bytes[count..];
            let known = b"HTTP/1.";
            let both = known.len().min(self.line.len());
            if self.line[..both] != known[..both] {
                return Err(Fault::NotHttp);
            }
            let is_last = self.line.ends_with(b"\n\r\n") || self.line.ends_with(b"\n\n");
            if is_last && start > 0 {
                return self.read_head();
            }
        }
        Ok(())
    }

    /// Reads a complete head, and decides what follows it.
    fn read_head(&mut self) -> Result<(), Fault> {
        let line = mem::take(&mut self.line);
        let mut headers = vec![httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(&line) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Fault::Header("they end too early".into())),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Fault::Header(format!("there are more than {HEADERS}")));
            }
            Err(error) => return Err(Fault::Header(error.to_string())),
        }
        let status = parsed.code.unwrap_or(0);
        // 100 to 199 say that the answer is still to come. Nobody asked to switch to another protocol.
        if status == 101 {
            return Err(Fault::NotHttp);
        }
        if (100..200).contains(&status) {
            return Ok(());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = parsed.headers.iter().map(|one| (one.name.to_ascii_lowercase(), text(one.value)));
        self.response = Response { status, headers: headers.collect(), body: Vec::new(), is_whole: false };
        self.part = self.framing()?;
        self.response.is_whole = self.part == Part::Complete;
        Ok(())
    }

    /// How the body after a head ends.
    fn framing(&mut self) -> Result<Part, Fault> {
        if self.is_headless || matches!(self.response.status, 204 | 304) {
            return Ok(Part::Complete);
        }
        let all = |name: &'static str| {
            let headers = self.response.headers.iter().filter(move |(known, _)| known == name);
            headers.flat_map(|(_, value)| value.split(',')).map(str::trim)
        };
        if let Some(last) = all("transfer-encoding").last() {
            return Ok(if last.eq_ignore_ascii_case("chunked") { Part::Size } else { Part::Rest });
        }
        let mut lengths = all("content-length");
        let Some(length) = lengths.next() else { return Ok(Part::Rest) };
        let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || lengths.any(|other| other != length) {
            return Err(Fault::Length);
        }
        let length = length.parse().map_err(|_| Fault::Length)?;
        self.announced = Some(length);
        Ok(if length == 0 { Part::Complete } else { Part::Body(length) })
    }
}

#[cfg(test)]
#[path = "response/tests.rs"]
mod tests;

//! As much of HTTP/1.1 as calls of procedures need: a request and its answer, each with a body of known length.

use fractal::Result;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// The most bytes of a line, and of a body.
const MOST: [u64; 2] = [4096, 1 << 20];

/// How long the other side may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the first line and the body of a message.
fn read(stream: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (mut reader, mut first, mut len) = (BufReader::new(stream), None, 0);
    loop {
        let mut line = String::new();
        reader.by_ref().take(MOST[0]).read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the message ends too early"));
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse().ok().filter(|len| *len <= MOST[1]).ok_or(io::ErrorKind::InvalidData)?;
        }
        first.get_or_insert_with(|| line.to_owned());
    }
    let mut body = vec![0; len as usize];
    reader.read_exact(&mut body)?;
    Ok((first.unwrap_or_default(), body))
}

/// Makes a request, and waits for its answer; returns the body. Anything but success is an error.
pub(crate) fn post(address: SocketAddr, path: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let (first, answer) = read(&stream)?;
    match first.split(' ').nth(1) {
        Some("200") => Ok(answer),
        _ => Err(io::Error::other(format!("{first}: {}", String::from_utf8_lossy(&answer).trim()))),
    }
}

/// Answers requests, each in a thread of its own and by one call: the path and the body go in, the body of the answer comes out, or
/// what is wrong with the request.
pub(crate) fn serve(listener: &TcpListener, answer: fn(&str, &[u8]) -> Result<Vec<u8>>) -> io::Result<()> {
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || -> io::Result<()> {
            stream.set_read_timeout(Some(PATIENCE))?;
            let (first, body) = read(&stream)?;
            let answer = answer(first.split(' ').nth(1).unwrap_or_default(), &body);
            let (status, body) = answer
                .map_or_else(|error| ("400 Bad Request", format!("{error}\n").into_bytes()), |body| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat())
        });
    }
    Ok(())
}

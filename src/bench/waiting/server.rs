//! The server that is asked: it answers every request after a delay, or all of them once so many are waiting.

use crate::error::{Error, Result};
use crate::waiting::most_connections;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::Barrier;
use tokio::time::sleep;

/// What a server does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Serve {
    /// How many addresses it listens at: a client has 28,000 connections to each at most.
    pub(super) addresses: u8,
    /// When it answers.
    pub(super) delay: Duration,
    /// How many requests for [`HOLD`] are waiting when all of them are answered.
    pub(super) hold: usize,
}

/// The path that is answered once enough ask for it.
pub(super) const HOLD: &str = "/hold";

/// The most bytes of a request.
const REQUEST: usize = 8 << 10;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// Serves until the process is ended, after it has written its addresses as a line of JSON.
pub(super) fn serve(serve: &Serve) -> Result<()> {
    let failed = |error| Error::io("serve", "127.0.0.1", error);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(all(serve)).map_err(failed)
}

async fn all(serve: &Serve) -> io::Result<()> {
    most_connections();
    let barrier = Arc::new(Barrier::new(serve.hold.max(1)));
    let (mut addresses, mut listeners) = (Vec::<SocketAddr>::new(), Vec::new());
    for number in 1..=serve.addresses {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, number), 0))?;
        listener.set_nonblocking(true)?;
        // As many as the system lets wait to be accepted: the clients come all at once.
        rustix::net::listen(&listener, 1 << 16)?;
        addresses.push(listener.local_addr()?);
        listeners.push(TcpListener::from_std(listener)?);
    }
    let line = serde_json::to_string(&addresses).map_err(io::Error::other)?;
    writeln!(io::stdout(), "{line}")?;
    for listener in listeners {
        let (barrier, delay) = (barrier.clone(), serve.delay);
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    // A client that has gone is no concern of the others.
                    Ok((stream, _)) => drop(tokio::spawn(answer(stream, delay, barrier.clone()))),
                    // At the limit of descriptors.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        });
    }
    std::future::pending().await
}

async fn answer(stream: TcpStream, delay: Duration, barrier: Arc<Barrier>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.readable().await?;
        let mut bytes = [0; 512];
        match stream.try_read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) if request.len() + count <= REQUEST => request.extend_from_slice(&bytes[..count]),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    if request.starts_with(format!("GET {HOLD} ").as_bytes()) {
        barrier.wait().await;
    } else {
        sleep(delay).await;
    }
    stream.writable().await?;
    stream.try_write(ANSWER).map(drop)
}

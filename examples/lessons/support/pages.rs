//! Pages for `reactor`: a server, and who gets them, both as protocols of one reactor.

use super::super::reactor::{Deferred, Outcome, Protocol, Reactor};
use super::transport::Transport;
use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;

/// Serves a page at `/`, hangs up at `/hang-up`, and has nothing elsewhere.
#[derive(Default)]
struct Pages(Vec<u8>);

impl Protocol for Pages {
    fn connected(&mut self, _: &Rc<Transport>) {}

    fn received(&mut self, transport: &Rc<Transport>, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if !self.0.ends_with(b"\r\n\r\n") {
            return;
        }
        let (status, body) = match self.0.split(|&byte| byte == b' ').nth(1) {
            Some(b"/") => ("200 OK", "<title>Fractals</title>"),
            Some(b"/hang-up") => {
                transport.close();
                return;
            }
            _ => ("404 Not Found", ""),
        };
        transport.write(format!("HTTP/1.0 {status}\r\nConnection: close\r\n\r\n{body}").as_bytes());
        transport.close();
    }

    fn lost(&mut self) {}
}

/// Asks for a page, and fires when the connection has ended.
struct Get(&'static str, Vec<u8>, Deferred);

impl Protocol for Get {
    fn connected(&mut self, transport: &Rc<Transport>) {
        transport.write(format!("GET {} HTTP/1.0\r\n\r\n", self.0).as_bytes());
    }

    fn received(&mut self, _: &Rc<Transport>, bytes: &[u8]) {
        self.1.extend_from_slice(bytes);
    }

    fn lost(&mut self) {
        self.2.fire(body(&self.1));
    }
}

/// The body of an answer, or what is wrong with it.
fn body(answer: &[u8]) -> Outcome {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the server hung up")?;
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.to_owned()),
        status => Err(format!("status {}", status.unwrap_or("?"))),
    }
}

/// Twisted's `getPage`.
fn get_page(reactor: &Reactor, address: SocketAddr, page: &'static str) -> io::Result<Deferred> {
    let page_comes = Deferred::default();
    reactor.add(TcpStream::connect(address)?, Get(page, Vec::new(), page_comes.clone()))?;
    Ok(page_comes)
}

/// Gets three pages, of which one is there.
pub(crate) fn show() -> io::Result<()> {
    let (reactor, listener, ended) = (Reactor::new()?, TcpListener::bind("127.0.0.1:0")?, Rc::new(Cell::new(0)));
    for page in ["/", "/nowhere", "/hang-up"] {
        let ended = ended.clone();
        get_page(&reactor, listener.local_addr()?, page)?
            .add_both(|page| page.map(|page| format!("{} bytes: {page}", page.len())))
            .add_both(move |said| {
                println!("{page:10}{}", said.as_ref().map_or_else(|error| format!("no page: {error}"), String::clone));
                said
            })
            .add_both(move |said| {
                ended.set(ended.get() + 1);
                said
            });
        println!("{page:10}is asked for");
    }
    reactor.run((listener, Pages::default), || ended.get() == 3)
}

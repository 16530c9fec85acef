//! HTTP/1.1 as a client speaks it, without input or output: bytes go in, and bytes and an answer come out.
//!
//! What is kept by others does the parts that one can ask for alone: `httparse` reads heads, `rustls` encrypts, `url` knows URLs. Kept
//! clients were tried as whole conversations, hyper 1.12 as `tokio`'s and ureq 3.5 as that of the threads, and lost by their memory.
//! Both were tried in a program of their own, as its release build, against a server on loopback that answers once all ask, and against
//! the hostile servers of `tests/waiting.rs` and seven more (slow bodies, interim answers, trailers and chunk extensions without an
//! end). Memory is by how much resident memory had grown while all waited:
//!
//! | | 10,000 at once, each | with the smallest buffers | ours |
//! |---|---|---|---|
//! | hyper, a task each | 16.3 KB | 12.6 KB, for heads of at most 512 bytes | 1.7 KB |
//! | ureq, a thread each | 299 KB | 39 KB, with 1 KiB to read and 1 KiB to write | 11 KB |
//!
//! hyper allocates 8 KiB to write and 8 KiB to read with each connection, before there is anything to read, and only the second can be
//! set, which then bounds the head as well. ureq fills its buffers with zeros before it sends, has 10 KiB to read at least, and has each
//! name resolved by a thread of its own, whose number nothing bounds.
//!
//! All else they pass: each hostile server costs one error and bounded memory (4 MB) and time, timeouts hold for slow bytes (hyper's from
//! outside, ureq's `timeout_global`), bodies end where they shall, and a caller that follows redirects itself can record each. But what
//! they would replace remains, since callbacks and fibers need a conversation without input or output, and the program would have three,
//! each with errors and limits of its own.

mod fetch;
mod response;
mod tls;

pub(crate) use fetch::{Fetch, address_of};
pub use response::{Fault, Reader};

//! HTTP/1.1 as a client speaks it, without input or output: bytes go in, and bytes and an answer come out.

mod fetch;
mod response;
mod tls;

pub(crate) use fetch::{Fetch, address_of};
pub use response::{Fault, Reader};

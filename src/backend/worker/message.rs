//! The messages in the frames, and errors on their way from a worker to its session.

use super::frame::Numbers;
use crate::error::Error;
use serde::{Deserialize, Serialize};

/// What both ends must agree on besides the frames: raised whenever a message or the layout of shared memory changes.
pub(crate) const PROTOCOL: u64 = 4;

/// To a worker, first: its number, the number of workers, and the processor it is pinned to plus one, or 0.
pub(crate) const SLOT: u32 = 1;
/// To a worker: the work of the following runs. Numbers: the lengths of its kind's name, of its recipe, and of the list of prepared
/// parts. These follow one after the other, in the tail or in a file that comes with the frame.
pub(crate) const WORK: u32 = 2;
/// To a worker: the shared memory, and the event that wakes the session. Numbers: its layout.
pub(crate) const SEGMENT: u32 = 3;
/// To a worker: a run begins. Numbers: its number, its pieces, and the origin of its clock plus one, or 0 if no times are measured.
/// Then, for pieces in shared memory, how they are cut into units.
pub(crate) const RUN: u32 = 4;
/// To a worker: pieces to compute in the run, as pairs of numbers in the tail. Each pair is answered.
pub(crate) const COMPUTE: u32 = 5;
/// To a worker: the run with this number is over.
pub(crate) const STOP: u32 = 6;
/// To a worker, after its work: a prepared part that the worker lacks. Numbers: its hash and its length. Its bytes are the tail or
/// a file that comes with the frame.
pub(crate) const PART: u32 = 7;

/// From a worker, first. Number: the protocol. Tail: its version.
pub(crate) const HELLO: u32 = 16;
/// From a worker: it has finished its part of the run with this number.
pub(crate) const IDLE: u32 = 17;
/// From a worker: the run with this number failed; the second number is 1 if this answers a claim. In place of the first message:
/// it cannot start. Tail: the error.
pub(crate) const FAILED: u32 = 18;
/// From a worker: it is making progress, though there is no result yet. Number: how far it is, in any unit; the same number as
/// before counts as silence.
pub(crate) const BEAT: u32 = 19;

/// From a worker: a finished claim. Numbers: the run, its first piece, its pieces and counts as halves, executed operations, begin
/// and end. Tail: costs, counts, results.
pub(crate) const DONE: u32 = 20;

/// An error in a frame.
#[derive(Serialize, Deserialize)]
struct Failure {
    kind: String,
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    piece: String,
    #[serde(default)]
    worker: usize,
}

/// The tail that carries `error`.
pub(crate) fn pack(error: &Error) -> Vec<u8> {
    let mut failure = Failure { kind: String::new(), text: error.to_string(), piece: String::new(), worker: 0 };
    failure.kind = match error {
        Error::Usage(_) => "usage",
        Error::Input(_) => "input",
        Error::Stopped => "stopped",
        Error::Panicked { piece, worker, message } => {
            (failure.piece, failure.worker, failure.text) = (piece.clone(), *worker, message.clone());
            "panicked"
        }
        _ => "unsupported",
    }
    .to_owned();
    serde_json::to_vec(&failure).expect("text and numbers are always JSON")
}

/// The error that a tail carries.
pub(crate) fn unpack(tail: &[u8]) -> Option<Error> {
    let Failure { kind, text, piece, worker } = serde_json::from_slice(tail).ok()?;
    Some(match kind.as_str() {
        "usage" => Error::Usage(text),
        "input" => Error::Input(text),
        "stopped" => Error::Stopped,
        "panicked" => Error::Panicked { piece, worker, message: text },
        _ => Error::Unsupported(text),
    })
}

/// A message's numbers when it has fewer than six; the others are 0.
pub(crate) fn numbers<const N: usize>(given: [u64; N]) -> Numbers {
    let mut numbers = [0; 6];
    numbers[..N].copy_from_slice(&given);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_arrive_as_they_were_sent() {
        let panicked = Error::Panicked { piece: "tile 3".into(), worker: 4, message: "no such \"number\"".into() };
        let missing = Error::io("read", "a file", std::io::ErrorKind::NotFound.into());
        for error in [Error::Usage("a".into()), Error::Input("b".into()), Error::Stopped, panicked, missing] {
            let arrived = unpack(&pack(&error)).unwrap();
            assert_eq!((arrived.to_string(), arrived.exit_code()), (error.to_string(), error.exit_code()));
        }
        assert!(unpack(b"{}").is_none());
    }
}

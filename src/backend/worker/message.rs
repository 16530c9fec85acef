//! The messages in the frames, and errors on their way from a worker to its session.

use super::frame::Numbers;
use crate::error::Error;
use serde::{Deserialize, Serialize};

/// What both ends must agree on besides the frames: raised whenever a message or the layout of shared memory changes.
pub(crate) const PROTOCOL: u64 = 6;

/// A message: its kind, and its numbers by name.
pub(crate) trait Message: Sized {
    const KIND: u32;

    fn numbers(self) -> Numbers;

    fn of(numbers: Numbers) -> Self;
}

/// Defines messages. The numbers of a frame are those of its message in order; the others are 0.
macro_rules! messages {
    ($($(#[$doc:meta])* $kind:literal $name:ident { $($field:ident),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name {
            $(pub(crate) $field: u64,)*
        }

        impl Message for $name {
            const KIND: u32 = $kind;

            fn numbers(self) -> Numbers {
                let mut numbers = [0; 6];
                let given = [$(self.$field),*];
                numbers[..given.len()].copy_from_slice(&given);
                numbers
            }

            fn of(numbers: Numbers) -> Self {
                let mut numbers = numbers.into_iter();
                Self { $($field: numbers.next().unwrap_or(0)),* }
            }
        }
    )*};
}

messages! {
    /// To a worker, first: its number, the number of workers, and the processor it is pinned to plus one, or 0.
    1 Slot { index, workers, processor }
    /// To a worker: the work of the following runs. The lengths of its kind's name, of its recipe, and of the list of prepared parts,
    /// which follow one after the other, in the tail or in a file that comes with the frame.
    2 Work { kind, recipe, parts }
    /// To a worker: the shared memory, and the event that wakes the session. The memory's layout.
    3 Memory { slots, units, ring }
    /// To a worker: a run begins. The origin of its clock plus one, or 0 if no times are measured; and, for pieces in shared memory, how
    /// they are cut into units.
    4 RunBegins { run, pieces, origin, cut, size }
    /// To a worker: pieces to compute in the run, as pairs of numbers in the tail. Each pair is answered.
    5 Compute { run }
    /// To a worker: the run is over.
    6 RunEnds { run }
    /// To a worker, after its work: a prepared part that the worker lacks. Its bytes are the tail or a file that comes with the frame.
    7 Part { hash, len }
    /// From a worker, first. Tail: its version.
    16 Hello { protocol }
    /// From a worker with shared memory: it has finished its part of the run. The processor time that its process has used since it last
    /// said so, in nanoseconds.
    17 Idle { run, processor }
    /// From a worker: the run failed; `claim` is 1 if this answers a claim. In place of the first message: it cannot start. Tail: the
    /// error.
    18 Failed { run, claim }
    /// From a worker: it is making progress, though there is no result yet: how far it is, in any unit. The same number as before is
    /// no progress.
    19 Beat { progress }
    /// From a worker: a finished claim: its first piece, the numbers of its pieces and counts as halves, its executed operations, and
    /// when it began and ended, in nanoseconds. Tail: costs, counts, results.
    20 Done { run, first, sizes, executed, began, ended }
}

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

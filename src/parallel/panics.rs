//! Catching a panic silently: its message becomes part of an error, which is shown once.
//!
//! The standard hook prints every panic where it happens, even one that is caught and reported as an error right after. So the first
//! catch wraps the process's hook in one that is silent inside a catch and passes all other panics on. With `RUST_BACKTRACE` set, it
//! prints them all: a user who asks for backtraces gets them.

use super::Work;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes the process's panic hook silent inside [`catch`].
pub(crate) fn prepare() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let backtraces = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            let catching = CATCHING.get();
            if catching {
                PLACE.set(info.location().map(ToString::to_string));
            }
            if !catching || backtraces {
                previous(info);
            }
        }));
    });
}

/// Calls `body`; a panic becomes its message and its location.
#[inline]
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CATCHING.replace(true);
    // Callers give up what they were doing and read nothing that the body left half-done.
    let outcome = catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(outer);
    outcome.map_err(|payload| {
        let text = message(payload.as_ref());
        PLACE.take().map_or_else(|| text.to_owned(), |place| format!("{text} ({place})"))
    })
}

/// A piece in words, even if its work panics when asked.
pub(super) fn name(work: &dyn Work, index: usize) -> String {
    catch(|| work.describe(index)).unwrap_or_else(|_| format!("piece {index}"))
}

/// Calls `body`; a panic becomes an error that says what panicked.
pub(crate) fn guarded<T>(body: impl FnOnce() -> T, what: &str) -> crate::error::Result<T> {
    prepare();
    catch(body).map_err(|message| crate::error::Error::Input(format!("{what} panicked: {message}")))
}

/// Calls `body`; a panic continues silently, with its location added to its message.
pub(crate) fn with_place<T>(body: impl FnOnce() -> T) -> T {
    let outer = CATCHING.replace(true);
    // Nothing is read that the body left half-done: the panic continues.
    let outcome = catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(outer);
    outcome.unwrap_or_else(|payload| match PLACE.take() {
        Some(place) => resume_unwind(Box::new(format!("{} ({place})", message(payload.as_ref())))),
        None => resume_unwind(payload),
    })
}

/// The message of a panic.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_their_place() {
        prepare();
        let line = line!() + 1;
        let told = catch(|| panic!("number {}", 7)).map(|(): ()| ()).unwrap_err();
        assert_eq!(told, format!("number 7 ({}:{line}:{})", file!(), told_column(&told)));
        assert_eq!(catch(|| 3), Ok(3));
        // A panic with another payload has no message, and nothing is left over from the one before.
        let told = catch(|| std::panic::resume_unwind(Box::new(5))).map(|(): ()| ()).unwrap_err();
        assert_eq!(told, "no message");
    }

    fn told_column(told: &str) -> &str {
        told.trim_end_matches(')').rsplit(':').next().unwrap()
    }
}

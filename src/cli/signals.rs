//! Ctrl-C and its like: the first asks the run to stop, the second ends the program at once.

use fractal::parallel::Stop;
use fractal::{Error, Result};

/// A request to stop that the first SIGINT, SIGTERM or SIGHUP sets.
pub(super) fn stop() -> Result<Stop> {
    let stop = Stop::new();
    let request = stop.clone();
    let handler = move || {
        if request.is_set() {
            std::process::exit(Error::Stopped.exit_code().into());
        }
        request.set();
    };
    ctrlc::set_handler(handler).map_err(|error| Error::Unsupported(format!("signals cannot be received: {error}")))?;
    Ok(stop)
}

//! What the environment says about parallel runs: how many workers there are and whether they are bound to processors.
//!
//! Our own variables take precedence over OpenMP's, so that this program can be set apart from others in a shell. A bad value is an error
//! that names its variable: a run that silently ignored it would be measured as something it was not.

use crate::error::{Error, Result};
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

/// The most workers that a session may have.
pub const MAX_WORKERS: usize = 4096;

/// Looks up a variable; `None` when it is unset or empty. Tests use their own.
pub(crate) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The environment of this process.
pub(crate) fn process(name: &str) -> Option<String> {
    // A value that is not Unicode is not one of ours either, and is reported as a bad one.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// The number of workers: `explicit`, else `FRACTAL_WORKERS`, else the first of `OMP_NUM_THREADS`, else the number of processors
/// available to the process. From 1 to [`MAX_WORKERS`].
///
/// # Errors
/// [`Error::Usage`] that names the argument or the variable when its value is not such a number.
pub fn worker_count(explicit: Option<usize>) -> Result<usize> {
    worker_count_in(explicit, &process)
}

pub(crate) fn worker_count_in(explicit: Option<usize>, environment: &Environment<'_>) -> Result<usize> {
    let checked = |name: &str, text: &str| match text.trim().parse() {
        Ok(workers @ 1..=MAX_WORKERS) => Ok(workers),
        _ => Err(Error::Usage(format!("{name} is `{text}`; allowed is a number from 1 to {MAX_WORKERS}"))),
    };
    if let Some(workers) = explicit {
        return checked("the number of workers", &workers.to_string());
    }
    if let Some(text) = environment("FRACTAL_WORKERS") {
        return checked("FRACTAL_WORKERS", &text);
    }
    if let Some(text) = environment("OMP_NUM_THREADS") {
        // OpenMP allows a list, one number for each level of nesting.
        return checked("OMP_NUM_THREADS", text.split(',').next().unwrap_or(&text));
    }
    Ok(available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS))
}

/// How long a worker process may be silent before it is replaced: `FRACTAL_PATIENCE` in seconds, else 30.
///
/// # Errors
/// [`Error::Usage`] when the variable is not a number of seconds from 1 to 86400, a day.
pub(crate) fn patience_in(environment: &Environment<'_>) -> Result<Duration> {
    let Some(text) = environment("FRACTAL_PATIENCE") else { return Ok(Duration::from_secs(30)) };
    match text.trim().parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::Usage(format!("FRACTAL_PATIENCE is `{text}`; allowed is a number of seconds from 1 to 86400"))),
    }
}

/// How workers are bound to the processors that the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Consecutive workers on consecutive processors.
    Close,
    /// As far apart as the processors' numbers allow.
    Spread,
    /// All on the first worker's processor.
    Primary,
}

/// The requested binding: by `pin`, which means [`Binding::Close`] unless `OMP_PROC_BIND` says otherwise, or by `OMP_PROC_BIND` alone.
///
/// # Errors
/// [`Error::Usage`] when `OMP_PROC_BIND` is neither `true`, `false` nor a list of `close`, `spread`, `primary` and `master`, which is the
/// older name of `primary`. The first of a list counts.
pub(crate) fn binding_in(pin: bool, environment: &Environment<'_>) -> Result<Option<Binding>> {
    let default = pin.then_some(Binding::Close);
    let Some(text) = environment("OMP_PROC_BIND") else { return Ok(default) };
    match text.trim().to_ascii_lowercase().as_str() {
        "false" => return Ok(default),
        "true" => return Ok(Some(Binding::Close)),
        _ => {}
    }
    let one = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        "close" => Some(Binding::Close),
        "spread" => Some(Binding::Spread),
        "primary" | "master" => Some(Binding::Primary),
        _ => None,
    };
    // OpenMP has one for each level of nesting.
    let levels: Option<Vec<_>> = text.split(',').map(one).collect();
    levels.and_then(|levels| levels.first().copied()).map(Some).ok_or_else(|| {
        Error::Usage(format!(
            "OMP_PROC_BIND is `{text}`; allowed are `true`, `false`, and `close`, `spread`, `primary` and `master` with commas between them"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn worker_counts_come_from_the_nearest_place() {
        let all = with(&[("FRACTAL_WORKERS", "3"), ("OMP_NUM_THREADS", "5,2")]);
        assert_eq!(worker_count_in(Some(7), &all).unwrap(), 7);
        assert_eq!(worker_count_in(None, &all).unwrap(), 3);
        assert_eq!(worker_count_in(None, &with(&[("OMP_NUM_THREADS", " 5 ,2")])).unwrap(), 5);
        assert!((1..=MAX_WORKERS).contains(&worker_count_in(None, &with(&[])).unwrap()));
    }

    #[test]
    fn bad_worker_counts_name_their_place() {
        for value in ["0", "-1", "4097", "two", "1.5", ",", "99999999999999999999999"] {
            for name in ["FRACTAL_WORKERS", "OMP_NUM_THREADS"] {
                let error = worker_count_in(None, &with(&[(name, value)])).expect_err(value);
                assert!(matches!(error, Error::Usage(_)) && error.to_string().starts_with(name), "{error}");
            }
        }
        for workers in [0, MAX_WORKERS + 1, usize::MAX] {
            assert!(worker_count_in(Some(workers), &with(&[])).is_err());
        }
    }

    #[test]
    fn binding_is_asked_for_by_either() {
        let proc_bind = |value| [("OMP_PROC_BIND", value)];
        for (pin, value, expected) in [
            (false, "TRUE", Some(Binding::Close)),
            (false, "spread,close", Some(Binding::Spread)),
            (true, "spread", Some(Binding::Spread)),
            (true, "false", Some(Binding::Close)),
            (false, "false", None),
            (false, "primary", Some(Binding::Primary)),
            (true, " Master , close", Some(Binding::Primary)),
        ] {
            assert_eq!(binding_in(pin, &with(&proc_bind(value))).unwrap(), expected, "{pin} {value}");
        }
        assert_eq!(binding_in(true, &with(&[])).unwrap(), Some(Binding::Close));
        for wrong in ["nearby", "close,nearby", "close,", "true,close", "close,false"] {
            let error = binding_in(false, &with(&proc_bind(wrong))).unwrap_err().to_string();
            assert!(error.starts_with(&format!("OMP_PROC_BIND is `{wrong}`; allowed are")), "{error}");
        }
    }
}

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

/// The number of workers: `explicit`, else `FRACTAL_WORKERS`, else the first number in `OMP_NUM_THREADS`, else the number of processors
/// available to the process. From 1 to [`MAX_WORKERS`]. Asking for more than `OMP_THREAD_LIMIT` is an error; OpenMP's list and the number
/// of processors are lowered to it.
///
/// # Errors
/// [`Error::Usage`] that names the argument or the variable when its value is not such a number.
pub fn worker_count(explicit: Option<usize>) -> Result<usize> {
    worker_count_in(explicit, &process)
}

pub(crate) fn worker_count_in(explicit: Option<usize>, environment: &Environment<'_>) -> Result<usize> {
    const OURS: &str = "FRACTAL_WORKERS";
    let limit = thread_limit_in(environment)?;
    let asked = match (explicit, environment(OURS)) {
        (Some(workers), _) => Some(("the number of workers", workers.to_string())),
        (None, ours) => ours.map(|text| (OURS, text)),
    };
    if let Some((name, text)) = asked {
        return match text.trim().parse() {
            Ok(workers @ 1..=MAX_WORKERS) if workers <= limit => Ok(workers),
            Ok(1..=MAX_WORKERS) => Err(Error::Usage(format!(
                "{name} is `{text}`; allowed is a number from 1 to {limit}, which OMP_THREAD_LIMIT says"
            ))),
            _ => Err(Error::Usage(format!("{name} is `{text}`; allowed is a number from 1 to {MAX_WORKERS}"))),
        };
    }
    let first = num_threads_in(environment)?.map(|levels| levels[0]);
    Ok(first.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS)).min(limit))
}

/// The numbers of `OMP_NUM_THREADS`, of which OpenMP allows one for each level of nesting; never empty.
///
/// # Errors
/// [`Error::Usage`] when any of them is none from 1 to [`MAX_WORKERS`], whichever are used.
pub(crate) fn num_threads_in(environment: &Environment<'_>) -> Result<Option<Vec<usize>>> {
    const NAME: &str = "OMP_NUM_THREADS";
    let Some(text) = environment(NAME) else { return Ok(None) };
    let levels: Option<Vec<_>> = text.split(',').map(|part| number(part, 1)).collect();
    levels.map(Some).ok_or_else(|| {
        Error::Usage(format!(
            "{NAME} is `{text}`; allowed are numbers from 1 to {MAX_WORKERS} with commas between them, one for each level of nesting"
        ))
    })
}

/// `OMP_THREAD_LIMIT`, else [`MAX_WORKERS`].
pub(crate) fn thread_limit_in(environment: &Environment<'_>) -> Result<usize> {
    number_in("OMP_THREAD_LIMIT", 1, MAX_WORKERS, environment)
}

/// A variable that is a number from `least` to [`MAX_WORKERS`], else `default`.
///
/// # Errors
/// [`Error::Usage`] when it is something else.
pub(crate) fn number_in(name: &str, least: usize, default: usize, environment: &Environment<'_>) -> Result<usize> {
    let Some(text) = environment(name) else { return Ok(default) };
    number(&text, least)
        .ok_or_else(|| Error::Usage(format!("{name} is `{text}`; allowed is a number from {least} to {MAX_WORKERS}")))
}

fn number(text: &str, least: usize) -> Option<usize> {
    text.trim().parse().ok().filter(|number| (least..=MAX_WORKERS).contains(number))
}

/// How long a worker process may make no progress before it is replaced: `FRACTAL_WORKER_TIMEOUT` in seconds, else 30.
///
/// # Errors
/// [`Error::Usage`] when the variable is not a number of seconds from 1 to 86400, a day.
pub(crate) fn worker_timeout_in(environment: &Environment<'_>) -> Result<Duration> {
    let Some(text) = environment("FRACTAL_WORKER_TIMEOUT") else { return Ok(Duration::from_secs(30)) };
    match text.trim().parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::Usage(format!(
            "FRACTAL_WORKER_TIMEOUT is `{text}`; allowed is a number of seconds from 1 to 86400"
        ))),
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
    fn a_limit_of_threads_lowers_what_nobody_asked_of_this_program() {
        let limit = ("OMP_THREAD_LIMIT", "3");
        assert_eq!(worker_count_in(None, &with(&[limit, ("OMP_NUM_THREADS", "5,9")])).unwrap(), 3);
        assert_eq!(worker_count_in(None, &with(&[limit, ("OMP_NUM_THREADS", "2")])).unwrap(), 2);
        assert!(worker_count_in(None, &with(&[limit])).unwrap() <= 3);
        assert_eq!(worker_count_in(None, &with(&[("OMP_THREAD_LIMIT", "1")])).unwrap(), 1);
        assert_eq!(worker_count_in(Some(3), &with(&[limit])).unwrap(), 3);
        let error = worker_count_in(Some(4), &with(&[limit])).unwrap_err().to_string();
        assert_eq!(error, "the number of workers is `4`; allowed is a number from 1 to 3, which OMP_THREAD_LIMIT says");
        let error = worker_count_in(None, &with(&[limit, ("FRACTAL_WORKERS", "4")])).unwrap_err().to_string();
        assert!(error.starts_with("FRACTAL_WORKERS is `4`; allowed is a number from 1 to 3, which"), "{error}");
        for wrong in ["0", "-1", "many", "4097", "2,2"] {
            let error = worker_count_in(Some(1), &with(&[("OMP_THREAD_LIMIT", wrong)])).unwrap_err().to_string();
            assert_eq!(error, format!("OMP_THREAD_LIMIT is `{wrong}`; allowed is a number from 1 to 4096"));
        }
    }

    #[test]
    fn the_whole_list_of_threads_is_checked() {
        for wrong in ["2,0", "2,", ",2", "2,,2", "2,many", "2,4097", "2 2", "2;2"] {
            let error = worker_count_in(None, &with(&[("OMP_NUM_THREADS", wrong)])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("OMP_NUM_THREADS is `{wrong}`; allowed are numbers")), "{error}");
            // What is overridden is not looked at.
            assert_eq!(worker_count_in(Some(2), &with(&[("OMP_NUM_THREADS", wrong)])).unwrap(), 2);
        }
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

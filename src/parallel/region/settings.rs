//! What the environment says about regions, in OpenMP's variables.

use crate::error::{Error, Result};
use crate::parallel::environment::{num_threads_in, number_in, thread_limit_in};
use crate::parallel::{Binding, Environment, MAX_WORKERS, Schedule, binding_in, process, worker_count_in};
use std::sync::OnceLock;

/// The settings of regions. OpenMP calls these the internal control variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSettings {
    /// Workers of a region at each level of nesting, the last for all deeper ones; never empty. `OMP_NUM_THREADS`.
    pub workers: Vec<usize>,
    /// What [`Schedule::runtime`] is. `FRACTAL_SCHEDULE`, `OMP_SCHEDULE`.
    pub schedule: Schedule,
    /// The most threads in all regions together, from 1. `OMP_THREAD_LIMIT`.
    pub thread_limit: usize,
    /// How many regions with more than one worker may be nested. `OMP_MAX_ACTIVE_LEVELS`.
    pub max_active_levels: usize,
    /// Whether each worker keeps to a processor. `OMP_PROC_BIND`.
    pub binding: Option<Binding>,
    /// How threads wait; `None` is active for a moment, then passive. `OMP_WAIT_POLICY`.
    pub waiting: Option<WaitPolicy>,
}

/// How threads wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// They keep checking, which takes a processor.
    Active,
    /// They sleep.
    Passive,
}

impl RegionSettings {
    /// The settings of the process's environment, read once. If `OMP_DISPLAY_ENV` is `true` or `verbose`, they are then shown on standard
    /// error.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the variable when its value is not allowed.
    pub fn current() -> Result<&'static Self> {
        static CURRENT: OnceLock<std::result::Result<RegionSettings, String>> = OnceLock::new();
        let current = CURRENT.get_or_init(|| {
            let settings = RegionSettings::from_environment(&process).map_err(|error| error.to_string())?;
            if shown(&process).map_err(|error| error.to_string())? {
                eprint!("{}", settings.display());
            }
            Ok(settings)
        });
        current.as_ref().map_err(|text| Error::Usage(text.clone()))
    }

    pub(crate) fn from_environment(environment: &Environment<'_>) -> Result<Self> {
        let mut workers = vec![worker_count_in(None, environment)?];
        if environment("FRACTAL_WORKERS").is_none()
            && let Some(levels) = num_threads_in(environment)?
        {
            workers = levels;
        }
        // A list asks for nesting, as in GCC's library.
        let levels = if workers.len() > 1 { MAX_WORKERS } else { 1 };
        Ok(Self {
            schedule: Schedule::from_environment(environment)?.0,
            thread_limit: thread_limit_in(environment)?,
            max_active_levels: number_in("OMP_MAX_ACTIVE_LEVELS", 0, levels, environment)?,
            binding: binding_in(false, environment)?,
            waiting: match environment("OMP_WAIT_POLICY") {
                None => None,
                Some(text) if text.trim().eq_ignore_ascii_case("active") => Some(WaitPolicy::Active),
                Some(text) if text.trim().eq_ignore_ascii_case("passive") => Some(WaitPolicy::Passive),
                Some(text) => {
                    return Err(Error::Usage(format!(
                        "OMP_WAIT_POLICY is `{text}`; allowed are `active` and `passive`"
                    )));
                }
            },
            workers,
        })
    }

    /// How many workers a region has that is inside `level` others.
    pub(crate) fn workers_at(&self, level: usize) -> usize {
        self.workers.get(level).or(self.workers.last()).copied().unwrap_or(1)
    }

    /// The settings as `OMP_DISPLAY_ENV` shows them.
    pub fn display(&self) -> String {
        let workers: Vec<_> = self.workers.iter().map(ToString::to_string).collect();
        let binding = match self.binding {
            None => "FALSE",
            Some(Binding::Close) => "CLOSE",
            Some(Binding::Spread) => "SPREAD",
            Some(Binding::Primary) => "PRIMARY",
        };
        let waiting = match self.waiting {
            None => "ACTIVE, THEN PASSIVE",
            Some(WaitPolicy::Active) => "ACTIVE",
            Some(WaitPolicy::Passive) => "PASSIVE",
        };
        let Self { schedule, thread_limit, max_active_levels, .. } = self;
        format!(
            "OPENMP DISPLAY ENVIRONMENT BEGIN\n  OMP_NUM_THREADS = '{}'\n  OMP_SCHEDULE = '{}'\n  OMP_THREAD_LIMIT = '{thread_limit}'\n  \
             OMP_MAX_ACTIVE_LEVELS = '{max_active_levels}'\n  OMP_PROC_BIND = '{binding}'\n  OMP_WAIT_POLICY = '{waiting}'\n\
             OPENMP DISPLAY ENVIRONMENT END\n",
            workers.join(","),
            schedule.to_string().to_uppercase(),
        )
    }
}

fn shown(environment: &Environment<'_>) -> Result<bool> {
    let Some(text) = environment("OMP_DISPLAY_ENV") else { return Ok(false) };
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "verbose" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::Usage(format!("OMP_DISPLAY_ENV is `{text}`; allowed are `true`, `false` and `verbose`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<RegionSettings> {
        RegionSettings::from_environment(&|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn openmps_variables_are_understood() {
        let all = settings(&[
            ("OMP_NUM_THREADS", "4, 3,2"),
            ("OMP_SCHEDULE", "guided,7"),
            ("OMP_THREAD_LIMIT", "9"),
            ("OMP_MAX_ACTIVE_LEVELS", "0"),
            ("OMP_PROC_BIND", "spread"),
            ("OMP_WAIT_POLICY", "PASSIVE"),
        ]);
        let all = all.unwrap();
        assert_eq!([0, 1, 2, 9].map(|level| all.workers_at(level)), [4, 3, 2, 2]);
        assert_eq!((all.thread_limit, all.max_active_levels, all.waiting), (9, 0, Some(WaitPolicy::Passive)));
        assert!(all.display().contains("OMP_SCHEDULE = 'GUIDED,7'") && all.display().contains("'4,3,2'"));
        let list = settings(&[("OMP_NUM_THREADS", "2,2")]).unwrap();
        assert!(list.max_active_levels > 1, "a list asks for nesting");
        let ours = settings(&[("OMP_NUM_THREADS", "2,2"), ("FRACTAL_WORKERS", "5")]).unwrap();
        assert_eq!((ours.workers.as_slice(), ours.max_active_levels), (&[5][..], 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("OMP_NUM_THREADS", "2,0"),
            ("OMP_SCHEDULE", "quick"),
            ("OMP_THREAD_LIMIT", "0"),
            ("OMP_MAX_ACTIVE_LEVELS", "-1"),
            ("OMP_PROC_BIND", "near"),
            ("OMP_WAIT_POLICY", "asleep"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("allowed"), "{error}");
        }
        assert!(shown(&|_| Some("perhaps".into())).is_err());
    }
}

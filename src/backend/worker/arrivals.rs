//! What a session does about workers that end before their first message: one that was killed is lost like any other and is
//! replaced, while a program that never answers as a worker does is reported as such.
//!
//! Both process backends use this when they open.

use super::losses::{End, most};
use super::{Losses, Program};
use crate::error::{Error, Result};

/// How often workers may stay silent, each time for the full timeout, once others have answered.
const SILENCES: usize = 3;

/// Why there was no first message.
#[derive(Debug)]
pub(crate) enum Early {
    /// It has ended.
    Ended(End),
    /// It lives but has sent nothing, or something else; the text says which.
    Wrong(String),
}

impl Early {
    fn text(&self) -> &str {
        match self {
            Self::Ended(end) => &end.text,
            Self::Wrong(text) => text,
        }
    }
}

/// The first messages of a session's workers.
#[derive(Debug)]
pub(crate) struct Arrivals<'a> {
    program: &'a Program,
    backend: &'static str,
    workers: usize,
    /// Whether any worker has answered: then the program is a worker program.
    answered: bool,
    silences: usize,
    lost: Vec<(usize, String)>,
}

impl<'a> Arrivals<'a> {
    pub(crate) fn new(program: &'a Program, backend: &'static str, workers: usize) -> Self {
        Self { program, backend, workers, answered: false, silences: 0, lost: Vec::new() }
    }

    /// A worker has answered as one.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }

    /// These workers have not answered; all others have. They are to be started again.
    ///
    /// # Errors
    /// When that is pointless: the program is not a worker program, or too many workers have ended in a row.
    pub(crate) fn lost(&mut self, early: Vec<(usize, Early)>) -> Result<()> {
        // First the ends that say most about the program.
        let own = |early: &Early| !matches!(early, Early::Ended(end) if end.by_signal);
        if !self.answered
            && let Some((_, early)) = early.iter().find(|(_, early)| own(early))
        {
            return Err(self.program.no_worker(early.text()));
        }
        for (worker, early) in early {
            self.silences += usize::from(matches!(early, Early::Wrong(_)));
            self.lost.push((worker, early.text().to_owned()));
            let losses = self.lost.len();
            if losses > most(self.workers) || self.silences >= SILENCES {
                return Err(Error::Unsupported(format!(
                    "{losses} workers of backend `{}` were lost before they were ready; the last one, worker {worker}, {}",
                    self.backend,
                    early.text()
                )));
            }
        }
        Ok(())
    }

    /// The workers that were replaced, and why, for the next run to report.
    pub(crate) fn into_lost(self) -> Vec<(usize, String)> {
        self.lost
    }
}

/// Reports to a run the workers that were lost before it.
pub(crate) fn report_lost(lost: &mut Vec<(usize, String)>, losses: &Losses<'_>) {
    lost.drain(..).for_each(|(worker, how)| losses.report(worker, &how));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn killed() -> Early {
        Early::Ended(End::told("was killed by signal 9", true))
    }

    fn ended() -> Early {
        Early::Ended(End::told("ended with status 0", false))
    }

    #[test]
    fn only_a_program_that_never_answers_is_reported_as_such() {
        let program = Program::at("made");
        let arrivals = || Arrivals::new(&program, "by hand", 2);
        let told = |outcome: Result<()>| outcome.unwrap_err().to_string();
        assert!(arrivals().lost(vec![(0, killed()), (1, killed())]).is_ok());
        for early in [vec![(0, ended()), (1, killed())], vec![(0, killed()), (1, ended())]] {
            let text = told(arrivals().lost(early));
            assert!(text.contains("`made` ended with status 0 before it became a worker"), "{text}");
        }
        let mut some = arrivals();
        some.answered();
        assert!(some.lost(vec![(1, ended())]).is_ok());
        assert!(some.lost(vec![(1, Early::Wrong("sent nothing".into()))]).is_ok());
        assert_eq!(some.into_lost(), [(1, "ended with status 0".into()), (1, "sent nothing".into())]);
    }

    #[test]
    fn losses_have_an_end_and_nobody_blames_the_program() {
        let program = Program::at("made");
        let mut arrivals = Arrivals::new(&program, "by hand", 2);
        let outcomes: Vec<_> = (0..).map(|_| arrivals.lost(vec![(1, killed())])).take_while(Result::is_ok).collect();
        assert_eq!(outcomes.len(), 16);
        let text = arrivals.lost(vec![(1, killed())]).unwrap_err().to_string();
        assert!(text.contains("before they were ready; the last one, worker 1, was killed by signal 9"), "{text}");
        assert!(!text.contains("main"), "{text}");
        let mut silent = Arrivals::new(&program, "by hand", 2);
        silent.answered();
        let wrong = || vec![(0, Early::Wrong("sent nothing for 1s".into()))];
        assert!(silent.lost(wrong()).is_ok() && silent.lost(wrong()).is_ok());
        let text = silent.lost(wrong()).unwrap_err().to_string();
        assert!(text.ends_with("worker 0, sent nothing for 1s"), "{text}");
    }
}

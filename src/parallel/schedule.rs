//! How pieces are distributed to workers, in OpenMP's terms and with OpenMP's meaning.

use super::environment::{Environment, process};
use crate::error::{Error, Result};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Which worker takes which pieces, and how many at once.
///
/// Written `[monotonic:|nonmonotonic:]static|dynamic|guided[,chunk]` or `auto`, as in `OMP_SCHEDULE`; parsing ignores case and spaces,
/// and the displayed text parses to the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    kind: Kind,
    order: Option<Modifier>,
    /// For `auto`, which is written without a chunk, the most pieces that a claim may have.
    chunk: Option<NonZeroU32>,
}

/// The kinds of [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Fixed before the loop: one block of nearly equal size per worker, or chunks round robin when a chunk is given.
    Static,
    /// First come, first served, a chunk (1 unless given) at a time.
    Dynamic,
    /// First come, first served, in shrinking parts of what is left, never smaller than the chunk (1 unless given).
    Guided,
    /// Left to the implementation: here like guided, with small parts from the start, so that results come nearly in order.
    Auto,
}

/// Whether a worker must take pieces in increasing order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Modifier {
    /// It must.
    Monotonic,
    /// It need not, which allows `dynamic` to begin with a block per worker and to steal when that is done.
    Nonmonotonic,
}

impl Schedule {
    /// `static`
    pub const STATIC: Self = Self { kind: Kind::Static, order: None, chunk: None };
    /// `dynamic`, taken in increasing order by the backends of this crate.
    pub const DYNAMIC: Self = Self { kind: Kind::Dynamic, order: None, chunk: None };
    /// `guided`
    pub const GUIDED: Self = Self { kind: Kind::Guided, order: None, chunk: None };
    /// `nonmonotonic:dynamic`: work stealing.
    pub const STEALING: Self = Self { kind: Kind::Dynamic, order: Some(Modifier::Nonmonotonic), chunk: None };
    /// `auto`
    pub const AUTO: Self = Self { kind: Kind::Auto, order: None, chunk: None };

    /// The largest chunk, 2³¹ pieces.
    pub const MAX_CHUNK: u32 = 1 << 31;

    /// The kind.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// The requested order; `None` leaves it to the backend.
    pub fn order(self) -> Option<Modifier> {
        self.order
    }

    /// The chunk, if one was requested.
    pub fn chunk(self) -> Option<u32> {
        self.chunk.filter(|_| self.kind != Kind::Auto).map(NonZeroU32::get)
    }

    /// The same schedule with a chunk of 1 to [`Schedule::MAX_CHUNK`] pieces.
    ///
    /// # Errors
    /// [`Error::Usage`] for another number, and for `auto`, which has no chunk.
    pub fn with_chunk(self, chunk: u32) -> Result<Self> {
        if self.kind == Kind::Auto {
            return Err(Error::Usage("schedule `auto` takes no chunk; `dynamic` does".into()));
        }
        match NonZeroU32::new(chunk) {
            Some(chunk) if chunk.get() <= Self::MAX_CHUNK => Ok(Self { chunk: Some(chunk), ..self }),
            _ => Err(bad_chunk(&chunk.to_string())),
        }
    }

    /// The same schedule, where `auto` never takes more than `pieces` at once.
    pub(crate) fn with_auto_limit(self, pieces: usize) -> Self {
        match self.kind {
            Kind::Auto => Self { chunk: NonZeroU32::new(pieces.clamp(1, 1 << 31) as u32), ..self },
            _ => self,
        }
    }

    /// What [`Schedule::with_auto_limit`] set.
    pub(crate) fn auto_limit(self) -> Option<usize> {
        self.chunk.filter(|_| self.kind == Kind::Auto).map(|limit| limit.get() as usize)
    }

    /// What OpenMP calls `runtime`: `FRACTAL_SCHEDULE`, else `OMP_SCHEDULE`, else `auto`.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the variable when its value is not a schedule.
    pub fn runtime() -> Result<Self> {
        Ok(Self::from_environment(&process)?.0)
    }

    /// [`Schedule::runtime`] and the variable that it comes from.
    pub(crate) fn from_environment(environment: &Environment<'_>) -> Result<(Self, Option<&'static str>)> {
        for name in ["FRACTAL_SCHEDULE", "OMP_SCHEDULE"] {
            if let Some(text) = environment(name) {
                let schedule = text.parse().map_err(|error| Error::Usage(format!("{name}: {error}")))?;
                return Ok((schedule, Some(name)));
            }
        }
        Ok((Self::AUTO, None))
    }

    /// The value of `--schedule`: a schedule, or `runtime`, which is also the default and means [`Schedule::runtime`].
    ///
    /// # Errors
    /// [`Error::Usage`] when the text or the variable's value is not a schedule.
    pub fn requested(text: Option<&str>) -> Result<Self> {
        match text {
            Some(text) if !text.trim().eq_ignore_ascii_case("runtime") => text.parse(),
            _ => Self::runtime(),
        }
    }

    /// Whether dispatch out work under `self` also satisfies `asked`.
    ///
    /// Leaving the order is allowed, not required; a schedule that is not written as nonmonotonic keeps it.
    pub fn serves(self, asked: Self) -> bool {
        let in_order = self.order != Some(Modifier::Nonmonotonic);
        self.kind == asked.kind && (in_order || asked.order != Some(Modifier::Monotonic))
    }

    /// The schedule as it is listed: with `[,chunk]` when it takes one.
    pub fn usage(self) -> String {
        if self.kind == Kind::Auto { self.to_string() } else { format!("{self}[,chunk]") }
    }
}

impl Default for Schedule {
    /// `auto`
    fn default() -> Self {
        Self::AUTO
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.order {
            None => "",
            Some(Modifier::Monotonic) => "monotonic:",
            Some(Modifier::Nonmonotonic) => "nonmonotonic:",
        })?;
        f.write_str(match self.kind {
            Kind::Static => "static",
            Kind::Dynamic => "dynamic",
            Kind::Guided => "guided",
            Kind::Auto => "auto",
        })?;
        self.chunk().map_or(Ok(()), |chunk| write!(f, ",{chunk}"))
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            Error::Usage(format!(
                "schedule `{}` is unknown; allowed are `static`, `dynamic` and `guided`, each optionally with `monotonic:` \
                 or `nonmonotonic:` before it and `,chunk` after it, and `auto`",
                text.trim()
            ))
        };
        let lower = text.to_ascii_lowercase();
        let (order, rest) = match lower.split_once(':') {
            None => (None, lower.as_str()),
            Some((order, rest)) => match order.trim() {
                "monotonic" => (Some(Modifier::Monotonic), rest),
                "nonmonotonic" => (Some(Modifier::Nonmonotonic), rest),
                _ => return Err(unknown()),
            },
        };
        let (kind, chunk) = match rest.split_once(',') {
            None => (rest, None),
            Some((kind, chunk)) => (kind, Some(chunk.trim())),
        };
        let kind = match kind.trim() {
            "static" => Kind::Static,
            "dynamic" => Kind::Dynamic,
            "guided" => Kind::Guided,
            "auto" if order.is_some() => {
                return Err(Error::Usage("schedule `auto` chooses the order itself; leave the modifier out".into()));
            }
            "auto" => Kind::Auto,
            _ => return Err(unknown()),
        };
        let schedule = Self { kind, order, chunk: None };
        match chunk {
            None => Ok(schedule),
            Some(chunk) => schedule.with_chunk(chunk.parse().map_err(|_| bad_chunk(chunk))?),
        }
    }
}

fn bad_chunk(chunk: &str) -> Error {
    Error::Usage(format!(
        "`{chunk}` is not a chunk of a schedule; allowed is a number from 1 to {}",
        Schedule::MAX_CHUNK
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Schedule {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn openmp_spellings_are_understood() {
        assert_eq!(parse("static"), Schedule::STATIC);
        assert_eq!(parse(" Dynamic , 4 "), Schedule::DYNAMIC.with_chunk(4).unwrap());
        assert_eq!(parse("GUIDED,2147483648").chunk(), Some(1 << 31));
        assert_eq!(parse("nonmonotonic:dynamic"), Schedule::STEALING);
        assert_eq!(parse("monotonic: static,7").order(), Some(Modifier::Monotonic));
        assert_eq!(parse("auto"), Schedule::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        for (text, says) in [
            ("", "unknown"),
            ("fast", "`static`, `dynamic` and `guided`"),
            ("runtime", "unknown"),
            ("sometimes:dynamic", "`sometimes:dynamic` is unknown"),
            ("dynamic,0", "from 1 to 2147483648"),
            ("dynamic,2147483649", "from 1 to 2147483648"),
            ("dynamic,-1", "`-1`"),
            ("dynamic,", "``"),
            ("static,1,2", "`1,2`"),
            ("auto,3", "takes no chunk"),
            ("monotonic:auto", "leave the modifier out"),
        ] {
            let error = text.parse::<Schedule>().expect_err(text);
            assert!(matches!(error, Error::Usage(_)), "{text}: {error:?}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn runtime_asks_our_variable_first_and_names_the_one_at_fault() {
        let both = |name: &str| match name {
            "FRACTAL_SCHEDULE" => Some("guided,2".to_owned()),
            _ => Some("static".to_owned()),
        };
        assert_eq!(Schedule::from_environment(&both).unwrap(), (parse("guided,2"), Some("FRACTAL_SCHEDULE")));
        let openmp = |name: &str| (name == "OMP_SCHEDULE").then(|| "static,9".to_owned());
        assert_eq!(Schedule::from_environment(&openmp).unwrap(), (parse("static,9"), Some("OMP_SCHEDULE")));
        assert_eq!(Schedule::from_environment(&|_| None).unwrap(), (Schedule::AUTO, None));
        let bad = |name: &str| (name == "OMP_SCHEDULE").then(|| "quick".to_owned());
        let error = Schedule::from_environment(&bad).unwrap_err();
        assert!(error.to_string().starts_with("OMP_SCHEDULE: schedule `quick`"), "{error}");
    }

    #[test]
    fn a_schedule_serves_what_it_keeps() {
        let (monotonic, stealing) = (parse("monotonic:dynamic,3"), Schedule::STEALING);
        assert!(Schedule::DYNAMIC.serves(monotonic) && Schedule::DYNAMIC.serves(stealing));
        assert!(stealing.serves(Schedule::DYNAMIC) && !stealing.serves(monotonic));
        assert!(!Schedule::STATIC.serves(Schedule::DYNAMIC) && !Schedule::AUTO.serves(Schedule::GUIDED));
    }

    #[test]
    fn the_limit_of_auto_is_not_shown() {
        let limited = Schedule::AUTO.with_auto_limit(5);
        assert_eq!((limited.to_string().as_str(), limited.chunk(), limited.auto_limit()), ("auto", None, Some(5)));
        assert_eq!(Schedule::DYNAMIC.with_auto_limit(5), Schedule::DYNAMIC);
    }

    proptest! {
        #[test]
        fn display_parses_to_the_same(kind in 0..3, order in 0..3, chunk in prop::option::of(1..=Schedule::MAX_CHUNK)) {
            let kind = [Kind::Static, Kind::Dynamic, Kind::Guided][kind as usize];
            let order = [None, Some(Modifier::Monotonic), Some(Modifier::Nonmonotonic)][order as usize];
            let schedule = Schedule { kind, order, chunk: chunk.and_then(NonZeroU32::new) };
            prop_assert_eq!(parse(&schedule.to_string()), schedule);
        }

        #[test]
        fn any_text_is_a_schedule_or_a_usage_error(text in ".{0,40}") {
            if let Err(error) = text.parse::<Schedule>() {
                prop_assert!(matches!(error, Error::Usage(_)));
            }
        }
    }
}

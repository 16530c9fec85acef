//! `auto`: the best that `bench --save` found on this machine, and defaults where nothing was measured.

use super::args::{AUTO, Edge};
use super::note;
use fractal::backend::{self, BackendEntry};
use fractal::bench::wisdom::Wisdom;
use fractal::internal::DEFAULT_TILE;
use fractal::parallel::Schedule;
use fractal::{Error, Result};

/// What was typed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) backend: Option<&'a str>,
    pub(super) schedule: Option<&'a str>,
    pub(super) tile: Option<Edge>,
}

/// What was chosen.
pub(super) struct Chosen {
    pub(super) backend: &'static BackendEntry,
    pub(super) schedule: Schedule,
    /// Whether the schedule was left to measurements.
    #[cfg_attr(not(feature = "window"), allow(dead_code))]
    pub(super) is_best_schedule: bool,
    pub(super) tile: u32,
}

/// What was asked for, else what the environment says, else the default. `auto` is the best that was measured; `--backend auto` also
/// chooses schedule and tile, unless they are given. The choice is reported on standard error, unless `quiet`.
pub(super) fn choose(asked: Asked<'_>, quiet: bool) -> Result<Chosen> {
    let name = backend_name(asked.backend)?;
    let any = name.as_deref() == Some(AUTO);
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let free = || asked.schedule.is_none() && !set("FRACTAL_SCHEDULE") && !set("OMP_SCHEDULE");
    let best_schedule = asked.schedule == Some(AUTO) || any && free();
    let best_tile = asked.tile == Some(Edge::Best) || any && asked.tile.is_none();
    let wisdom = if any || best_schedule || best_tile { known(quiet) } else { None };
    let default = || backend::find(name.as_deref().filter(|_| !any).unwrap_or(backend::DEFAULT));
    let best = wisdom.as_ref().and_then(Wisdom::best).filter(|_| any);
    let backend = best.map_or_else(default, |(entry, _)| Ok(entry))?;
    let choice = wisdom.as_ref().and_then(|wisdom| wisdom.backends.get(backend.name));
    let schedule = match choice.filter(|_| best_schedule) {
        Some(choice) => choice.schedule.parse()?,
        None => Schedule::requested(asked.schedule)?,
    };
    let tile = match asked.tile {
        Some(Edge::Pixels(edge)) => edge,
        _ => choice.filter(|_| best_tile).map_or(DEFAULT_TILE, |choice| choice.tile),
    };
    if !quiet && (any || best_schedule || best_tile) {
        let why = match (choice, &wisdom) {
            (Some(_), _) => "as `fractal bench --save` measured here",
            (None, Some(_)) => "by default: `fractal bench --save` has not measured this backend",
            (None, None) => "by default: nothing has been measured here (`fractal bench --save` measures)",
        };
        let tiles = if tile == u32::MAX { "one tile".into() } else { format!("tiles of {tile}") };
        note(format!("fractal: backend {}, schedule {schedule}, {tiles}, {why}", backend.name));
    }
    Ok(Chosen { backend, schedule, is_best_schedule: best_schedule, tile })
}

/// The name of the backend: as typed, else from the environment; `None` for the default.
fn backend_name(typed: Option<&str>) -> Result<Option<String>> {
    const VARIABLE: &str = "FRACTAL_BACKEND";
    let Some(name) = std::env::var_os(VARIABLE).filter(|name| typed.is_none() && !name.is_empty()) else {
        return Ok(typed.map(str::to_owned));
    };
    let name = name.to_string_lossy().into_owned();
    if name != AUTO {
        backend::find(&name).map_err(|error| Error::Usage(format!("environment variable {VARIABLE}: {error}")))?;
    }
    Ok(Some(name))
}

/// What was measured on this machine. An unusable file is reported and changes nothing.
fn known(quiet: bool) -> Option<Wisdom> {
    Wisdom::path().and_then(|path| Wisdom::read(&path)).unwrap_or_else(|error: Error| {
        if !quiet {
            note(format!("fractal: {error}; it is not used"));
        }
        None
    })
}

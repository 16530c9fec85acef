//! What `bench` measures: scenes, combinations, and how often.

use super::super::super::args::SceneArgs;
use super::super::args::BenchCoresArgs;
use super::super::progress::Bar;
use super::super::scenes;
use super::super::text::counted;
use fractal::backend::{self, BACKENDS};
use fractal::bench::advice::advise;
use fractal::bench::clock::System;
use fractal::bench::cores::{self, Schedules};
use fractal::bench::forecast;
use fractal::bench::load::BUSY;
use fractal::bench::machine::Machine;
use fractal::bench::measure::Rounds;
use fractal::bench::results::Results;
use fractal::bench::subject::{STANDARDS, Subject};
use fractal::bench::works::{self, SubjectsOf};
use fractal::internal::DEFAULT_TILE;
use fractal::parallel::{Schedule, Stop, worker_count};
use fractal::{Error, Result, Scene};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The rounds that should fit into the time, and the most that are made.
const ROUNDS: [usize; 2] = [3, 100];

/// The part of the time after which a closer look at each scene follows, where one is asked for.
const LOOKS: f64 = 0.6;

pub(super) fn entries(args: &BenchCoresArgs) -> Result<Vec<&'static backend::BackendEntry>> {
    if args.backend.is_empty() {
        return Ok(BACKENDS.iter().collect());
    }
    args.backend.iter().map(|name| backend::find(name)).collect()
}

/// What to measure.
pub(super) struct Plan {
    /// First `plain` of them as they are, then larger versions for weak scaling.
    pub(super) subjects: Vec<Subject>,
    plain: usize,
    pub(super) combinations: Vec<cores::Combination>,
    /// Short names of the combinations.
    pub(super) names: Vec<String>,
    pub(super) rounds: Rounds,
    /// How long everything may take.
    time: Duration,
    left_out: Vec<String>,
    settings: BTreeMap<String, String>,
}

impl Plan {
    pub(super) fn new(args: &BenchCoresArgs) -> Result<Self> {
        let plan = Self::of_size(args, size(args)?)?;
        let Rounds::Within { time, .. } = plan.rounds else { return Ok(plan) };
        if args.size.is_some() || earlier(args).is_some() {
            return Ok(plan);
        }
        // Smaller pictures are better than fewer rounds, or than taking longer than was asked for.
        let round = cores::estimate(&System, &plan.subjects, &plan.combinations, &Stop::new())?;
        let Some(size) = fitting(size(args)?.1, round * plan.rounds_to_fit(args), time.as_secs_f64()) else {
            return Ok(plan);
        };
        let text = format!("{}x{}", size.0, size.1);
        let mut smaller = Self::of_size(args, (text.clone(), size))?;
        smaller.left_out.push(format!(
            "sizes larger than {text}, of which {} rounds would take longer than {} s",
            ROUNDS[0],
            time.as_secs()
        ));
        Ok(smaller)
    }

    /// How many rounds must fit into the time: the warm-up, the fewest that count, and what a closer look needs.
    fn rounds_to_fit(&self, args: &BenchCoresArgs) -> f64 {
        (1 + ROUNDS[0]) as f64 + if args.output.wants_timelines() { 3.0 } else { 0.0 }
    }

    fn of_size(args: &BenchCoresArgs, (text, size): (String, (u32, u32))) -> Result<Self> {
        let mut left_out = Vec::new();
        let mut subjects = subjects(args, size, &mut left_out)?;
        let plain = subjects.len();
        let entries = entries(args)?;
        let workers =
            if args.workers.is_empty() { cores::worker_counts(worker_count(None)?) } else { args.workers.clone() };
        let schedules = schedules(&args.schedule)?;
        let (mut combinations, more) = cores::combinations(&subjects, &entries, &workers, &schedules);
        left_out.extend(more);
        if args.weak {
            let parallel: Vec<_> = entries.iter().copied().filter(|entry| entry.parallel).collect();
            for &count in workers.iter().filter(|&&count| count > 1) {
                let first = subjects.len();
                let edge = |pixels: u32| (f64::from(pixels) * (count as f64).sqrt()).round() as u32;
                let larger = self::subjects(args, (edge(size.0), edge(size.1)), &mut Vec::new())?;
                let larger: Vec<_> =
                    larger.into_iter().zip(&subjects).map(|(large, small)| large.grown_from(small)).collect();
                for still in larger.iter().filter(|subject| subject.growth <= 1.0) {
                    left_out.push(format!("weak scaling of `{}`, which does not grow at this size", still.name));
                }
                let (mut grown, _) = cores::combinations(&larger, &parallel, &[count], &schedules);
                grown.retain(|one| larger[one.subject].growth > 1.0);
                combinations
                    .extend(grown.into_iter().map(|one| cores::Combination { subject: first + one.subject, ..one }));
                subjects.extend(larger);
            }
        }
        if args.per_core {
            combinations.extend(cores::per_core(&subjects[..plain], &Machine::here())?);
        }
        if combinations.is_empty() {
            return Err(Error::Usage(format!("there is nothing to measure: {}", left_out.join("; "))));
        }
        let seconds = args.seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let rounds = match args.runs {
            Some(runs) => Rounds::Exactly(runs as usize),
            None => Rounds::Within {
                // A closer look at each scene follows, in the rest of the time.
                time: seconds.unwrap_or(if args.quick { cores::QUICK } else { cores::THOROUGH }),
                least: 1,
                most: ROUNDS[1],
            },
        };
        let name = |combination: &cores::Combination| {
            let subject = &subjects[combination.subject].name;
            let grown = if subjects[combination.subject].growth > 1.0 { ", weak" } else { "" };
            format!("{subject}, {}, {}{grown}", combination.entry.name, counted(combination.workers, "worker"))
        };
        let sizes: Vec<String> =
            subjects[..plain].iter().map(|subject| format!("{} ({})", subject.name, subject.work.len())).collect();
        let settings = [
            ("pieces", sizes.join(", ")),
            ("size", text),
            ("tile", args.tile.unwrap_or(DEFAULT_TILE).to_string()),
            ("pin", args.pin.to_string()),
        ];
        Ok(Self {
            names: combinations.iter().map(name).collect(),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
            time: if let Rounds::Within { time, .. } = rounds { time } else { Duration::MAX },
            subjects,
            plain,
            combinations,
            rounds: match rounds {
                Rounds::Within { time, least, most } if args.output.wants_timelines() => {
                    Rounds::Within { time: time.mul_f64(LOOKS), least, most }
                }
                rounds => rounds,
            },
            left_out,
        })
    }

    /// Records each scene, for what a page shows besides the times: costs, predictions, and one run of each backend and schedule, with as
    /// many workers as it was measured with at most.
    pub(super) fn look_closer(
        &self,
        args: &BenchCoresArgs,
        bar: &Bar,
        results: &mut Results,
        (began, stop): (Instant, &Stop),
    ) -> Result<()> {
        let mut runs: Vec<forecast::Recorded> = Vec::new();
        let strong = |one: &&cores::Combination| one.core.is_none() && one.subject < self.plain;
        for one in self.combinations.iter().filter(strong) {
            match runs.iter_mut().find(|(entry, schedule, _)| entry.name == one.entry.name && *schedule == one.schedule)
            {
                Some(run) => run.2 = run.2.max(one.workers),
                None => runs.push((one.entry, one.schedule, one.workers)),
            }
        }
        let most = runs.iter().map(|run| run.2).max().unwrap_or(1);
        let plain = &self.subjects[..self.plain];
        results.scenes.clear();
        for (index, subject) in plain.iter().enumerate() {
            bar.step(index, plain.len(), None, &format!("a closer look at {}", subject.name));
            let left = self.time.saturating_sub(began.elapsed());
            // As much again is for the timelines.
            let share = left / (2 * (plain.len() - index) as u32);
            let mut scene = forecast::scene(&System, subject, (most, share), stop)?;
            forecast::check_against(&mut scene, &results.results);
            scene.timelines = forecast::timelines(subject, &runs, args.pin, stop)?;
            // What waits for other programs would be put down to the schedule.
            scene.advice = if results.usage.busy() > BUSY { Vec::new() } else { advise(&scene) };
            results.scenes.push(scene);
        }
        Ok(())
    }

    /// Empty results, or those of a measurement to be continued.
    pub(super) fn begin(&self, args: &BenchCoresArgs) -> Result<Results> {
        let machine = Machine::here();
        let Some(path) = earlier(args) else {
            let (settings, left_out) = (self.settings.clone(), self.left_out.clone());
            return Ok(Results { machine: Some(machine), settings, left_out, ..Results::default() });
        };
        let results = Results::read(path)?;
        let differs = |what: &str, before: &str, now: &str| {
            Err(Error::Usage(format!(
                "`{}` was measured with another {what} ({before}, now {now}), so it cannot be continued; leave out --resume",
                path.display()
            )))
        };
        let before = results.machine.as_ref().map_or_else(|| "unknown".to_owned(), Machine::signature);
        if before != machine.signature() {
            return differs("machine", &before, &machine.signature());
        }
        let known = |settings: &BTreeMap<String, String>, name: &str| settings.get(name).cloned().unwrap_or_default();
        for name in self.settings.keys() {
            let (before, now) = (known(&results.settings, name), known(&self.settings, name));
            if before != now {
                return differs(name, &before, &now);
            }
        }
        Ok(results)
    }
}

/// The file of a measurement that is continued.
fn earlier(args: &BenchCoresArgs) -> Option<&PathBuf> {
    args.output.json.as_ref().filter(|path| args.resume && path.exists())
}

/// Width and height, as text and as numbers. A measurement that is continued keeps its own, which may have been chosen by its time.
pub(super) fn size(args: &BenchCoresArgs) -> Result<(String, (u32, u32))> {
    let before = |path: &PathBuf| Ok::<_, Error>(Results::read(path)?.settings.remove("size"));
    let known = match &args.size {
        Some(text) => Some(text.clone()),
        None => earlier(args).map(before).transpose()?.flatten(),
    };
    let text = known.unwrap_or_else(|| (if args.quick { "1280x720" } else { "1920x1080" }).to_owned());
    let mut scene = Scene::default();
    scene.set(&format!("image.size={text}"))?;
    Ok((text, scene.image.size))
}

/// A size of which the rounds that need `needed` seconds fit into `time`; `None` if they fit anyway. Pictures do not get so small that
/// nothing is left to share.
fn fitting((width, height): (u32, u32), needed: f64, time: f64) -> Option<(u32, u32)> {
    /// What the estimate may be too low by.
    const MARGIN: f64 = 1.25;
    let part = time / (needed * MARGIN);
    let edge = |pixels: u32| ((f64::from(pixels) * part.sqrt() / 16.0).floor() as u32 * 16).max(128).min(pixels);
    let size = (edge(width), edge(height));
    (part < 1.0 && size != (width, height)).then_some(size)
}

fn subjects(args: &BenchCoresArgs, size: (u32, u32), left_out: &mut Vec<String>) -> Result<Vec<Subject>> {
    let text = format!("{}x{}", size.0, size.1);
    let tile = args.tile.unwrap_or(DEFAULT_TILE);
    if let Some(subjects) = other_work(args)? {
        return subjects(u64::from(size.0) * u64::from(size.1));
    }
    if args.scene.is_empty() {
        let mut subjects = Vec::new();
        for standard in STANDARDS {
            match Subject::standard(standard, size, tile) {
                Ok(subject) => subjects.push(subject),
                Err(error @ Error::Unsupported(_)) => left_out.push(format!("scene `{}`: {error}", standard.name)),
                Err(error) => return Err(error),
            }
        }
        return Ok(subjects);
    }
    let one = |name: &OsString| match scenes::of_bench(name) {
        Some(standard) => Subject::standard(standard, size, tile),
        None => {
            let scene = scenes::other(name, &SceneArgs { size: Some(text.clone()), ..SceneArgs::default() })?;
            scenes::subject(name, &scene, tile)
        }
    };
    args.scene.iter().map(one).collect()
}

/// How a work that is no picture is made, if one is asked for.
fn other_work(args: &BenchCoresArgs) -> Result<Option<SubjectsOf>> {
    let subjects = works::find(&args.work)?.subjects;
    let of_scenes = [(!args.scene.is_empty(), "--scene"), (args.tile.is_some(), "--tile"), (args.save, "--save")];
    match of_scenes.iter().find(|(given, _)| *given && subjects.is_some()) {
        Some((_, name)) => Err(Error::Usage(format!("`{name}` is for scenes, and `--work {}` is none", args.work))),
        None => Ok(subjects),
    }
}

fn schedules(typed: &[String]) -> Result<Schedules> {
    if typed.is_empty() {
        return Ok(Schedules::These(vec![Schedule::AUTO]));
    }
    if typed.iter().any(|text| text == "all") {
        return Ok(Schedules::All);
    }
    Ok(Schedules::These(typed.iter().map(|text| Schedule::requested(Some(text))).collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_fit_into_the_time() {
        assert_eq!(fitting((1280, 720), 10.0, 20.0), None);
        let (width, height) = fitting((1280, 720), 60.0, 20.0).unwrap();
        let part = f64::from(width * height) / (1280.0 * 720.0);
        assert!(part < 20.0 / 60.0 && part > 0.2, "{width} × {height}");
        assert_eq!(fitting((1280, 720), 1e6, 1.0), Some((128, 128)));
        assert_eq!(fitting((96, 64), 1e6, 1.0), None, "it is small already");
    }
}

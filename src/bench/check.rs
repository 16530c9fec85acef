//! How exact a render is: random samples of it against orbits in wider numbers.

use super::statistics::{Interval, Random, median, quantile};
use crate::error::{Error, Result};
use crate::kernel::truth::{TrueSample, Truth};
use crate::kernel::{Request, TileClaim};
use crate::parallel::{Claim, FinishedClaim, Prepared, Preparing, Sink, Stop, Work, lock};
use crate::render::{Render, RenderOptions};
use crate::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, Samples};
use crate::scene::Scene;
use crate::tile::Tile;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

/// The most samples that are checked at once: beyond them the interval is narrow enough for anything.
pub const MAX_SAMPLES: usize = 10_000_000;

/// Which samples are checked.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// How many, at least 1.
    pub samples: usize,
    /// How many of these are also computed with as many digits as they need.
    pub exact: usize,
    /// What the random choice begins with.
    pub seed: u64,
}

/// A check of a render as a [`Work`]: a piece is a sample.
pub struct Check {
    render: Render,
    truth: Truth,
    /// Column and row of each sample.
    samples: Vec<[u32; 2]>,
    all: u64,
    choice: Choice,
    found: Mutex<Vec<Found>>,
}

/// Numbers of a sample: the count, or −1; the fraction; the distance vector.
type Numbers = [f64; 4];

/// What was found of one sample.
#[derive(Clone, Copy)]
struct Found {
    rendered: Numbers,
    truth: Numbers,
    /// With as many digits as it needs, where [`Found::is_exact`].
    exact: Numbers,
    is_exact: f64,
    is_chaotic: f64,
}

impl Found {
    const BYTES: usize = 14 * size_of::<f64>();

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let Self { rendered, truth, exact, is_exact, is_chaotic } = self;
        let numbers = [&rendered[..], &truth, &exact, &[is_exact, is_chaotic]].concat();
        std::array::from_fn(|i| numbers[i / 8].to_ne_bytes()[i % 8])
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let number = |i: usize| bytemuck::pod_read_unaligned::<f64>(&bytes[8 * i..8 * i + 8]);
        let numbers = |from: usize| std::array::from_fn(|i| number(from + i));
        let (rendered, truth, exact) = (numbers(0), numbers(4), numbers(8));
        Self { rendered, truth, exact, is_exact: number(12), is_chaotic: number(13) }
    }
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The number tier of the render.
    pub tier: &'static str,
    /// What it was compared with.
    pub against: &'static str,
    /// What the random choice began with.
    pub seed: u64,
    /// How many samples the render has.
    pub all: u64,
    /// How many of them were checked.
    pub samples: usize,
    /// How many of these are chaotic: their counts change when their points move by a rounding of their coordinates. They are left out
    /// of everything below.
    pub chaotic: usize,
    /// How many counts differ.
    pub off: usize,
    /// These as a share of the samples that are not chaotic.
    pub share: f64,
    /// Where the share of all samples of the render lies with 95 % confidence.
    pub interval: Interval,
    /// How many samples escape in the render and not in truth, or the reverse; part of `off`.
    pub sides: usize,
    /// The other counts that differ, by how many iterations.
    pub iterations: Option<Spread>,
    /// By how much smooth counts differ where the counts are equal.
    pub smooth: Option<Spread>,
    /// By how much distance vectors differ where the counts are equal, as a share of their length.
    pub distance: Option<Spread>,
    /// How many samples were also computed with as many digits as they need.
    pub exact: usize,
    /// How many of these have another count in what the render was compared with.
    pub exact_off: usize,
}

/// The sizes of differences.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Half of them are at most this.
    pub median: f64,
    /// 99 of a hundred are at most this.
    pub p99: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let largest = values.iter().copied().fold(0.0, f64::max);
        (!values.is_empty()).then(|| Self { median: median(values), p99: quantile(values, 0.99), largest })
    }
}

impl Check {
    /// A check of `scene` as it would be rendered.
    ///
    /// # Errors
    /// As [`Render::with`]; [`Error::Usage`] for a number of samples that is not allowed; [`Error::Unsupported`] where there is nothing to
    /// compare with.
    pub fn new(scene: &Scene, choice: Choice) -> Result<Self> {
        if !(1..=MAX_SAMPLES).contains(&choice.samples) {
            return Err(Error::Usage(format!(
                "{} pixels cannot be checked; allowed are 1 to {MAX_SAMPLES}",
                choice.samples
            )));
        }
        let channels = Channels::ALL;
        let render = Render::with(scene, RenderOptions { channels, ..RenderOptions::default() })?;
        let truth = Truth::new(&Request::new(scene, channels, None)?)?;
        let size = render.tiling().size();
        let samples = chosen(size.area(), choice)
            .into_iter()
            .map(|index| [(index % u64::from(size.width)) as u32, (index / u64::from(size.width)) as u32])
            .collect();
        Ok(Self { render, truth, samples, all: size.area(), choice, found: Mutex::default() })
    }

    /// How many samples are checked: fewer than asked for if the render has no more.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The render that is checked.
    pub fn render(&self) -> &Render {
        &self.render
    }

    /// The most bytes of what all samples share in the numbers that it is compared with: nothing is skipped there, so these grow with the
    /// maximum of iterations, unless the reference orbit escapes or comes to an attracting cycle before.
    pub fn truth_len(&self) -> u64 {
        self.truth.prepared_len()
    }

    /// What was found in a complete run.
    ///
    /// # Panics
    /// If nothing was.
    pub fn outcome(&self) -> Checked {
        let found = lock(&self.found);
        let calm: Vec<_> = found.iter().filter(|found| found.is_chaotic == 0.0).collect();
        let escaped = |numbers: &Numbers| numbers[0] >= 0.0;
        let off: Vec<_> = calm.iter().filter(|found| found.rendered[0] != found.truth[0]).collect();
        let both = off.iter().filter(|found| escaped(&found.rendered) && escaped(&found.truth));
        let iterations: Vec<_> = both.map(|found| (found.rendered[0] - found.truth[0]).abs()).collect();
        let equal = || calm.iter().filter(|found| found.rendered[0] == found.truth[0] && escaped(&found.truth));
        let smooth: Vec<_> = equal().map(|found| (found.rendered[1] - found.truth[1]).abs()).collect();
        let length = |[x, y]: [f64; 2]| x.hypot(y);
        let distance: Vec<_> = equal()
            .map(|Found { rendered: [.., a, b], truth: [.., x, y], .. }| length([a - x, b - y]) / length([*x, *y]))
            .filter(|share| share.is_finite())
            .collect();
        let exact: Vec<_> = found.iter().filter(|found| found.is_exact > 0.0).collect();
        Checked {
            tier: self.render.kernel().facts().tier,
            against: self.truth.method(),
            seed: self.choice.seed,
            all: self.all,
            samples: found.len(),
            chaotic: found.len() - calm.len(),
            off: off.len(),
            share: off.len() as f64 / calm.len().max(1) as f64,
            interval: Interval::of_share(off.len(), calm.len()),
            sides: off.len() - iterations.len(),
            iterations: Spread::of(&iterations),
            smooth: Spread::of(&smooth),
            distance: Spread::of(&distance),
            exact: exact.len(),
            exact_off: exact.iter().filter(|found| found.exact[0] != found.truth[0]).count(),
        }
    }

    /// The sample as it is rendered.
    fn rendered(&self, prepared: &Prepared, [x, y]: [u32; 2], stop: &Stop) -> Result<Numbers> {
        let kernel = self.render.kernel();
        let tile = Tile { x, y, width: 1, height: 1 };
        let mut words = vec![0_u32; kernel.channels().words()];
        let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut [0] };
        kernel.compute(prepared, claim, stop)?;
        let samples = Samples::new(tile, kernel.channels(), bytemuck::cast_slice(&words));
        let count = samples.count(0).map_or(-1.0, |count| count as f64);
        let [fraction, right, down] =
            [FRACTIONS, DISTANCES_X, DISTANCES_Y].map(|plane| f64::from(samples.plane(plane)[0]));
        Ok([count, fraction, right, down])
    }

    fn found(&self, prepared: &Prepared, index: usize, stop: &Stop) -> Result<(Found, u64)> {
        let numbers = |TrueSample { count, fraction, distance: [right, down], .. }| {
            [count.map_or(-1.0, |count| count as f64), fraction, right, down]
        };
        let [x, y] = self.samples[index];
        let rendered = self.rendered(prepared, [x, y], stop)?;
        let truth = self.truth.sample(x, y, stop).ok_or(Error::Stopped)?;
        let is_chaotic = self.truth.is_chaotic(x, y, truth.count, stop).ok_or(Error::Stopped)?;
        let is_exact = index < self.choice.exact;
        let exact = if is_exact { numbers(self.truth.exactly(x, y, stop).ok_or(Error::Stopped)?) } else { [0.0; 4] };
        let [is_exact, is_chaotic] = [is_exact, is_chaotic].map(|is| f64::from(u8::from(is)));
        Ok((Found { rendered, truth: numbers(truth), exact, is_exact, is_chaotic }, truth.executed))
    }
}

/// Numbers below `all`, all different, in random order; all of them in order if there are no more.
fn chosen(all: u64, Choice { samples, seed, .. }: Choice) -> Vec<u64> {
    if samples as u64 >= all {
        return (0..all).collect();
    }
    let mut random = Random::new(seed);
    let (mut seen, mut chosen) = (HashSet::new(), Vec::with_capacity(samples));
    // Floyd's way: each number is new, or else the last one is.
    for last in all - samples as u64..all {
        let drawn = random.below(last as usize + 1) as u64;
        let new = if seen.insert(drawn) { drawn } else { last };
        seen.insert(new);
        chosen.push(new);
    }
    random.shuffle(&mut chosen);
    chosen
}

impl Work for Check {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn piece_len(&self, _: usize) -> usize {
        Found::BYTES
    }

    fn claim_bytes(&self) -> Option<usize> {
        // A sample takes milliseconds.
        Some(Found::BYTES)
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let prepared = self.render.prepared(preparing)?;
        self.truth.prepare(preparing)?;
        Ok(prepared)
    }

    fn prepared_len(&self) -> u64 {
        self.render.work().prepared_len()
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let range = claim.range();
        for (place, index) in range.enumerate() {
            let (found, executed) = self.found(prepared, index, stop)?;
            let len = Found::BYTES;
            claim.bytes()[place * len..(place + 1) * len].copy_from_slice(&found.to_bytes());
            claim.add_executed(executed);
            claim.set_cost(index, executed);
        }
        Ok(())
    }

    fn unit(&self) -> &'static str {
        "iterations"
    }

    fn describe(&self, index: usize) -> String {
        let [x, y] = self.samples[index];
        format!("sample {x},{y} of {}", self.render.scene().title())
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("choice", &self.choice).finish_non_exhaustive()
    }
}

/// Collects what a check finds.
#[derive(Debug)]
pub struct Findings(pub Arc<Check>);

impl Sink for Findings {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        lock(&self.0.found).extend(done.pieces().map(|piece| Found::from_bytes(piece.bytes)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, SessionOptions};

    fn check(scene: &str, samples: usize) -> Checked {
        let scene = Scene::from_toml(scene).unwrap();
        let check = Arc::new(Check::new(&scene, Choice { samples, exact: 4, seed: 7 }).unwrap());
        let mut session = backend::find("threads").unwrap().open(&SessionOptions::default()).unwrap();
        session.run(check.clone(), Arc::new(Findings(check.clone())), &Stop::new()).unwrap();
        check.outcome()
    }

    /// At the Feigenbaum point, where orbits are long and slow.
    #[test]
    fn long_orbits_in_small_views_are_refined_but_in_drafts() {
        let off = |quality: &str| {
            let found = check(
                &format!(
                    "[view]\nre = \"-1.40115518909205033599\"\nwidth = \"1e-8\"\n[image]\nsize = [256, 256]\nsamples = 1\n\
                     [iteration]\nmax = 100000\nquality = \"{quality}\"\n"
                ),
                100,
            );
            (found.tier, found.off)
        };
        assert_eq!(off("normal"), ("f64", 0));
        let (tier, wrong) = off("draft");
        assert!(tier == "f64" && wrong > 5, "{wrong} counts differ");
    }

    /// Around a copy of the set, of period 20 and 10²³ times smaller: without an end at its cycle, any orbit there would take minutes.
    #[test]
    fn a_billion_iterations_are_checked_where_orbits_repeat() {
        let found = check(
            "[view]\nre = \"-1.99999999998653547063236736429077818859381\"\nim = \"1.5e-23\"\nwidth = \"2e-22\"\n\
             [iteration]\nmax = 1000000000\n[image]\nsize = [16, 9]\nsamples = 1\n",
            144,
        );
        assert_eq!((found.samples, found.off, found.exact, found.exact_off), (144, 0, 4, 0), "{found:?}");
    }

    /// What the widest numbers say is what the kernels say, of every formula and kind of view, but for the roundings of `f64`.
    #[test]
    fn all_tiers_and_formulas_are_checked() {
        let julia = "[view]\nwidth = \"3\"\n[image]\nsize = [60, 40]\nsamples = 2\n";
        let deep = |width: &str, rest: &str| {
            format!(
                "[view]\nre = \"0\"\nim = \"1\"\nwidth = \"{width}\"\nrotation = 30.0\n[image]\nsize = [60, 40]\n{rest}"
            )
        };
        let scenes = [
            format!("julia = [\"-0.8\", \"0.156\"]\n{julia}"),
            "[view]\nre = \"-0.7436\"\nim = \"0.1318\"\nwidth = \"1e-4\"\nrotation = 20.0\n[iteration]\nmax = 3000\n"
                .into(),
            "formula = \"multibrot\"\npower = 8\n[iteration]\nescape_radius = 1e5\n".into(),
            "formula = \"multibrot\"\npower = 5\n".into(),
            "formula = \"burning_ship\"\n[view]\nre = \"-1.75\"\nim = \"-0.03\"\nwidth = \"0.1\"\nrotation = 20.0\n"
                .into(),
            "formula = \"tricorn\"\n".into(),
            "formula = \"celtic\"\n".into(),
            deep("1e-30", "crop = [10, 20, 30, 20]\n"),
            deep("1e-200", "[iteration]\nmax = 1000\n"),
            deep("1e-289", "[iteration]\nmax = 2000\n"),
            format!("julia = [\"0\", \"1\"]\n{}", deep("1e-30", "")),
            format!("julia = [\"0\", \"1\"]\n{}", deep("1e-320", "[iteration]\nmax = 3000\n")),
        ];
        for scene in scenes {
            let found = check(&scene, 150);
            assert_eq!((found.samples, found.exact, found.exact_off), (150, 4, 0), "{scene}");
            assert!(found.share < 0.03 && found.chaotic < 15, "{scene}: {found:?}");
            let (smooth, distance) = (found.smooth.unwrap(), found.distance.unwrap());
            // What grows with the derivative is as large as it likes for samples that are nearly chaotic.
            assert!(smooth.median < 1e-6 && smooth.median > 0.0, "{scene}: {smooth:?}");
            assert!(distance.median < 1e-6 && distance.median > 0.0, "{scene}: {distance:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_seen() {
        // So few digits of the centre that the picture shows another place: the check knows only the right one.
        let scene =
            Scene::from_toml("[view]\nre = \"0\"\nim = \"1\"\nwidth = \"1e-20\"\n[image]\nsize = [9, 9]\n").unwrap();
        let check = Check::new(&scene, Choice { samples: 81, exact: 0, seed: 1 }).unwrap();
        let found = |rendered: f64, truth: f64, chaotic: f64| Found {
            rendered: [rendered, 0.5, 3.0, 4.0],
            truth: [truth, 0.25, 3.0, 3.0],
            exact: [truth + 1.0, 0.0, 0.0, 0.0],
            is_exact: chaotic,
            is_chaotic: chaotic,
        };
        let all = [[7.0, 7.0, 0.0], [9.0, 7.0, 0.0], [7.0, -1.0, 0.0], [8.0, 12.0, 0.0], [1.0, 2.0, 1.0]];
        lock(&check.found).extend(all.map(|[a, b, chaotic]| found(a, b, chaotic)));
        let Checked { samples, chaotic, off, share, sides, iterations, smooth, distance, exact, exact_off, .. } =
            check.outcome();
        assert_eq!((samples, chaotic, off, share, sides, exact, exact_off), (5, 1, 3, 0.75, 1, 1, 1));
        assert_eq!((iterations.unwrap().largest, iterations.unwrap().median), (4.0, 3.0));
        assert_eq!((smooth.unwrap().largest, distance.unwrap().largest), (0.25, 1.0 / 18_f64.sqrt()));
    }

    #[test]
    fn choices_are_random_and_without_repetition() {
        let choice = |samples, seed| chosen(100, Choice { samples, exact: 0, seed });
        let one = choice(60, 1);
        assert_eq!((one.len(), one.iter().collect::<HashSet<_>>().len()), (60, 60));
        assert!(one.iter().all(|&index| index < 100) && one != choice(60, 2) && one == choice(60, 1));
        assert_eq!(choice(1000, 1), (0..100).collect::<Vec<_>>());
        let sum: u64 = (0..200).map(|seed| choice(1, seed)[0]).sum();
        assert!((8_000..12_000).contains(&sum), "{sum}");
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        let choice = Choice { samples: 0, exact: 0, seed: 1 };
        let text = Check::new(&Scene::default(), choice).unwrap_err().to_string();
        assert_eq!(text, "0 pixels cannot be checked; allowed are 1 to 10000000");
    }
}

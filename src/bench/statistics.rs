//! Statistics of measured times, and which differences between two samples are real.
//!
//! Times of runs are not normally distributed: other load on the machine makes a run longer, nothing makes it shorter. So the minimum and
//! the median are reported with the median absolute deviation, intervals come from the bootstrap, and samples are compared by ranks. All
//! of it is deterministic: the bootstrap draws from a generator with a fixed seed.

use serde::{Deserialize, Serialize};

/// How far a value's modified z-score may be from 0 before it is an outlier (Iglewicz and Hoaglin 1993).
const OUTLIER: f64 = 3.5;

/// The median absolute deviation of a normal distribution, in standard deviations.
const NORMAL_DEVIATION: f64 = 0.674_489_750_196_081_7;

/// The statistics of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation of the population that the sample is from; 0 for a single value.
    pub stddev: f64,
    /// The median.
    pub median: f64,
    /// The least value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The median absolute deviation from the median, not scaled to a standard deviation.
    pub mad: f64,
    /// How many values are further from the median than 3.5 deviations of a normal distribution with this `mad`.
    pub outliers: usize,
}

impl Summary {
    /// Of at least one value; `None` for none, or when a value is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values)?;
        // The mean of the differences from the median keeps its precision when the values are large and alike.
        let median = quantile_of_sorted(&sorted, 0.5);
        let n = sorted.len() as f64;
        let mean = median + sorted.iter().map(|value| value - median).sum::<f64>() / n;
        let (squares, rest) = sorted.iter().fold((0.0, 0.0), |(squares, rest), value| {
            let off = value - mean;
            (squares + off * off, rest + off)
        });
        let variance = if sorted.len() > 1 { (squares - rest * rest / n) / (n - 1.0) } else { 0.0 };
        let mad = mad(&sorted, median);
        let outliers =
            sorted.iter().filter(|&&value| NORMAL_DEVIATION * (value - median).abs() > OUTLIER * mad).count();
        Some(Self {
            mean,
            stddev: variance.max(0.0).sqrt(),
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            mad,
            outliers: if mad > 0.0 { outliers } else { 0 },
        })
    }
}

/// In increasing order; `None` when there are none, or one is not finite.
fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty() && sorted.iter().all(|value| value.is_finite())).then_some(sorted)
}

fn mad(sorted: &[f64], median: f64) -> f64 {
    let mut off: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
    off.sort_by(f64::total_cmp);
    quantile_of_sorted(&off, 0.5)
}

/// The median; NaN without values.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a fraction `p` of the sample lies, interpolated linearly between the two nearest values (type 7 of Hyndman and
/// Fan, which is R's and NumPy's default); NaN without values.
pub fn quantile(values: &[f64], p: f64) -> f64 {
    sorted(values).map_or(f64::NAN, |sorted| quantile_of_sorted(&sorted, p))
}

fn quantile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let place = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// A range that contains the true value with a stated probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` is in it.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Where a share lies with 95 % confidence when `count` of `of` drawn at random have it (Wilson 1927); all that is possible for none.
    pub fn of_share(count: usize, of: usize) -> Self {
        /// The 97.5th percentile of the standard normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        if of == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        let (n, share) = (of as f64, count as f64 / of as f64);
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 / (1.0 + Z * Z / n);
        // Rounding must not say that what occurred cannot.
        let (low, high) = ((middle - half) * scale, (middle + half) * scale);
        Self { low: if count == 0 { 0.0 } else { low }, high: if count == of { 1.0 } else { high } }
    }

    /// The middle `level` (0.95, say) of `values`; `None` when there are none. Values that are not finite are left out.
    pub fn of(values: &[f64], level: f64) -> Option<Self> {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let sorted = sorted(&finite)?;
        let tail = (1.0 - level) / 2.0;
        Some(Self { low: quantile_of_sorted(&sorted, tail), high: quantile_of_sorted(&sorted, 1.0 - tail) })
    }
}

/// A deterministic random number generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// A number from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        /// The upper 53 bits as a number above 0, up to 1.
        fn part(bits: u64) -> f64 {
            ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
        }
        let (radius, angle) = (part(self.bits()), part(self.bits()));
        (-2.0 * radius.ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// As many values as `sample` has, drawn from it with replacement.
    pub fn resample(&mut self, sample: &[f64]) -> Vec<f64> {
        sample.iter().map(|_| sample[self.below(sample.len())]).collect()
    }
}

/// How many resamples the bootstrap draws.
pub const DRAWS: usize = 1000;

/// The interval of `statistic` over resamples of `samples`, each drawn on its own (percentile bootstrap); `None` when a sample is empty.
pub fn bootstrap(
    samples: &[&[f64]],
    level: f64,
    seed: u64,
    statistic: impl Fn(&[Vec<f64>]) -> f64,
) -> Option<Interval> {
    if samples.iter().any(|sample| sample.is_empty()) {
        return None;
    }
    let mut random = Random::new(seed);
    let drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let again: Vec<Vec<f64>> = samples.iter().map(|sample| random.resample(sample)).collect();
            statistic(&again)
        })
        .collect();
    Interval::of(&drawn, level)
}

/// In larger samples than this, the median of a resample need not be searched for: its place is normally distributed.
const CROWD: usize = 1000;

/// The same for a statistic of the samples' medians, without sorting a thousand times. Up to 1000 values per sample, [`bootstrap`] gives
/// the same interval.
pub fn bootstrap_medians<const N: usize>(
    samples: [&[f64]; N],
    level: f64,
    seed: u64,
    statistic: impl Fn([f64; N]) -> f64,
) -> Option<Interval> {
    let mut random = Random::new(seed);
    // The place of each value in the sorted sample.
    let ranks = samples.map(|sample| {
        let mut order: Vec<usize> = (0..sample.len()).collect();
        order.sort_by(|&a, &b| sample[a].total_cmp(&sample[b]));
        let mut ranks = vec![0; sample.len()];
        order.iter().enumerate().for_each(|(rank, &place)| ranks[place] = rank);
        ranks
    });
    let sorted = samples.map(sorted);
    if sorted.iter().any(Option::is_none) {
        return None;
    }
    let sorted = sorted.map(Option::unwrap_or_default);
    let mut counts = vec![0; CROWD];
    let drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            statistic(std::array::from_fn(|sample| {
                let (sorted, ranks) = (&sorted[sample], &ranks[sample]);
                if sorted.len() > CROWD {
                    let place = 0.5 + random.normal() / (2.0 * (sorted.len() as f64).sqrt());
                    return quantile_of_sorted(sorted, place);
                }
                let counts = &mut counts[..sorted.len()];
                counts.fill(0);
                sorted.iter().for_each(|_| counts[ranks[random.below(ranks.len())]] += 1);
                median_of_counts(sorted, counts)
            }))
        })
        .collect();
    Interval::of(&drawn, level)
}

/// The fewest values of a sample whose median has an interval: with fewer, even the range from the least to the largest may miss it more
/// often than `level` allows, since each value is below it with a chance of one half.
pub fn fewest_times(level: f64) -> usize {
    (1..=1000).find(|&times| 0.5_f64.powi(times - 1) <= level * (1.0 + 1e-9)).map_or(usize::MAX, |times| times as usize)
}

/// The interval of the median of `after` over that of `before`; `None` if there are too few values for one.
pub fn ratio_of_medians(before: &[f64], after: &[f64], level: f64) -> Option<Interval> {
    if before.len().min(after.len()) < fewest_times(level) {
        return None;
    }
    // A share of both, which grows with the ratio and is finite even where that is not.
    let share = |[before, after]: [f64; 2]| if before == after { 0.5 } else { after / (before + after) };
    let shares = bootstrap_medians([before, after], 1.0 - level, 1, share)?;
    let ratio = |share: f64| share / (1.0 - share);
    Some(Interval { low: ratio(shares.low), high: ratio(shares.high) })
}

/// The median when each of the sorted values occurs `counts` times; the counts add up to the number of values.
fn median_of_counts(sorted: &[f64], counts: &[usize]) -> f64 {
    let mut places = [(sorted.len() - 1) / 2, sorted.len() / 2].into_iter();
    let (mut before, mut found) = (0, [f64::NAN; 2]);
    let mut next = places.next();
    let mut filled = 0;
    for (value, count) in sorted.iter().zip(counts) {
        before += count;
        while next.is_some_and(|place| place < before) {
            found[filled] = *value;
            filled += 1;
            next = places.next();
        }
    }
    found[0] + (found[1] - found[0]) * 0.5
}

/// The result of the test of Mann, Whitney and Wilcoxon on two samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MannWhitney {
    /// In how many pairs the first sample's value is the larger; ties count half.
    pub u: f64,
    /// How likely samples from the same distribution differ at least as much, in either direction.
    pub p: f64,
}

/// Without ties, up to this many pairs are counted exactly; beyond, the normal approximation is as good.
const EXACT_PAIRS: usize = 900;

/// Compares two samples by their ranks. `None` when one is empty or has a value that is not finite.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    let (m, n) = (first.len(), second.len());
    sorted(first).and(sorted(second))?;
    let mut all: Vec<(f64, bool)> = first.iter().map(|&value| (value, true)).collect();
    all.extend(second.iter().map(|&value| (value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties) = (0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let before = (group.as_ptr() as usize - all.as_ptr() as usize) / size_of::<(f64, bool)>();
        let size = group.len() as f64;
        let rank = before as f64 + (size + 1.0) / 2.0;
        ranks += rank * group.iter().filter(|(_, own)| *own).count() as f64;
        ties += size * size * size - size;
    }
    let (mf, nf) = (m as f64, n as f64);
    let u = ranks - mf * (mf + 1.0) / 2.0;
    let p = if ties == 0.0 && m * n <= EXACT_PAIRS {
        exact_p(u.min(mf * nf - u) as usize, m, n)
    } else {
        let total = mf + nf;
        let variance = mf * nf / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
        if variance > 0.0 {
            2.0 * upper_tail(((u - mf * nf / 2.0).abs() - 0.5).max(0.0) / variance.sqrt())
        } else {
            1.0
        }
    };
    Some(MannWhitney { u, p: p.min(1.0) })
}

/// Twice the probability that the smaller U is at most `u`: the number of arrangements with each U is a Gaussian binomial coefficient,
/// built up factor by factor.
fn exact_p(u: usize, m: usize, n: usize) -> f64 {
    let pairs = m * n;
    let mut counts = vec![0.0; pairs + 1];
    counts[0] = 1.0;
    for i in 1..=m {
        for at in (n + i..=pairs).rev() {
            counts[at] -= counts[at - n - i];
        }
        for at in i..=pairs {
            counts[at] += counts[at - i];
        }
    }
    let total: f64 = counts.iter().sum();
    2.0 * counts[..=u].iter().sum::<f64>() / total
}

/// How likely a standard normal value is above `z` ≥ 0, to 1e-14: a series near 0, a continued fraction beyond.
fn upper_tail(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 3.0 {
        let (mut term, mut sum, mut k) = (z, z, 1.0);
        while term > 1e-18 * sum {
            k += 2.0;
            term *= z * z / k;
            sum += term;
        }
        0.5 - density * sum
    } else {
        let fraction = (1..200).rev().fold(z, |below, k| z + f64::from(k) / below);
        density / fraction
    }
}

/// Which of several hypotheses with these p-values can be rejected when at most the fraction `level` of all rejections may be wrong
/// (Benjamini and Hochberg 1995). When there is nothing to find, the chance of any rejection is at most `level` too.
pub fn discoveries(probabilities: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let allowed = |rank: usize| (rank + 1) as f64 * level / order.len() as f64;
    let last = (0..order.len()).rev().find(|&rank| probabilities[order[rank]] <= allowed(rank));
    let mut found = vec![false; probabilities.len()];
    for &index in last.map_or(&[][..], |last| &order[..=last]) {
        found[index] = true;
    }
    found
}

/// The value with a tenth of all others below it, for times that other load disturbs: a minimum may come from a rare moment in which the
/// processor's clock ran faster, a median or a quartile from a busy machine. `None` without values.
pub fn lower_decile<T>(values: &[T], key: impl Fn(&T) -> f64) -> Option<&T> {
    let mut sorted: Vec<&T> = values.iter().collect();
    sorted.sort_by(|a, b| key(a).total_cmp(&key(b)));
    sorted.get(values.len().saturating_sub(1) / 10).copied()
}

#[cfg(test)]
mod tests;

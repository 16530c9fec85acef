//! Scaling laws, fitted to measured times: Amdahl's and the universal scalability law (Gunther 1993); and the serial fraction of Karp and
//! Flatt (1990), which needs no fit.
//!
//! Both laws are linear in their parameters once they are written for times, T(n) = T(1)·(1 + α(n − 1) + βn(n − 1))/n with β = 0 for
//! Amdahl's. So one linear solve finds the least squares of relative errors, without a starting value or iterations. Speed-ups could be
//! fitted instead, but they divide by one measured time, whose error then affects every point.

use super::statistics::{DRAWS, Interval, Random, bootstrap, fewest_times, median};
use serde::{Deserialize, Serialize};

/// The probability with which intervals of fits contain the true value.
pub const LEVEL: f64 = 0.95;

/// The times of one thing with one number of workers.
#[derive(Clone, Debug)]
pub struct Point {
    /// How many workers there were.
    pub workers: usize,
    /// The times of all runs, in seconds.
    pub times: Vec<f64>,
}

/// T(n) = T(1)·(1 + α(n − 1) + βn(n − 1))/n.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// T(1), in seconds.
    pub single: f64,
    /// α, the part of the work that cannot be done in parallel: Amdahl's serial fraction.
    pub contention: f64,
    /// β, what it costs to keep each pair of workers in step; 0 for Amdahl's law.
    pub coherency: f64,
}

/// A law with its uncertainty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The law.
    #[serde(flatten)]
    pub law: Law,
    /// The 95 % confidence interval of α, from the scatter of the measured times; its lower end may be below 0, where workers were faster
    /// than their number allows. `None` if there are too few times for one.
    pub contention_interval: Option<Interval>,
    /// The same for β, which is at least 0.
    pub coherency_interval: Option<Interval>,
    /// The same for the number of workers beyond which more are slower; `None` if there may be no such number.
    #[serde(default)]
    pub peak_interval: Option<Interval>,
    /// Speed-ups with more workers, as far as their intervals say anything.
    #[serde(default)]
    pub forecasts: Vec<Extrapolated>,
}

/// A speed-up with more workers than were measured, or with as many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extrapolated {
    /// The number of workers.
    pub workers: usize,
    /// How many times faster than one they are by the law.
    pub speedup: f64,
    /// The 95 % confidence interval.
    pub interval: Interval,
}

/// A forecast whose ends are further apart than this ratio says nothing.
const VAGUE: f64 = 2.0;

/// Forecasts go as far as this many times the most workers that were measured.
const FARTHEST: usize = 8;

impl Fit {
    /// Why there are no forecasts, or none beyond a number of workers.
    pub fn limit_of_forecasts(&self) -> String {
        match (self.contention_interval, self.forecasts.last()) {
            (None, _) => {
                format!("no forecast: it needs {} runs with each number of workers", fewest_times(1.0 - LEVEL))
            }
            (Some(range), None) if range.high < 0.0 => {
                "no forecast: the workers were faster than their number allows".to_owned()
            }
            (Some(range), None) if range.low > 1.0 => "no forecast: the workers were slower than one".to_owned(),
            (_, None) => "no forecast: the times allow almost any".to_owned(),
            (_, Some(last)) => format!("nothing is known beyond {} workers", last.workers),
        }
    }
}

impl Law {
    /// How many times faster `workers` workers are than one.
    pub fn speedup(&self, workers: f64) -> f64 {
        workers / (1.0 + self.contention * (workers - 1.0) + self.coherency * workers * (workers - 1.0))
    }

    /// The number of workers beyond which more of them are slower; `None` when there is no such number.
    pub fn peak(&self) -> Option<f64> {
        (self.coherency > 0.0).then(|| ((1.0 - self.contention).max(0.0) / self.coherency).sqrt().max(1.0))
    }

    /// The speed-up with infinitely many workers; `None` when there is no limit, or a peak before it.
    pub fn limit(&self) -> Option<f64> {
        (self.coherency == 0.0 && self.contention > 0.0).then(|| 1.0 / self.contention)
    }
}

/// Amdahl's law; `None` without two different numbers of workers. α is at least 0 and at most 1.
pub fn amdahl(points: &[Point]) -> Option<Fit> {
    fit(points, 2)
}

/// The universal scalability law; `None` without three different numbers of workers. α and β are at least 0.
pub fn universal(points: &[Point]) -> Option<Fit> {
    fit(points, 3)
}

fn fit(points: &[Point], parameters: usize) -> Option<Fit> {
    let samples: Vec<&[f64]> = points.iter().map(|point| &*point.times).collect();
    let workers: Vec<f64> = points.iter().map(|point| point.workers as f64).collect();
    let mut different = workers.clone();
    different.sort_by(f64::total_cmp);
    different.dedup();
    if different.len() < parameters || samples.iter().any(|times| times.is_empty()) {
        return None;
    }
    let medians: Vec<f64> = samples.iter().map(|times| median(times)).collect();
    let law = law(&workers, &medians, parameters)?;
    let mut fit =
        Fit { law, contention_interval: None, coherency_interval: None, peak_interval: None, forecasts: Vec::new() };
    if samples.iter().any(|times| times.len() < fewest_times(1.0 - LEVEL)) {
        return Some(fit);
    }
    let drawn = draws(&workers, &samples, parameters);
    let of = |value: &dyn Fn(&Draw) -> f64| spread(drawn.iter().map(value).collect());
    fit.contention_interval = if parameters > 2 { of(&|draw| draw.law.contention) } else { of(&|draw| draw.unlimited) };
    if parameters > 2 {
        fit.coherency_interval = of(&|draw| draw.law.coherency);
        let peaks = of(&|draw| draw.law.peak().unwrap_or(f64::INFINITY));
        fit.peak_interval = peaks.filter(|peak| peak.high.is_finite());
    }
    // A serial part that must be below 0 or above 1 is none: these laws know no such workers.
    if of(&|draw| draw.unlimited).is_none_or(|range| range.high < 0.0 || range.low > 1.0) {
        return Some(fit);
    }
    let most = different.last().map_or(1, |most| *most as usize);
    let counts = (1..).map(|power| 1_usize << power).take_while(|&count| count <= FARTHEST * most);
    let forecast = |count: usize| {
        let n = count as f64;
        let interval = of(&|draw| draw.law.speedup(n))?;
        Some(Extrapolated { workers: count, speedup: law.speedup(n), interval })
    };
    fit.forecasts =
        counts.map_while(forecast).take_while(|one| one.interval.high <= VAGUE * one.interval.low).collect();
    Some(fit)
}

/// A law of resampled times.
struct Draw {
    law: Law,
    /// Amdahl's serial fraction without its limits, which shows how near they are.
    unlimited: f64,
}

/// The laws of a thousand resamples.
fn draws(workers: &[f64], samples: &[&[f64]], parameters: usize) -> Vec<Draw> {
    let mut random = Random::new(1);
    let one = |_| {
        let medians: Vec<f64> = samples.iter().map(|times| median(&random.resample(times))).collect();
        let (mut law, unlimited) = (law(workers, &medians, parameters)?, unlimited(workers, &medians)?);
        if parameters == 2 {
            // Workers that are slower than one are not exactly as fast as one.
            law.contention = unlimited.max(0.0);
        }
        Some(Draw { law, unlimited })
    };
    (0..DRAWS).filter_map(one).collect()
}

/// The interval of drawn values, of which some may be infinite.
fn spread(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0 * (values.len().checked_sub(1)? as f64);
    Some(Interval { low: values[tail.floor() as usize], high: values[values.len() - 1 - tail.floor() as usize] })
}

/// Amdahl's serial fraction by least squares, whatever its sign.
fn unlimited(workers: &[f64], times: &[f64]) -> Option<f64> {
    let column = |value: fn(f64) -> f64| workers.iter().zip(times).map(|(&n, time)| value(n) / n / time).collect();
    let solution = least_squares(&[column(|_| 1.0), column(|n| n - 1.0)], &vec![1.0; workers.len()])?;
    Some(solution[1] / solution[0])
}

/// Gustafson's law (1988) for work that grows with the workers: n workers do n − α(n − 1) times what one does in the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gustafson {
    /// α, the serial part of the time of a run.
    pub serial: f64,
    /// Its 95 % confidence interval; `None` if there are too few times for one.
    pub interval: Option<Interval>,
}

/// Gustafson's law, by least squares of scaled speed-ups, from the times of one worker and points that also say how many times as much
/// work they did. `None` without a point of several workers.
pub fn gustafson(one: &[f64], points: &[(Point, f64)]) -> Option<Gustafson> {
    let points: Vec<_> = points.iter().filter(|(point, _)| point.workers > 1 && !point.times.is_empty()).collect();
    if one.is_empty() || points.is_empty() {
        return None;
    }
    let serial = |medians: &[f64]| {
        let sums = points.iter().zip(&medians[1..]).fold([0.0; 2], |[above, below], ((point, growth), time)| {
            let n = point.workers as f64;
            let scaled = growth * medians[0] / time;
            [above + (n - scaled) * (n - 1.0), below + (n - 1.0) * (n - 1.0)]
        });
        sums[0] / sums[1]
    };
    let samples: Vec<&[f64]> = std::iter::once(one).chain(points.iter().map(|(point, _)| &*point.times)).collect();
    let of = |times: &[&[f64]]| serial(&times.iter().map(|times| median(times)).collect::<Vec<_>>());
    let enough = samples.iter().all(|times| times.len() >= fewest_times(1.0 - LEVEL));
    let interval =
        enough.then(|| bootstrap(&samples, LEVEL, 1, |drawn| of(&drawn.iter().map(|d| &**d).collect::<Vec<_>>())));
    Some(Gustafson { serial: of(&samples), interval: interval.flatten() })
}

/// The law with the least squares of relative errors among those whose parameters are not negative: the best over all choices of which
/// parameters are 0.
fn law(workers: &[f64], times: &[f64], parameters: usize) -> Option<Law> {
    let column = |parameter: usize| -> Vec<f64> {
        let value = |(&n, &time): (&f64, &f64)| match parameter {
            0 => 1.0 / n / time,
            1 => (n - 1.0) / n / time,
            _ => (n - 1.0) / time,
        };
        workers.iter().zip(times).map(value).collect()
    };
    let columns: Vec<Vec<f64>> = (0..parameters).map(column).collect();
    let ones = vec![1.0; workers.len()];
    let mut best: Option<(f64, Law)> = None;
    // The first parameter is T(1), which is never 0.
    for chosen in (0..1_u32 << (parameters - 1)).map(|others| 2 * others + 1) {
        let used: Vec<usize> = (0..parameters).filter(|&parameter| chosen >> parameter & 1 == 1).collect();
        let matrix: Vec<Vec<f64>> = used.iter().map(|&parameter| columns[parameter].clone()).collect();
        let Some(solution) = least_squares(&matrix, &ones) else { continue };
        if solution.iter().any(|&value| value < 0.0) || solution[0] <= 0.0 {
            continue;
        }
        let mut all = [0.0; 3];
        for (&parameter, value) in used.iter().zip(&solution) {
            all[parameter] = *value;
        }
        let error: f64 = (0..ones.len())
            .map(|row| (1.0 - matrix.iter().zip(&solution).map(|(column, x)| column[row] * x).sum::<f64>()).powi(2))
            .sum();
        let law = Law { single: all[0], contention: (all[1] / all[0]).min(1.0), coherency: all[2] / all[0] };
        if best.is_none_or(|(least, _)| error < least) {
            best = Some((error, law));
        }
    }
    best.map(|(_, law)| law)
}

/// The x with the least sum of squares of Σ `columns`ᵢ·xᵢ − `target`, by orthogonalisation (Gram–Schmidt, twice, which is as good as
/// Householder's reflections). `None` when the columns are linearly dependent or there are more of them than rows.
pub fn least_squares(columns: &[Vec<f64>], target: &[f64]) -> Option<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let n = columns.len();
    if n == 0 || n > target.len() {
        return None;
    }
    let mut orthogonal: Vec<Vec<f64>> = Vec::new();
    let mut triangle = vec![vec![0.0; n]; n];
    let mut rest = target.to_vec();
    let mut projected = vec![0.0; n];
    for (j, column) in columns.iter().enumerate() {
        let mut vector = column.clone();
        for _ in 0..2 {
            for (i, earlier) in orthogonal.iter().enumerate() {
                let part = dot(earlier, &vector);
                triangle[i][j] += part;
                vector.iter_mut().zip(earlier).for_each(|(value, earlier)| *value -= part * earlier);
            }
        }
        let length = dot(&vector, &vector).sqrt();
        if length.is_nan() || length <= 1e-13 * dot(column, column).sqrt() {
            return None;
        }
        triangle[j][j] = length;
        vector.iter_mut().for_each(|value| *value /= length);
        for _ in 0..2 {
            let part = dot(&vector, &rest);
            projected[j] += part;
            rest.iter_mut().zip(&vector).for_each(|(value, direction)| *value -= part * direction);
        }
        orthogonal.push(vector);
    }
    let mut solution = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| triangle[i][j] * solution[j]).sum();
        solution[i] = (projected[i] - known) / triangle[i][i];
    }
    Some(solution)
}

/// The serial fraction that a measured speed-up shows, (1/S − 1/n)/(1 − 1/n); `None` for one worker. When it grows with n, overhead
/// rather than serial work holds the program back; below 0, the speed-up was superlinear.
pub fn karp_flatt(speedup: f64, workers: usize) -> Option<f64> {
    let share = 1.0 / workers as f64;
    (workers > 1 && speedup > 0.0).then(|| (1.0 / speedup - share) / (1.0 - share))
}

#[cfg(test)]
mod tests;

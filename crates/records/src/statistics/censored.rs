//! A straight line through points of which some are only known to be higher.

use statrs::distribution::{Continuous as _, ContinuousCDF as _, Normal, StudentsT};

use super::{Interval, Line, line};

/// A point, or a lower bound on one: a trial that its time limit ended took at least so long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Where.
    pub x: f64,
    /// The value, or what the value is above.
    pub y: f64,
    /// Whether the value is only known to be above `y`.
    pub censored: bool,
}

/// Rounds of expectation and maximization; each takes time in proportion to the points.
const ROUNDS_MAX: usize = 20_000;
/// Less change than this of every parameter ends the rounds.
const CHANGE_MIN: f64 = 1e-10;
/// Start, slope and deviation.
const PARAMETERS: f64 = 3.0;

/// The line `y = start + slope x` with normal errors of one deviation that makes these observations
/// most likely (Tobin, Econometrica 26, 1958), found by expectation and maximization (Aitkin,
/// Technometrics 23, 1981). A point that is only known to be higher counts with the probability
/// that it is; nothing is put in its place. Without such points this is the line of least squares.
/// The interval is Wald's, from the curvature of the likelihood, with Student's quantile of the
/// points that are known; `rss` is of those alone. None of fewer than five known points, or if
/// those all have the same `x`.
///
/// # Complexity
/// 20,000 rounds over the observations at most.
pub fn censored_line(observations: &[Observation]) -> Option<Line> {
    let known: Vec<(f64, f64)> =
        observations.iter().filter(|o| !o.censored).map(|o| (o.x, o.y)).collect();
    let first = line(&known)?;
    if known.len() == observations.len() {
        return Some(first);
    }
    // Times differ between instances; a line through all known points is where a limit cut it.
    let deviation = (first.rss / known.len() as f64).sqrt().max(1e-3);
    let model = fitted(observations, Model { start: first.start, slope: first.slope, deviation });
    let error = slope_error(observations, model)?;
    let t = StudentsT::new(0.0, 1.0, known.len() as f64 - 2.0).ok()?.inverse_cdf(0.975);
    let interval = Interval { low: model.slope - t * error, high: model.slope + t * error };
    let count = observations.len() as f64;
    let correction = 2.0 * PARAMETERS * (PARAMETERS + 1.0) / (count - PARAMETERS - 1.0);
    // Less a constant of the points, so that it is that of least squares where all are known.
    let constant = count * ((2.0 * std::f64::consts::PI).ln() + 1.0);
    let aic = -2.0 * model.likelihood(observations) - constant + 2.0 * PARAMETERS + correction;
    let rss = known.iter().map(|(x, y)| (y - model.at(*x)).powi(2)).sum();
    Some(Line { start: model.start, slope: model.slope, interval, rss, aic })
}

/// A line, and how far values are from it.
#[derive(Debug, Clone, Copy)]
struct Model {
    start: f64,
    slope: f64,
    deviation: f64,
}

impl Model {
    fn at(&self, x: f64) -> f64 {
        self.start + self.slope * x
    }

    /// The logarithm of the likelihood.
    fn likelihood(&self, observations: &[Observation]) -> f64 {
        let of = |o: &Observation| {
            let z = (o.y - self.at(o.x)) / self.deviation;
            match o.censored {
                true => log_survival(z),
                false => normal().ln_pdf(z) - self.deviation.ln(),
            }
        };
        observations.iter().map(of).sum()
    }
}

fn normal() -> Normal {
    Normal::standard()
}

/// How much further than this a standard normal value that is above it is, on average: the inverse
/// of Mills' ratio.
fn hazard(z: f64) -> f64 {
    // Far out both of the two vanish; their ratio is this then.
    if z > 30.0 { z + 1.0 / z } else { normal().pdf(z) / normal().sf(z) }
}

fn log_survival(z: f64) -> f64 {
    if z > 30.0 { normal().ln_pdf(z) - z.ln() } else { normal().sf(z).ln() }
}

fn fitted(observations: &[Observation], mut model: Model) -> Model {
    let count = observations.len() as f64;
    let x_mean = observations.iter().map(|o| o.x).sum::<f64>() / count;
    let sxx: f64 = observations.iter().map(|o| (o.x - x_mean).powi(2)).sum();
    for _ in 0..ROUNDS_MAX {
        // What each value is expected to be, and how uncertain that is.
        let expected = |o: &Observation| {
            if !o.censored {
                return (o.x, o.y, 0.0);
            }
            let z = (o.y - model.at(o.x)) / model.deviation;
            let hazard = hazard(z);
            let variance = model.deviation.powi(2) * (1.0 + z * hazard - hazard * hazard).max(0.0);
            (o.x, model.at(o.x) + model.deviation * hazard, variance)
        };
        let values: Vec<(f64, f64, f64)> = observations.iter().map(expected).collect();
        let y_mean = values.iter().map(|value| value.1).sum::<f64>() / count;
        let sxy: f64 = values.iter().map(|(x, y, _)| (x - x_mean) * (y - y_mean)).sum();
        let slope = sxy / sxx;
        let start = y_mean - slope * x_mean;
        let squares =
            values.iter().map(|(x, y, variance)| (y - start - slope * x).powi(2) + variance);
        let deviation = (squares.sum::<f64>() / count).sqrt().max(1e-9);
        let change = (slope - model.slope).abs()
            + (start - model.start).abs()
            + (deviation - model.deviation).abs();
        model = Model { start, slope, deviation };
        if change < CHANGE_MIN {
            break;
        }
    }
    model
}

/// The standard error of the slope: of the inverse of the observed information, by differences.
fn slope_error(observations: &[Observation], model: Model) -> Option<f64> {
    let at = |start: f64, slope: f64, spread: f64| {
        let deviation = model.deviation * spread.exp();
        let moved = Model { start: model.start + start, slope: model.slope + slope, deviation };
        moved.likelihood(observations)
    };
    let x_most = observations.iter().map(|o| o.x.abs()).fold(1e-9, f64::max);
    let steps = [model.deviation * 1e-3, model.deviation * 1e-3 / x_most, 1e-3];
    let moved = |i: usize, j: usize, (a, b): (f64, f64)| {
        let mut by = [0.0; 3];
        by[i] += a * steps[i];
        by[j] += b * steps[j];
        at(by[0], by[1], by[2])
    };
    let second = |i: usize, j: usize| {
        let corners = moved(i, j, (1.0, 1.0)) - moved(i, j, (1.0, -1.0)) - moved(i, j, (-1.0, 1.0))
            + moved(i, j, (-1.0, -1.0));
        -corners / (4.0 * steps[i] * steps[j])
    };
    // The information of start, slope and deviation; the cofactor of the slope over the whole.
    let m = [0, 1, 2].map(|i| [0, 1, 2].map(|j| second(i, j)));
    let minor = |a: usize, b: usize, c: usize, d: usize| m[a][c] * m[b][d] - m[a][d] * m[b][c];
    let whole =
        m[0][0] * minor(1, 2, 1, 2) - m[0][1] * minor(1, 2, 0, 2) + m[0][2] * minor(1, 2, 0, 1);
    let variance = minor(0, 2, 0, 2) / whole;
    (variance > 0.0).then(|| variance.sqrt())
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// Points around `1 + 0.5 x` with deviation 1, of which those above `limit` are cut off there.
    fn drawn(seed: u64, limit: f64) -> Vec<Observation> {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut point = |index: u32| {
            let x = f64::from(index % 12);
            let share: f64 = random.random_range(0.001..0.999);
            let y = 1.0 + 0.5 * x + normal().inverse_cdf(share);
            Observation { x, y: y.min(limit), censored: y > limit }
        };
        (0..120).map(&mut point).collect()
    }

    #[test]
    fn a_line_that_a_limit_cuts_is_found_again() {
        let (mut inside, mut biased) = (0, 0.0);
        for seed in 0..60 {
            let observations = drawn(seed, 5.0);
            let cut = observations.iter().filter(|o| o.censored).count();
            assert!((20..60).contains(&cut), "{cut}");
            let found = censored_line(&observations).unwrap();
            assert!((found.slope - 0.5).abs() < 0.15, "{found:?}");
            inside += u32::from(found.interval.low < 0.5 && 0.5 < found.interval.high);
            // As if limits were values: the line bends down.
            let known: Vec<(f64, f64)> = observations.iter().map(|o| (o.x, o.y)).collect();
            biased += line(&known).unwrap().slope / 60.0;
        }
        // 95 % of 60 are 57.
        assert!((52..=60).contains(&inside), "{inside}");
        assert!(biased < 0.42, "{biased}");
    }

    #[test]
    fn where_nothing_is_cut_it_is_least_squares() {
        let observations = drawn(7, 1e9);
        let known: Vec<(f64, f64)> = observations.iter().map(|o| (o.x, o.y)).collect();
        assert_eq!(censored_line(&observations), line(&known));
        // One far limit changes next to nothing, and the criterion is of the same kind.
        let mut more = observations.clone();
        more.push(Observation { x: 5.0, y: -20.0, censored: true });
        let (all, few) = (censored_line(&more).unwrap(), censored_line(&observations).unwrap());
        assert!((all.slope - few.slope).abs() < 1e-3, "{all:?} {few:?}");
        assert!((all.interval.low - few.interval.low).abs() < 5e-3, "{all:?} {few:?}");
        assert!((all.aic - few.aic).abs() < 3.0, "{all:?} {few:?}");
    }

    #[test]
    fn too_few_known_points_have_no_line() {
        let mut observations = drawn(1, 2.5);
        observations.retain(|o| o.censored || o.x < 1.0);
        assert_eq!(censored_line(&observations), None);
        assert_eq!(censored_line(&[]), None);
    }
}

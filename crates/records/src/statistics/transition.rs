//! Where a property of instances goes from never to always.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::interval::{RESAMPLES, SEED};
use super::{Interval, quantile};

/// A logistic curve `1 / (1 + exp(-(start + slope x)))`, and how sure it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Where half of the instances have the property.
    pub middle: f64,
    /// Its 95 % interval by resampling, within the range of the points: at an end of it, the middle
    /// may as well be beyond.
    pub interval: Option<Interval>,
    /// From a tenth to nine tenths: how wide the transition is; negative where it goes down.
    pub width: f64,
    /// The share by `x` at evenly spaced places over the range of the points, with its 95 % band.
    pub band: Vec<(f64, f64, Interval)>,
}

/// Places at which the band is told.
const PLACES: usize = 41;
/// Newton's steps; the criterion is concave, and steps are halved where it falls.
const STEPS_MAX: usize = 100;

/// The transition of these points, each with whether it has the property: logistic regression with
/// Firth's correction (Biometrika 80, 1993; for points that a place separates: Heinze and Schemper,
/// Statistics in Medicine 21, 2002), and percentile bootstraps of whole points. None where all have
/// the property or none has, or if they all have the same `x`.
///
/// # Complexity
/// 2000 times a hundred steps over the points at most.
pub fn transition(points: &[(f64, bool)]) -> Option<Transition> {
    let holds = points.iter().filter(|point| point.1).count();
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p.0), high.max(p.0)));
    if holds == 0 || holds == points.len() || low >= high {
        return None;
    }
    let scale = Scale { low, width: high - low };
    let scaled: Vec<(f64, bool)> =
        points.iter().map(|&(x, holds)| ((x - low) / scale.width, holds)).collect();
    let curve = logistic(&scaled)?;
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut sample = scaled.clone();
    let mut curves = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for place in &mut sample {
            *place = scaled[random.random_range(0..scaled.len() as u64) as usize];
        }
        // A sample in which all are alike has a flat curve, and a middle beyond the range.
        curves.extend(logistic(&sample));
    }
    let ends = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        Some(Interval { low: quantile(&values, 0.025)?, high: quantile(&values, 0.975)? })
    };
    let inside = |curve: &Curve| scale.back(curve.middle().clamp(0.0, 1.0));
    let middles = curves.iter().map(inside).filter(|middle| !middle.is_nan()).collect();
    let place = |index: usize| {
        let x = index as f64 / (PLACES - 1) as f64;
        let interval = ends(curves.iter().map(|curve| curve.at(x)).collect())?;
        Some((scale.back(x), curve.at(x), interval))
    };
    Some(Transition {
        middle: scale.back(curve.middle()),
        interval: ends(middles),
        // ln 9 to either side of the middle.
        width: 2.0 * 9f64.ln() / curve.slope * scale.width,
        band: (0..PLACES).map(place).collect::<Option<_>>()?,
    })
}

/// The range of the points on which the curve is fitted from 0 to 1.
struct Scale {
    low: f64,
    width: f64,
}

impl Scale {
    fn back(&self, x: f64) -> f64 {
        self.low + x * self.width
    }
}

#[derive(Debug, Clone, Copy)]
struct Curve {
    start: f64,
    slope: f64,
}

impl Curve {
    fn at(&self, x: f64) -> f64 {
        1.0 / (1.0 + (-(self.start + self.slope * x)).exp())
    }

    fn middle(&self) -> f64 {
        -self.start / self.slope
    }

    /// The information: sums of weights, of weights and places, and of weights and their squares.
    fn information(&self, points: &[(f64, bool)]) -> [f64; 3] {
        points.iter().fold([0.0; 3], |[a, b, c], &(x, _)| {
            let share = self.at(x);
            let weight = share * (1.0 - share);
            [a + weight, b + weight * x, c + weight * x * x]
        })
    }

    /// The logarithm of the likelihood and half that of the information's determinant.
    fn criterion(&self, points: &[(f64, bool)]) -> f64 {
        let [a, b, c] = self.information(points);
        let of = |&(x, holds): &(f64, bool)| {
            let share = self.at(x).clamp(1e-300, 1.0 - 1e-16);
            if holds { share.ln() } else { (1.0 - share).ln() }
        };
        points.iter().map(of).sum::<f64>() + 0.5 * (a * c - b * b).max(1e-300).ln()
    }
}

fn logistic(points: &[(f64, bool)]) -> Option<Curve> {
    if points.iter().all(|point| point.0 == points[0].0) {
        return None;
    }
    let mut curve = Curve { start: 0.0, slope: 0.0 };
    let mut best = curve.criterion(points);
    for _ in 0..STEPS_MAX {
        let [a, b, c] = curve.information(points);
        let determinant = a * c - b * b;
        if determinant <= 1e-300 {
            break;
        }
        let (mut first, mut second) = (0.0, 0.0);
        for &(x, holds) in points {
            let share = curve.at(x);
            // The leverage of the point, which Firth's correction takes to a half.
            let leverage = share * (1.0 - share) * (c - 2.0 * b * x + a * x * x) / determinant;
            let off = f64::from(u8::from(holds)) - share + leverage * (0.5 - share);
            first += off;
            second += off * x;
        }
        let step = ((c * first - b * second) / determinant, (a * second - b * first) / determinant);
        let mut size = 1.0;
        let next = loop {
            let next =
                Curve { start: curve.start + size * step.0, slope: curve.slope + size * step.1 };
            if next.criterion(points) >= best || size < 1e-6 {
                break next;
            }
            size /= 2.0;
        };
        let change = next.criterion(points) - best;
        if change < 1e-12 {
            break;
        }
        (curve, best) = (next, best + change);
    }
    Some(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_drawn_curve_is_within_its_interval() {
        let mut inside = 0;
        for seed in 0..40 {
            let mut random = Pcg64Mcg::seed_from_u64(seed);
            let truth = Curve { start: 10.0, slope: -0.1 };
            let point = |index: u32| {
                let x = 60.0 + f64::from(index % 9) * 10.0;
                (x, random.random_range(0.0..1.0) < truth.at(x))
            };
            let points: Vec<(f64, bool)> = (0..90).map(point).collect();
            let found = transition(&points).unwrap();
            assert!((found.middle - 100.0).abs() < 12.0, "{}", found.middle);
            assert!(found.width < 0.0 && (20.0..90.0).contains(&-found.width), "{}", found.width);
            assert!(
                found
                    .band
                    .iter()
                    .all(|(_, share, i)| i.low <= *share + 0.2 && *share <= i.high + 0.2)
            );
            let interval = found.interval.unwrap();
            inside += u32::from(interval.low < 100.0 && 100.0 < interval.high);
        }
        assert!(inside >= 35, "{inside}");
    }

    #[test]
    fn points_that_a_place_separates_have_a_finite_curve() {
        let points: Vec<(f64, bool)> = (0..20).map(|i| (f64::from(i / 4), i < 8)).collect();
        let found = transition(&points).unwrap();
        assert!((found.middle - 1.5).abs() < 0.2 && found.width.is_finite(), "{found:?}");
        assert!(found.band[0].1 > 0.8 && found.band[40].1 < 0.2, "{:?}", found.band);
        assert_eq!(transition(&[(1.0, true), (2.0, true)]), None);
        assert_eq!(transition(&[(1.0, true), (1.0, false)]), None);
    }
}

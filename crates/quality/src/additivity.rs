//! How well a sum over tensors tells what a mix of formats costs.

use statrs::statistics::{Data, Median as _};

/// Predictions held against measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Additivity {
    /// Pairs.
    pub mixes: usize,
    /// Spearman's rank correlation.
    pub rank_correlation: f64,
    /// Median of |predicted / measured - 1|.
    pub error: f64,
    /// The same after calibration; each mix by the power that fits all others.
    pub calibrated_error: f64,
    /// Calibrated: measured = scale * sum^power.
    pub scale: f64,
    /// The power.
    pub power: f64,
}

impl Additivity {
    /// Of pairs (predicted, measured) above 0; none for fewer than three.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let pairs: Vec<(f64, f64)> =
            pairs.iter().copied().filter(|&(x, y)| x > 0.0 && y > 0.0).collect();
        if pairs.len() < 3 {
            return None;
        }
        let (scale, power) = fit(&pairs);
        let off = |predicted: f64, measured: f64| (predicted / measured - 1.0).abs();
        let left_out = |index: usize| {
            let mut others = pairs.clone();
            let (x, y) = others.remove(index);
            let (scale, power) = fit(&others);
            off(scale * x.powf(power), y)
        };
        Some(Self {
            mixes: pairs.len(),
            rank_correlation: spearman(&pairs),
            error: median(pairs.iter().map(|&(x, y)| off(x, y))),
            calibrated_error: median((0..pairs.len()).map(left_out)),
            scale,
            power,
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    Data::new(values.collect::<Vec<f64>>()).median()
}

/// Least squares of the logarithms.
fn fit(pairs: &[(f64, f64)]) -> (f64, f64) {
    let count = pairs.len() as f64;
    let logs: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean_x = logs.iter().map(|log| log.0).sum::<f64>() / count;
    let mean_y = logs.iter().map(|log| log.1).sum::<f64>() / count;
    let product: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let square: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let power = if square > 0.0 { product / square } else { 1.0 };
    ((mean_y - power * mean_x).exp(), power)
}

/// Spearman's rank correlation: that of the ranks, equal values sharing theirs.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let x = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let y = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let spread = (product(&x, &x) * product(&y, &y)).sqrt();
    if spread > 0.0 { product(&x, &y) / spread } else { 0.0 }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: f64| {
        let below = values.iter().filter(|other| **other < value).count();
        let same = values.iter().filter(|other| **other == value).count();
        below as f64 + (same as f64 - 1.0) / 2.0
    };
    values.iter().map(|&value| rank(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_found_and_ranks_are_perfect() {
        let pairs: Vec<(f64, f64)> =
            (1..9).map(|x| (f64::from(x), 3.0 * f64::from(x).powf(1.2))).collect();
        let found = Additivity::of(&pairs).unwrap();
        assert!((found.scale - 3.0).abs() < 1e-9 && (found.power - 1.2).abs() < 1e-9, "{found:?}");
        assert!((found.rank_correlation - 1.0).abs() < 1e-12 && found.calibrated_error < 1e-9);
        assert!(found.error > 0.5, "{found:?}");
    }

    #[test]
    fn ranks_are_those_of_a_worked_example() {
        // Ranks 0 1 2 3 against 1 0 3 2: 1 - 6 * 4 / (4 * 15) = 0.6.
        let pairs = [(1.0, 20.0), (2.0, 10.0), (3.0, 40.0), (9.0, 30.0)];
        assert!((spearman(&pairs) - 0.6).abs() < 1e-12);
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [1.5, 0.0, 1.5]);
    }
}

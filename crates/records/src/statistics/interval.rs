//! Intervals by resampling.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::quantile;

/// Two ends.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The lower one.
    pub low: f64,
    /// The upper one.
    pub high: f64,
}

pub(super) const RESAMPLES: usize = 2000;
/// Resamples are drawn with the same seed always: the same records give the same report.
pub(super) const SEED: u64 = 0;

/// The 95 % interval of a statistic by the percentile bootstrap (Efron and Tibshirani, An
/// Introduction to the Bootstrap, 1993, 13.3): the statistic of 2000 samples drawn from the values
/// with replacement, between its quantiles 0.025 and 0.975. None of fewer than two values.
///
/// # Complexity
/// 2000 times that of the statistic.
pub fn bootstrap(values: &[f64], statistic: impl Fn(&[f64]) -> f64) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut sample = values.to_vec();
    let mut found: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for place in &mut sample {
                *place = values[random.random_range(0..values.len() as u64) as usize];
            }
            statistic(&sample)
        })
        .collect();
    found.sort_by(f64::total_cmp);
    Some(Interval { low: quantile(&found, 0.025)?, high: quantile(&found, 0.975)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::mean;

    #[test]
    fn an_interval_of_the_mean_is_about_two_standard_errors_wide() {
        // 1 to 100: the standard error of the mean is 28.87 / 10.
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = bootstrap(&values, |sample| mean(sample.to_vec()).unwrap()).unwrap();
        assert!((found.low - (50.5 - 1.96 * 2.887)).abs() < 0.5, "{found:?}");
        assert!((found.high - (50.5 + 1.96 * 2.887)).abs() < 0.5, "{found:?}");
        assert_eq!(bootstrap(&[3.0, 3.0], |_| 3.0), Some(Interval { low: 3.0, high: 3.0 }));
        assert_eq!(bootstrap(&[3.0], |_| 3.0), None);
    }
}

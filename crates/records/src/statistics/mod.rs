//! Means, intervals and tests: plain functions of numbers, each with its source.

mod censored;
mod interval;
mod line;
mod survival;
mod test;
mod transition;

pub use censored::{Observation, censored_line};
pub use interval::{Interval, bootstrap};
pub use line::{Line, line};
pub use survival::{SurvivalMedian, survival_median};
pub use test::{sign_test, wilcoxon};
pub use transition::{Transition, transition};

/// The arithmetic mean; none of no values.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) =
        values.into_iter().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The geometric mean of `value + shift`, less `shift`; none of no values. With a shift, small
/// differences between small values count for little (Achterberg, Constraint Integer Programming,
/// 2007, A.3). Values must be above `-shift`.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>, shift: f64) -> Option<f64> {
    mean(values.into_iter().map(|value| (value + shift).ln())).map(|mean| mean.exp() - shift)
}

/// The value below which that share of sorted values lies, between two neighbours on the line
/// through them (type 7 of Hyndman and Fan, The American Statistician 50, 1996).
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (place.floor(), place.ceil());
    let (a, b) = (sorted[low as usize], sorted[high as usize]);
    Some(if a == b { a } else { a + (b - a) * (place - low) })
}

/// The middle value, or the mean of the middle two.
pub fn median(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.5)
}

/// Values that a history needs before it can tell what is unusual.
const HISTORY_MIN: usize = 4;

/// Whether a value is far out of its own history: beyond three times the distance between the
/// quartiles, above or below them (Tukey, Exploratory Data Analysis, 1977, 2D: the outer fence).
/// None where the history is too short to say.
pub fn is_outlier(history: &[f64], value: f64) -> Option<bool> {
    if history.len() < HISTORY_MIN {
        return None;
    }
    let mut sorted = history.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?);
    let fence = 3.0 * (high - low);
    Some(value < low - fence || value > high + fence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_quantiles_by_hand() {
        assert_eq!((mean([]), geometric_mean([], 1.0), quantile(&[], 0.5)), (None, None, None));
        assert_eq!(mean([1.0, 2.0, 6.0]), Some(3.0));
        // (1 + 1) (7 + 1) = 16, its root 4, less 1
        assert!((geometric_mean([1.0, 7.0], 1.0).unwrap() - 3.0).abs() < 1e-12);
        assert!((geometric_mean([2.0, 8.0], 0.0).unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(median(&[1.0, 2.0, 10.0, 20.0]), Some(6.0));
        // place 0.75 between 1 and 2
        assert_eq!(quantile(&[1.0, 2.0, 10.0, 20.0], 0.25), Some(1.75));
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
    }

    #[test]
    fn an_outlier_is_far_from_its_own_history() {
        // Quartiles 10.75 and 12.25, so that the fences are 6.25 and 16.75.
        let history = [10.0, 11.0, 12.0, 13.0];
        assert_eq!(is_outlier(&history, 16.7), Some(false));
        assert_eq!(is_outlier(&history, 16.8), Some(true));
        assert_eq!(is_outlier(&history, 6.2), Some(true));
        assert_eq!(is_outlier(&history[..3], 100.0), None);
    }
}

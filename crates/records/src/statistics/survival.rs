//! Medians where some values are only known to be above something.

use statrs::distribution::{ContinuousCDF as _, Normal};

/// A median that limits may hide.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SurvivalMedian {
    /// The median; none where fewer than a half are known to be below any value.
    pub median: Option<f64>,
    /// The lower end of its 95 % interval; none where not even that is known.
    pub low: Option<f64>,
    /// The upper end; none where it is above all values that are known.
    pub high: Option<f64>,
}

/// The median of values, each with whether it is known or only a lower bound, by the product-limit
/// estimator (Kaplan and Meier, Journal of the American Statistical Association 53, 1958). The
/// interval is that of Brookmeyer and Crowley (Biometrics 38, 1982) with Greenwood's variance of
/// the logarithm of the logarithm. Where exactly a half is below a value, the median is half-way to
/// the next known one, so that it is the usual median where nothing is cut off.
///
/// # Complexity
/// O(n log n).
pub fn survival_median(values: &[(f64, bool)]) -> SurvivalMedian {
    let mut sorted = values.to_vec();
    // What is only a lower bound was still at risk when an equal value was known.
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let quantile = Normal::standard().inverse_cdf(0.975);
    let mut found = SurvivalMedian { median: None, low: None, high: None };
    let (mut survival, mut greenwood, mut at_risk) = (1.0, 0.0, sorted.len() as f64);
    // The value below which exactly a half is, until the next known one.
    let mut half: Option<f64> = None;
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let known = group.iter().filter(|value| value.1).count() as f64;
        if known > 0.0 {
            survival *= 1.0 - known / at_risk;
            greenwood += known / (at_risk * (at_risk - known));
            let value = group[0].0;
            // At the end of all values the variance is not finite, nor needed.
            let (low, high) = match survival > 0.0 {
                true => {
                    let log = f64::ln(survival);
                    let spread = (quantile * greenwood.sqrt() / log.abs()).exp();
                    ((spread * log).exp(), (log / spread).exp())
                }
                false => (0.0, 0.0),
            };
            if found.median.is_none() {
                found.median = match half {
                    Some(before) => Some(f64::midpoint(before, value)),
                    None => (survival < 0.5 - 1e-9).then_some(value),
                };
                half = (f64::abs(survival - 0.5) <= 1e-9).then_some(value);
            }
            for (place, share) in [(&mut found.low, low), (&mut found.high, high)] {
                if place.is_none() && share <= 0.5 {
                    *place = Some(value);
                }
            }
        }
        at_risk -= group.len() as f64;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textbook_example() {
        // Freireich's leukaemia trial, the group of 6-mercaptopurine (Kalbfleisch and Prentice):
        // the median is 23 weeks, its interval 13 to none.
        let known = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let cut = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
        let values: Vec<(f64, bool)> =
            known.map(|v| (v, true)).into_iter().chain(cut.map(|v| (v, false))).collect();
        let found = survival_median(&values);
        assert_eq!(found, SurvivalMedian { median: Some(23.0), low: Some(13.0), high: None });
    }

    #[test]
    fn without_limits_it_is_the_median() {
        let values = [5.0, 1.0, 9.0, 2.0, 7.0].map(|value| (value, true));
        let found = survival_median(&values);
        assert_eq!(found.median, Some(5.0));
        assert!(found.low < found.median && found.high > found.median, "{found:?}");
        let even = [5.0, 1.0, 9.0, 2.0].map(|value| (value, true));
        assert_eq!(survival_median(&even).median, Some(3.5));
        // Half of two is below 4, and what comes after it is not known.
        let none = survival_median(&[(3.0, false), (4.0, true), (9.0, false)]);
        assert_eq!(none.median, None);
        let empty = SurvivalMedian { median: None, low: None, high: None };
        assert_eq!(survival_median(&[]), empty);
    }
}

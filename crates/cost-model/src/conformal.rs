//! Order statistics, and how far a prediction may be off.
//!
//! Every point of the grid is predicted once by a fit that has not seen it, nor its shape. If the
//! work to come resembles the grid, its error is as likely to have any rank among these errors; so
//! the ceil((n + 1) * coverage)-th smallest of n is exceeded with probability 1 - coverage at most
//! (V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2005; for errors of
//! cross-validation: R. F. Barber et al., Predictive inference with the jackknife+, Annals of
//! Statistics 49, 2021, doi 10.1214/20-AOS1965, where the guarantee is 1 - 2 (1 - coverage) and
//! 1 - (1 - coverage) is what one sees).

use statrs::statistics::{Data, OrderStatistics as _};

/// The share of times that intervals enclose.
pub const COVERAGE: f64 = 0.9;

/// Median; `None` of nothing.
pub fn median(values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| Data::new(values).median())
}

/// What the absolute value of the next error will not exceed with [`COVERAGE`], given earlier ones;
/// `None` where there are too few to say so (fewer than 9).
pub(crate) fn bound(errors: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sizes: Vec<f64> = errors.map(f64::abs).collect();
    sizes.sort_by(f64::total_cmp);
    // The 9.999999999999998 of (9 + 1) * 0.9 must not become 10.
    let rank = ((sizes.len() + 1) as f64 * COVERAGE - 1e-9).ceil() as usize;
    sizes.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_errors_are_the_least() {
        let errors = |n: u32| (1..=n).map(f64::from);
        assert_eq!(bound(errors(8)), None);
        assert_eq!(bound(errors(9).map(|error| -error)), Some(9.0));
        assert_eq!(bound(errors(19)), Some(18.0));
        assert_eq!(bound(std::iter::empty()), None);
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    }
}

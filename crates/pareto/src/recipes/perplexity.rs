//! Perplexity by divergence, as published recipes have them.

use statrs::statistics::{Data, Median as _};

use super::{ALIKE, Beside};

/// The logarithm of perplexity over divergence, straight between published recipes.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Divergence and logarithm of perplexity, by divergence.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// Through pairs of divergence and perplexity.
    pub(super) fn new(pairs: &[(f64, f64)]) -> Self {
        let logs = pairs.iter().filter(|(_, perplexity)| *perplexity > 0.0);
        let mut points: Vec<_> = logs.map(|&(kl, perplexity)| (kl, perplexity.ln())).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { points }
    }

    /// Perplexity at a divergence; none outside of what was published.
    pub(super) fn at(&self, divergence: f64) -> Option<f64> {
        let above = self.points.iter().position(|point| point.0 >= divergence)?;
        let (x1, y1) = self.points[above];
        if x1 == divergence {
            return Some(y1.exp());
        }
        let (x0, y0) = *self.points.get(above.checked_sub(1)?)?;
        Some((y0 + (y1 - y0) * (divergence - x0) / (x1 - x0)).exp())
    }

    /// Median relative error of each point by the curve through all others; none for fewer than
    /// three points.
    pub(super) fn error(&self) -> Option<f64> {
        let errors: Vec<f64> = (0..self.points.len())
            .filter_map(|left_out| {
                let mut others = self.clone();
                let (divergence, log) = others.points.remove(left_out);
                Some((others.at(divergence)? / log.exp() - 1.0).abs())
            })
            .collect();
        (!errors.is_empty()).then(|| Data::new(errors).median())
    }
}

/// Pairs of recipes of one size.
pub(super) struct Order {
    pub(super) pairs: usize,
    /// Those whose divergence and perplexity are in the same order.
    pub(super) right: usize,
}

impl Order {
    pub(super) fn of(recipes: &[Beside]) -> Self {
        let mut order = Self { pairs: 0, right: 0 };
        for (index, one) in recipes.iter().enumerate() {
            for other in &recipes[index + 1..] {
                let apart = one.bytes.abs_diff(other.bytes) as f64 / one.bytes as f64;
                let Some((a, b)) = one.perplexity.zip(other.perplexity) else { continue };
                if apart <= ALIKE && one.divergence != other.divergence {
                    order.pairs += 1;
                    order.right +=
                        usize::from((one.divergence < other.divergence) == (a < b) && a != b);
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_straight_between_recipes_and_ends_with_them() {
        let curve = Curve::new(&[(0.4, 40.0), (0.1, 10.0), (0.2, 20.0)]);
        assert!((curve.at(0.2).unwrap() - 20.0).abs() < 1e-9);
        let middle = curve.at(0.3).unwrap();
        assert!((middle - (20.0f64 * 40.0).sqrt()).abs() < 1e-9, "{middle}");
        assert_eq!((curve.at(0.05), curve.at(0.5)), (None, None));
        // 0.2 from its neighbours: a third of the way from 10 to 40 in logarithms.
        let expected = (10.0 * 4.0f64.powf(1.0 / 3.0) / 20.0 - 1.0).abs();
        assert!((curve.error().unwrap() - expected).abs() < 1e-9);
        assert_eq!(Curve::new(&[]).error(), None);
    }
}

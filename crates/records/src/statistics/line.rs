//! A straight line through points.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::Interval;

/// The line `y = start + slope x` of least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// At `x = 0`.
    pub start: f64,
    /// Per unit of `x`.
    pub slope: f64,
    /// 95 % confidence interval of the slope, if errors are independent, normal and alike.
    pub interval: Interval,
    /// Sum of squared distances in `y`.
    pub rss: f64,
    /// Akaike's information criterion with the correction for small samples; smaller is better,
    /// and only the difference of two lines through the same `y` means anything (Burnham and
    /// Anderson, Model Selection and Multimodel Inference, 2002, 2.4).
    pub aic: f64,
}

/// Start, slope and variance.
const PARAMETERS: f64 = 3.0;
/// The correction divides by what is left of the points after the parameters and one.
const POINTS_MIN: usize = 5;

/// The line through these points; none through fewer than five, or if all have the same `x`.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    let x_mean = points.iter().map(|point| point.0).sum::<f64>() / count;
    let y_mean = points.iter().map(|point| point.1).sum::<f64>() / count;
    let sxx: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let sxy: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    if points.len() < POINTS_MIN || sxx <= 0.0 || !sxy.is_finite() {
        return None;
    }
    let slope = sxy / sxx;
    let start = y_mean - slope * x_mean;
    let rss: f64 = points.iter().map(|(x, y)| (y - start - slope * x).powi(2)).sum();
    let error = (rss / (count - 2.0) / sxx).sqrt();
    let t = StudentsT::new(0.0, 1.0, count - 2.0).ok()?.inverse_cdf(0.975);
    let interval = Interval { low: slope - t * error, high: slope + t * error };
    // A perfect fit has no logarithm; the smallest positive number keeps an order.
    let variance = (rss / count).max(f64::MIN_POSITIVE);
    let correction = 2.0 * PARAMETERS * (PARAMETERS + 1.0) / (count - PARAMETERS - 1.0);
    let aic = count * variance.ln() + 2.0 * PARAMETERS + correction;
    Some(Line { start, slope, interval, rss, aic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_by_hand() {
        // Means 3 and 4; sxx 10, sxy 9: y = 1.3 + 0.9 x, residuals -0.2 -0.1 1 -0.9 0.2.
        let points = [(1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (4.0, 4.0), (5.0, 6.0)];
        let found = line(&points).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(found.start, 1.3) && close(found.slope, 0.9), "{found:?}");
        assert!(close(found.rss, 1.9), "{found:?}");
        // t of 3 degrees 3.182446; error sqrt(1.9 / 3 / 10) = 0.251661
        assert!(close(found.interval.low, 0.9 - 3.182_446 * 0.251_661_1), "{found:?}");
        // 5 ln(0.38) + 6 + 2 * 3 * 4 / 1
        assert!(close(found.aic, 5.0 * 0.38_f64.ln() + 30.0), "{found:?}");
        assert_eq!(line(&points[..4]), None);
        assert_eq!(line(&[(1.0, 2.0); 9]), None);
    }
}

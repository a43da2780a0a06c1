//! Least squares with non-negative coefficients, in relative errors, that outliers do not move.
//!
//! Iteratively reweighted: first towards least absolute deviations, which a minority of outliers
//! cannot spoil, then with Tukey's biweight, which ignores them (P. J. Huber and E. M. Ronchetti,
//! Robust Statistics, 2nd ed., 2009, sections 4.8 and 7.8). Each weighted problem is solved by
//! coordinate descent on its normal equations.

use crate::conformal::median;

/// Rounds of either weighting.
const ROUNDS: usize = 12;
/// Sweeps of coordinate descent; most problems need far fewer.
const SWEEPS: usize = 2000;
/// Biweight's constant for 95 % efficiency on normal errors, in standard deviations.
const TUKEY: f64 = 4.685;
/// From the median absolute deviation to the standard deviation of normal errors.
const NORMAL: f64 = 1.4826;
/// Relative errors below this are all the same: no clock is better.
const LEAST: f64 = 1e-3;

/// Coefficients so that the weighted sums of `rows` are near `values` in relative error. Of two
/// columns that say the same, the first gets it all.
///
/// # Complexity
/// O(rows * columns^2) for each of 24 rounds.
pub fn fit(rows: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    // Each row by its value, so that the target is 1; each column by its largest entry.
    let relative = |(row, value): (&Vec<f64>, &f64)| -> Vec<f64> {
        row.iter().map(|entry| entry / value).collect()
    };
    let mut scaled: Vec<Vec<f64>> = rows.iter().zip(values).map(relative).collect();
    let largest: Vec<f64> =
        (0..columns).map(|j| scaled.iter().map(|row| row[j]).fold(0.0, f64::max)).collect();
    for row in &mut scaled {
        for (entry, most) in row.iter_mut().zip(&largest).filter(|(_, most)| **most > 0.0) {
            *entry /= most;
        }
    }
    let mut weights = vec![1.0; rows.len()];
    let mut found = descend(&scaled, &weights);
    for round in 0..2 * ROUNDS {
        let errors: Vec<f64> = scaled.iter().map(|row| (dot(row, &found) - 1.0).abs()).collect();
        let scale = (NORMAL * median(errors.clone()).unwrap_or(0.0)).max(LEAST);
        for (weight, error) in weights.iter_mut().zip(&errors) {
            *weight = match round < ROUNDS {
                true => 1.0 / error.max(LEAST),
                false => (1.0 - (error / (TUKEY * scale)).powi(2)).max(0.0).powi(2),
            };
        }
        found = descend(&scaled, &weights);
    }
    let unscale = |(value, most): (f64, f64)| if most > 0.0 { value / most } else { 0.0 };
    found.into_iter().zip(largest).map(unscale).collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minimises the weighted squares of `rows * x - 1` over x >= 0.
fn descend(rows: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut gram = vec![vec![0.0; columns]; columns];
    let mut target = vec![0.0; columns];
    for (row, weight) in rows.iter().zip(weights) {
        for i in 0..columns {
            target[i] += weight * row[i];
            for j in 0..columns {
                gram[i][j] += weight * row[i] * row[j];
            }
        }
    }
    let mut x = vec![0.0; columns];
    for _ in 0..SWEEPS {
        let mut moved: f64 = 0.0;
        for i in (0..columns).filter(|&i| gram[i][i] > 0.0) {
            let rest = dot(&gram[i], &x) - gram[i][i] * x[i];
            let next = ((target[i] - rest) / gram[i][i]).max(0.0);
            moved = moved.max((next - x[i]).abs() / (1e-9 + next));
            x[i] = next;
        }
        if moved < 1e-7 {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_despite_outliers() {
        let rows: Vec<Vec<f64>> = (1..=20).map(|x| vec![f64::from(x), 1.0]).collect();
        let mut values: Vec<f64> = rows.iter().map(|row| 3.0 * row[0] + 7.0).collect();
        for index in [2, 9, 17] {
            values[index] *= 4.0;
        }
        let found = fit(&rows, &values);
        assert!((found[0] - 3.0).abs() < 1e-3 && (found[1] - 7.0).abs() < 1e-2, "{found:?}");
    }

    #[test]
    fn coefficients_are_not_negative_and_doubles_go_to_the_first() {
        let rows: Vec<Vec<f64>> = (1..=9).map(|x| vec![f64::from(x), 1.0]).collect();
        let values: Vec<f64> = rows.iter().map(|row| 3.0 * row[0] - 1.0).collect();
        assert_eq!(fit(&rows, &values)[1], 0.0);
        let doubled: Vec<Vec<f64>> = (1..=9).map(|x| vec![f64::from(x); 2]).collect();
        let values: Vec<f64> = doubled.iter().map(|row| 3.0 * row[0]).collect();
        let found = fit(&doubled, &values);
        assert!((found[0] - 3.0).abs() < 1e-9 && found[1] < 1e-9, "{found:?}");
        assert_eq!(fit(&[], &[]), Vec::<f64>::new());
    }
}

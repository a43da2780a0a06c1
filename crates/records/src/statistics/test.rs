//! Tests of paired differences: whether one of two is smaller more often than by chance.

use statrs::distribution::{Binomial, ContinuousCDF as _, DiscreteCDF as _, Normal};

/// Pairs up to which the distribution is counted, not approximated: all sums of ranks of so many
/// pairs are exact in an f64.
const EXACT_MAX: usize = 50;

/// The two-sided p-value of the sign test: how likely that many of one sign, or more, would be if
/// both signs were equally likely. Differences of zero are left out; 1 where nothing is left.
pub fn sign_test(differences: &[f64]) -> f64 {
    let below = differences.iter().filter(|&&difference| difference < 0.0).count() as u64;
    let above = differences.iter().filter(|&&difference| difference > 0.0).count() as u64;
    let Ok(coin) = Binomial::new(0.5, below + above) else { return 1.0 };
    (2.0 * coin.cdf(below.min(above))).min(1.0)
}

/// The two-sided p-value of Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945). Differences
/// of zero are left out, equal ones share their ranks' mean; 1 where nothing is left. Exact up to
/// 50 pairs, beyond that by the normal approximation with the correction for ties.
///
/// # Complexity
/// O(n log n); up to 50 pairs O(n^3).
pub fn wilcoxon(differences: &[f64]) -> f64 {
    let mut kept: Vec<f64> =
        differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    if kept.is_empty() {
        return 1.0;
    }
    kept.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let ranks = doubled_ranks(&kept);
    let all: usize = ranks.iter().sum();
    let above: usize =
        ranks.iter().zip(&kept).filter(|(_, kept)| **kept > 0.0).map(|(rank, _)| rank).sum();
    let smaller = above.min(all - above);
    let p = match kept.len() <= EXACT_MAX {
        true => 2.0 * share_up_to(&ranks, smaller),
        false => 2.0 * share_about(&ranks, smaller),
    };
    p.min(1.0)
}

/// Twice the rank of each value, so that shared ranks are whole, too.
fn doubled_ranks(sorted: &[f64]) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(sorted.len());
    for group in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        let first = ranks.len() + 1;
        let last = ranks.len() + group.len();
        ranks.extend(std::iter::repeat_n(first + last, group.len()));
    }
    ranks
}

/// The share of all subsets of the ranks whose sum is at most `limit`.
fn share_up_to(ranks: &[usize], limit: usize) -> f64 {
    let all: usize = ranks.iter().sum();
    let mut ways = vec![0.0; all + 1];
    ways[0] = 1.0;
    for &rank in ranks {
        for sum in (rank..=all).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    ways[..=limit].iter().sum::<f64>() / 2f64.powi(ranks.len() as i32)
}

/// The same by the normal distribution.
fn share_about(ranks: &[usize], limit: usize) -> f64 {
    let mean = ranks.iter().sum::<usize>() as f64 / 4.0;
    // The variance of a sum of ranks that are taken or not: a quarter of their squares.
    let squares: f64 = ranks.iter().map(|&rank| (rank as f64 / 2.0).powi(2)).sum();
    let normal = Normal::new(mean, (squares / 4.0).sqrt());
    normal.map_or(0.5, |normal| normal.cdf(limit as f64 / 2.0 + 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn signs_by_hand() {
        // 1 of 6: 2 (1 + 6) / 64
        assert!(close(sign_test(&[1.0, 2.0, 3.0, 4.0, 5.0, -1.0, 0.0]), 14.0 / 64.0));
        assert!(close(sign_test(&[1.0, -1.0]), 1.0));
        assert!(close(sign_test(&[0.0]), 1.0) && close(sign_test(&[]), 1.0));
    }

    #[test]
    fn ranks_by_hand() {
        // All five of one sign: only the empty set and the full one are as far out.
        assert!(close(wilcoxon(&[1.0, 2.0, 3.0, 4.0, 5.0]), 2.0 / 32.0));
        // -2 has rank 2; subsets of 1..5 up to 2: {}, {1}, {2}.
        assert!(close(wilcoxon(&[1.0, -2.0, 3.0, 4.0, 5.0]), 6.0 / 32.0));
        // Ranks 1.5 1.5 3, the negative one 1.5: {}, {1.5}, {1.5}.
        assert!(close(wilcoxon(&[-1.0, 1.0, 2.0]), 6.0 / 8.0));
        assert!(close(wilcoxon(&[0.0, 0.0]), 1.0));
    }

    #[test]
    fn the_approximation_goes_on_where_counting_ends() {
        let ranks: Vec<usize> = (1..=EXACT_MAX).map(|rank| 2 * rank).collect();
        for limit in [700, 900, 1100, 1275] {
            let (exact, about) = (share_up_to(&ranks, limit), share_about(&ranks, limit));
            assert!((exact - about).abs() < 2e-3, "{limit}: {exact} {about}");
        }
        assert!(wilcoxon(&vec![1.0; 60]) < 1e-9);
    }
}

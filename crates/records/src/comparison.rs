//! New records against old ones.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::Cost;
use serde::Serialize;

use crate::profile::RESOLUTION_S;
use crate::row::{Record, TrialKey};
use crate::statistics::{
    Interval, bootstrap, geometric_mean, is_outlier, median, sign_test, wilcoxon,
};

/// A solver before and after, on the trials that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The solver.
    pub solver: String,
    /// Trials of both.
    pub trials: usize,
    /// Trials left out because the instance is another one under the same name.
    pub changed: usize,
    /// Proofs before.
    pub proven_old: usize,
    /// Proofs now.
    pub proven_new: usize,
    /// Geometric mean of the time to proof over the one before; a trial without a proof counts as
    /// its time limit. Below 1 it is faster now.
    pub time_ratio: f64,
    /// 95 % bootstrap interval of that mean over trials.
    pub time_interval: Option<Interval>,
    /// Wilcoxon's signed-rank test of the logarithms of these ratios.
    pub time_p: f64,
    /// Trials with a cheaper plan now, or with one where there was none.
    pub better: usize,
    /// Trials with a dearer plan now, or without one where there was one.
    pub worse: usize,
    /// The sign test of these two counts.
    pub plans_p: f64,
    /// Instances whose time is out of their own history, with the ratio to its median; longest
    /// first. Needs four old records of a trial.
    pub outliers: Vec<(String, f64)>,
}

/// Compares solvers that both have; `old` holds one record set or more, of which the last is what
/// `new` is compared with and all are the history.
pub fn compare(old: &[Vec<Record>], new: &[Record]) -> Vec<Comparison> {
    let Some(last) = old.last() else { return Vec::new() };
    let before: BTreeMap<TrialKey<'_>, &Record> = last.iter().map(|row| (row.key(), row)).collect();
    let mut history: BTreeMap<TrialKey<'_>, Vec<&Record>> = BTreeMap::new();
    for row in old.iter().flatten() {
        history.entry(row.key()).or_default().push(row);
    }
    let solvers: BTreeSet<&str> = new.iter().map(|row| row.solver.as_str()).collect();
    let of = |solver: &&str| {
        let own = new.iter().filter(|row| row.solver == **solver);
        let pairs = own.filter_map(|row| Some((*before.get(&row.key())?, row)));
        let (same, other): (Vec<_>, Vec<_>) =
            pairs.partition(|(old, new)| old.fingerprint == new.fingerprint);
        (!same.is_empty() || !other.is_empty()).then(|| Comparison {
            changed: other.len(),
            outliers: outliers(&same, &history),
            ..compare_pairs(solver, &same)
        })
    };
    solvers.iter().filter_map(of).collect()
}

fn time(row: &Record) -> f64 {
    row.proof_s().max(RESOLUTION_S)
}

fn compare_pairs(solver: &str, pairs: &[(&Record, &Record)]) -> Comparison {
    let ratios: Vec<f64> = pairs.iter().map(|(old, new)| time(new) / time(old)).collect();
    let logarithms: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let cost = |row: &Record| row.cost().map_or(f64::INFINITY, Cost::as_f64);
    let changes: Vec<f64> = pairs
        .iter()
        .map(|(old, new)| match cost(new).total_cmp(&cost(old)) {
            std::cmp::Ordering::Less => -1.0,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => 1.0,
        })
        .collect();
    let mean = |sample: &[f64]| geometric_mean(sample.iter().copied(), 0.0).unwrap_or(1.0);
    Comparison {
        solver: solver.to_owned(),
        trials: pairs.len(),
        changed: 0,
        proven_old: pairs.iter().filter(|(old, _)| old.is_proven()).count(),
        proven_new: pairs.iter().filter(|(_, new)| new.is_proven()).count(),
        time_ratio: mean(&ratios),
        time_interval: bootstrap(&ratios, mean),
        time_p: wilcoxon(&logarithms),
        better: changes.iter().filter(|&&change| change < 0.0).count(),
        worse: changes.iter().filter(|&&change| change > 0.0).count(),
        plans_p: sign_test(&changes),
        outliers: Vec::new(),
    }
}

fn outliers(
    pairs: &[(&Record, &Record)],
    history: &BTreeMap<TrialKey<'_>, Vec<&Record>>,
) -> Vec<(String, f64)> {
    let unusual = |(_, new): &(&Record, &Record)| {
        let known = history.get(&new.key())?.iter();
        let mut times: Vec<f64> =
            known.filter(|old| old.fingerprint == new.fingerprint).map(|old| time(old)).collect();
        times.sort_by(f64::total_cmp);
        let usual = median(&times)?;
        is_outlier(&times, time(new))?.then(|| (new.instance.clone(), time(new) / usual))
    };
    let mut found: Vec<(String, f64)> = pairs.iter().filter_map(unusual).collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{answer, feasible, proof, row};

    #[test]
    fn a_comparison_by_hand() {
        let old = vec![proof("i", "a", 1.0), proof("j", "a", 4.0), row("k", "a"), row("l", "a")];
        let mut moved = proof("l", "a", 1.0);
        moved.fingerprint = "another".into();
        let new = [
            proof("i", "a", 0.5),
            answer("j", "a", feasible(101, None), 10.0),
            Record { fingerprint: "00".into(), ..proof("k", "a", 5.0) },
            moved,
            proof("m", "a", 1.0),
            proof("i", "b", 1.0),
        ];
        let found = compare(&[old], &new);
        let [found] = &found[..] else { panic!("{found:?}") };
        assert_eq!((found.trials, found.changed), (3, 1));
        assert_eq!((found.proven_old, found.proven_new), (2, 2));
        // 0.5, 10 / 4, 5 / 10
        assert!((found.time_ratio - (0.5 * 2.5 * 0.5f64).cbrt()).abs() < 1e-12);
        assert_eq!((found.better, found.worse, found.plans_p), (1, 1, 1.0));
        // Logarithms -0.69 0.92 -0.69 have ranks 1.5, 3, 1.5: all eight subsets, 2 * 5 / 8.
        assert!((found.time_p - 1.0).abs() < 1e-12, "{found:?}");
        assert!(found.outliers.is_empty());
    }

    #[test]
    fn history_tells_what_is_unusual() {
        let history: Vec<Vec<Record>> =
            [1.0, 1.1, 1.2, 1.3].map(|s| vec![proof("i", "a", s), proof("j", "a", s)]).to_vec();
        let found = compare(&history, &[proof("i", "a", 3.0), proof("j", "a", 1.4)]);
        assert_eq!(found[0].outliers.len(), 1);
        assert_eq!(found[0].outliers[0].0, "i");
        assert!((found[0].outliers[0].1 - 3.0 / 1.15).abs() < 1e-9);
    }
}

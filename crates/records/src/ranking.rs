//! Solvers over all their trials, by ratios to the best of each instance.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::{Cost, gap};
use serde::Serialize;

use crate::profile::RESOLUTION_S;
use crate::row::{CurveRow, PointKind, Record, TrialKey};
use crate::statistics::{Interval, bootstrap, geometric_mean, mean};
use crate::summary::{best_bounds, best_costs, shared};

/// A solver over the trials that all solvers have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rank {
    /// The solver.
    pub solver: String,
    /// Trials.
    pub trials: usize,
    /// Trials that ended in a proof.
    pub proven: usize,
    /// Geometric mean of its time to proof over the shortest of the instance; a trial without a
    /// proof counts as its time limit. 1 is the best there can be.
    pub time_ratio: f64,
    /// 95 % bootstrap interval of that mean over trials.
    pub time_interval: Option<Interval>,
    /// Geometric mean of its cost over the best plan's, of the trials with a plan.
    pub cost_ratio: Option<f64>,
    /// The largest of these ratios.
    pub cost_ratio_max: Option<f64>,
    /// Mean gap between its plan and the best bound of any solver; 1 where it has no plan.
    pub gap_to_best_bound: f64,
    /// Mean over trials of [`primal_integral`], where there are curves.
    pub primal_integral: Option<f64>,
}

/// Ranks the solvers of reconciled records by their time ratio, then by their gap to the best
/// bound. `curve` holds their anytime curves; without one there are no integrals.
pub fn rank(records: &[Record], curve: &[CurveRow]) -> Vec<Rank> {
    let all: Vec<&Record> = records.iter().collect();
    let rows = shared(&all);
    let (costs, bounds) = (best_costs(&rows), best_bounds(&rows));
    let mut fastest: BTreeMap<(&str, u64), f64> = BTreeMap::new();
    for row in &rows {
        let known = fastest.entry((&row.instance, row.seed)).or_insert(f64::INFINITY);
        *known = known.min(row.proof_s().max(RESOLUTION_S));
    }
    let mut curves: BTreeMap<TrialKey<'_>, Vec<(f64, Cost)>> = BTreeMap::new();
    for row in curve.iter().filter(|row| row.kind == PointKind::Incumbent) {
        curves.entry(row.key()).or_default().push((row.at_s, row.value));
    }
    let solvers: BTreeSet<&str> = rows.iter().map(|row| row.solver.as_str()).collect();
    let rank_of = |&solver: &&str| {
        let own: Vec<&Record> = rows.iter().filter(|row| row.solver == solver).copied().collect();
        let time = |row: &&Record| {
            row.proof_s().max(RESOLUTION_S) / fastest[&(row.instance.as_str(), row.seed)]
        };
        let times: Vec<f64> = own.iter().map(time).collect();
        let ratio =
            |row: &&Record| Some(cost_ratio(row.cost()?, *costs.get(row.instance.as_str())?));
        let ratios: Vec<f64> = own.iter().filter_map(ratio).collect();
        let gaps = own.iter().map(|row| {
            let bound = bounds.get(row.instance.as_str()).copied().unwrap_or_default();
            row.cost().map_or(f64::from(!row.is_proven()), |cost| gap(cost, bound))
        });
        let integrals = own.iter().filter_map(|row| {
            let best = *costs.get(row.instance.as_str())?;
            let points = curves.get(&row.key()).cloned().unwrap_or_default();
            (!curve.is_empty()).then(|| primal_integral(row, &points, best))
        });
        Rank {
            solver: solver.to_owned(),
            trials: own.len(),
            proven: own.iter().filter(|row| row.is_proven()).count(),
            time_ratio: geometric_mean(times.clone(), 0.0).unwrap_or(1.0),
            time_interval: bootstrap(&times, |sample| {
                geometric_mean(sample.iter().copied(), 0.0).unwrap_or(1.0)
            }),
            cost_ratio: geometric_mean(ratios.clone(), 0.0),
            cost_ratio_max: ratios.iter().copied().max_by(f64::total_cmp),
            gap_to_best_bound: mean(gaps).unwrap_or(1.0),
            primal_integral: mean(integrals),
        }
    };
    let mut ranks: Vec<Rank> = solvers.iter().map(rank_of).collect();
    ranks.sort_by(|a, b| {
        let by_gap = a.gap_to_best_bound.total_cmp(&b.gap_to_best_bound);
        a.time_ratio.total_cmp(&b.time_ratio).then(by_gap)
    });
    ranks
}

/// A cost over the best one; a plan that costs nothing is as good as any other that does.
pub fn cost_ratio(cost: Cost, best: Cost) -> f64 {
    if cost == best { 1.0 } else { cost.as_f64() / best.as_f64().max(1.0) }
}

/// The mean over the time limit of the gap between the plan at hand and the best one known: 1 while
/// there is no plan, 0 from the best plan on (Berthold, Measuring the impact of primal heuristics,
/// Operations Research Letters 41, 2013; divided by the time limit). `points` are seconds and
/// costs of plans, in order of time.
pub fn primal_integral(row: &Record, points: &[(f64, Cost)], best: Cost) -> f64 {
    if !row.counts() || row.time_limit_s <= 0.0 {
        return 1.0;
    }
    let returned = row.cost().map(|cost| (row.elapsed_s, cost));
    let (mut integral, mut since, mut current) = (0.0, 0.0, 1.0);
    for (at_s, cost) in points.iter().copied().chain(returned) {
        let until = at_s.clamp(since, row.time_limit_s);
        integral += current * (until - since);
        since = until;
        current = f64::min(current, gap(cost, best));
    }
    (integral + current * (row.time_limit_s - since)) / row.time_limit_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{answer, feasible, optimal, proof, row};
    use edgeplan_problem::Verdict;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn an_integral_by_hand() {
        let row = answer("i", "a", feasible(100, None), 8.0);
        // No plan for 1 s, 50 % for 3 s, 20 % for 4 s, then the best for the last 2 of 10.
        let points = [(1.0, Cost(200)), (4.0, Cost(125))];
        let found = primal_integral(&row, &points, Cost(100));
        assert!(close(found, (1.0 + 3.0 * 0.5 + 4.0 * 0.2) / 10.0), "{found}");
        assert!(close(primal_integral(&row, &[], Cost(100)), 0.8));
        let failed = Record { verdict: Verdict::Failed(String::new()), ..row };
        assert!(close(primal_integral(&failed, &points, Cost(100)), 1.0));
    }

    #[test]
    fn ranks_by_hand() {
        let records = [
            proof("i", "a", 1.0),
            proof("i", "b", 2.0),
            answer("j", "a", feasible(120, Some(90)), 10.0),
            answer("j", "b", optimal(100), 2.5),
            answer("k", "a", Verdict::Infeasible, 1.0),
            row("k", "b"),
        ];
        let ranks = rank(&records, &[]);
        // a: 1, 10 / 2.5, 1; b: 2, 1, 10.
        let [a, b] = &ranks[..] else { panic!("{ranks:?}") };
        assert_eq!((a.solver.as_str(), a.trials, a.proven), ("a", 3, 2));
        assert!(close(a.time_ratio, 4f64.cbrt()) && close(b.time_ratio, 20f64.cbrt()));
        assert!(close(a.cost_ratio.unwrap(), 1.2f64.sqrt()), "{a:?}");
        assert_eq!((a.cost_ratio_max, b.cost_ratio_max), (Some(1.2), Some(1.0)));
        // The best bound of j is b's: 20 of 120; the proof that there is no plan has no gap.
        assert!(close(a.gap_to_best_bound, (20.0 / 120.0) / 3.0), "{a:?}");
        assert!(close(b.gap_to_best_bound, 1.0 / 3.0), "{b:?}");
        assert_eq!(a.primal_integral, None);
    }
}

//! What records say: per suite and solver, over the trials that all solvers of the suite have.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::{Cost, Verdict, reconcile_verdicts};
use serde::Serialize;

use crate::known::confront;
use crate::row::Record;
use crate::statistics::{geometric_mean, mean, median};

/// Seconds added to times before their geometric mean is taken, so that a millisecond more or less
/// on an easy instance does not outweigh a minute on a hard one.
pub const SHIFT_S: f64 = 0.1;

/// A suite's solvers, best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuiteSummary {
    /// The suite's name.
    pub suite: String,
    /// Instances that all solvers were run on.
    pub instances: usize,
    /// Trials of the others, which nothing here counts.
    pub left_out: usize,
    /// Revisions of the builds; more than one where a change came between.
    pub revisions: BTreeSet<String>,
    /// By time to proof, then by how good the plans are.
    pub solvers: Vec<SolverSummary>,
}

/// A solver over the trials of a suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SolverSummary {
    /// Its name.
    pub solver: String,
    /// Trials.
    pub trials: usize,
    /// Those that ended in a proof, of optimality or that there is no plan.
    pub proven: usize,
    /// Those that ended with a plan.
    pub plans: usize,
    /// Those whose answer is contradicted by itself or a feasible plan; they count as
    /// trials without an answer.
    pub wrong: usize,
    /// Those that crashed or had to be killed.
    pub failed: usize,
    /// Mean relative gap between its own plan and bound; 1 where one of them is missing.
    pub gap_mean: f64,
    /// Mean of cost over the best known plan, less one; of the trials with a plan.
    pub excess_mean: Option<f64>,
    /// Shifted geometric mean of seconds to proof; a trial without one counts as its time limit.
    pub proof_s: f64,
    /// That time over the best solver's.
    pub ratio: f64,
    /// Median seconds to the first feasible plan, of the trials with one.
    pub first_plan_median_s: Option<f64>,
    /// Most seconds to the first feasible plan.
    pub first_plan_max_s: Option<f64>,
    /// The most memory of any trial.
    pub peak_memory_max_bytes: Option<u64>,
}

/// The same records with contradictions between them marked: a dual bound above the cost of a
/// feasible plan of the same instance, or a claim that there is no plan, becomes
/// [`Verdict::Wrong`]; so does what contradicts an answer that is known ([`crate::known`]).
pub fn reconciled(mut records: Vec<Record>) -> Vec<Record> {
    records.iter_mut().for_each(confront);
    let mut by_instance: BTreeMap<&str, Vec<(&str, &mut Verdict)>> = BTreeMap::new();
    for Record { fingerprint, solver, verdict, .. } in &mut records {
        by_instance.entry(fingerprint.as_str()).or_default().push((solver.as_str(), verdict));
    }
    by_instance.into_values().for_each(reconcile_verdicts);
    records
}

/// Sums up reconciled records, suite by suite.
pub fn summarize(records: &[Record]) -> Vec<SuiteSummary> {
    let suites: BTreeSet<&str> = records.iter().map(|record| record.suite.as_str()).collect();
    let of = |suite: &&str| {
        let rows: Vec<&Record> = records.iter().filter(|record| record.suite == **suite).collect();
        summarize_suite(suite, &rows)
    };
    suites.iter().map(of).collect()
}

fn summarize_suite(suite: &str, rows: &[&Record]) -> SuiteSummary {
    let solvers: BTreeSet<&str> = rows.iter().map(|row| row.solver.as_str()).collect();
    let rows_shared = shared(rows);
    let best = best_costs(&rows_shared);
    let mut summaries: Vec<SolverSummary> = solvers
        .iter()
        .map(|&solver| {
            let own: Vec<&Record> =
                rows_shared.iter().filter(|row| row.solver == solver).copied().collect();
            summarize_solver(solver, &own, &best)
        })
        .collect();
    let fastest = summaries.iter().map(|s| s.proof_s).fold(f64::INFINITY, f64::min);
    for summary in &mut summaries {
        summary.ratio = if fastest > 0.0 { summary.proof_s / fastest } else { 1.0 };
    }
    summaries.sort_by(|a, b| {
        let excess = |s: &SolverSummary| s.excess_mean.unwrap_or(f64::INFINITY);
        let by_time = a.proof_s.total_cmp(&b.proof_s);
        let by_plans = b.plans.cmp(&a.plans).then(excess(a).total_cmp(&excess(b)));
        by_time.then(by_plans)
    });
    SuiteSummary {
        suite: suite.into(),
        instances: rows_shared.iter().map(|row| &row.instance).collect::<BTreeSet<_>>().len(),
        left_out: rows.len() - rows_shared.len(),
        revisions: rows.iter().map(|row| row.revision.clone()).collect(),
        solvers: summaries,
    }
}

/// The trials on instances, with seeds, that every solver among them was run on.
pub fn shared<'a>(rows: &[&'a Record]) -> Vec<&'a Record> {
    let solvers: BTreeSet<&str> = rows.iter().map(|row| row.solver.as_str()).collect();
    let mut run_by: BTreeMap<(&str, &str, u64), usize> = BTreeMap::new();
    for row in rows {
        *run_by.entry((&row.suite, &row.instance, row.seed)).or_default() += 1;
    }
    let by_all = |row: &&&Record| {
        run_by[&(row.suite.as_str(), row.instance.as_str(), row.seed)] == solvers.len()
    };
    rows.iter().filter(by_all).copied().collect()
}

/// The cost of the best plan of each instance, by its name.
pub fn best_costs<'a>(rows: &[&'a Record]) -> BTreeMap<&'a str, Cost> {
    let mut best: BTreeMap<&str, Cost> = BTreeMap::new();
    for row in rows {
        if let Some(cost) = row.cost() {
            let known = best.entry(&row.instance).or_insert(cost);
            *known = cost.min(*known);
        }
    }
    best
}

/// The best dual bound of each instance, by its name.
pub fn best_bounds<'a>(rows: &[&'a Record]) -> BTreeMap<&'a str, Cost> {
    let mut best: BTreeMap<&str, Cost> = BTreeMap::new();
    for row in rows {
        if let Some(bound) = row.lower_bound() {
            let known = best.entry(&row.instance).or_insert(bound);
            *known = bound.max(*known);
        }
    }
    best
}

fn summarize_solver(solver: &str, rows: &[&Record], best: &BTreeMap<&str, Cost>) -> SolverSummary {
    let count = |what: fn(&Record) -> bool| rows.iter().filter(|row| what(row)).count();
    let excesses: Vec<f64> = rows
        .iter()
        .filter_map(|row| Some((row.cost()?, *best.get(row.instance.as_str())?)))
        // A plan that costs nothing is as good as any.
        .map(|(cost, least)| if cost == least { 0.0 } else { cost.as_f64() / least.as_f64() - 1.0 })
        .collect();
    let times = rows.iter().map(|row| row.proof_s());
    let mut first: Vec<f64> =
        rows.iter().filter(|row| row.counts()).filter_map(|row| row.first_plan_s).collect();
    first.sort_by(f64::total_cmp);
    SolverSummary {
        solver: solver.into(),
        trials: rows.len(),
        proven: count(Record::is_proven),
        plans: count(|row| row.cost().is_some()),
        wrong: count(|row| row.verdict.is_wrong()),
        failed: count(|row| matches!(row.verdict, Verdict::Failed(_))),
        gap_mean: mean(rows.iter().map(|row| row.gap_or_whole())).unwrap_or(1.0),
        excess_mean: mean(excesses),
        proof_s: geometric_mean(times, SHIFT_S).unwrap_or(0.0),
        ratio: 1.0,
        first_plan_median_s: median(&first),
        first_plan_max_s: first.last().copied(),
        peak_memory_max_bytes: rows.iter().filter_map(|row| row.peak_memory_bytes).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{answer, feasible, optimal};

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn the_arithmetic_is_what_it_is_called() {
        let records = vec![
            answer("i", "a", optimal(100), 0.3),
            answer("i", "b", feasible(200, Some(50)), 10.0),
            answer("j", "a", Verdict::Infeasible, 1.5),
            answer("j", "b", Verdict::Unknown { lower_bound: None }, 10.0),
            answer("k", "a", feasible(300, None), 10.0),
            answer("k", "b", feasible(240, Some(180)), 4.0),
            answer("k", "c", Verdict::Failed(String::new()), 4.0),
        ];
        // Where c was not run, a and b would not be compared with it: only k is left.
        assert_eq!(summarize(&records)[0].instances, 1);
        assert_eq!(summarize(&records)[0].left_out, 4);
        let summary = summarize(&records[..6]).remove(0);
        assert_eq!((summary.instances, summary.left_out), (3, 0));
        let [a, b] = &summary.solvers[..] else { panic!("{summary:?}") };
        assert_eq!((a.solver.as_str(), a.trials, a.proven, a.plans), ("a", 3, 2, 2));
        assert_eq!((b.solver.as_str(), b.trials, b.proven, b.plans), ("b", 3, 0, 2));
        // (0.3 + 0.1) * (1.5 + 0.1) * (10 + 0.1), the last for the one without proof
        assert!(close(a.proof_s, (0.4_f64 * 1.6 * 10.1).cbrt() - 0.1), "{a:?}");
        assert!(close(b.proof_s, 10.0) && close(b.ratio, b.proof_s / a.proof_s), "{b:?}");
        assert!(close(a.ratio, 1.0));
        // 0, 0 for the proof that there is none, 1 without a bound; 3/4, 1, 1/4
        assert!(close(a.gap_mean, 1.0 / 3.0) && close(b.gap_mean, 2.0 / 3.0));
        // 100 and 300 over 100 and 240; 200 and 240 over the same
        assert!(close(a.excess_mean.unwrap(), 0.125) && close(b.excess_mean.unwrap(), 0.5));
        assert!(close(a.first_plan_median_s.unwrap(), (0.15 + 5.0) / 2.0));
        assert_eq!((a.first_plan_max_s, b.first_plan_median_s), (Some(5.0), Some(3.5)));
    }

    #[test]
    fn an_answer_that_another_plan_contradicts_is_wrong_and_not_ranked() {
        let records = reconciled(vec![
            answer("i", "liar", optimal(120), 0.001),
            answer("i", "denier", Verdict::Infeasible, 0.001),
            answer("i", "slow", feasible(100, Some(90)), 10.0),
        ]);
        assert_eq!(records.iter().filter(|row| row.verdict.is_wrong()).count(), 2);
        assert_eq!((records[0].cost(), records[0].lower_bound()), (None, None));
        assert_eq!(
            records[0].reason(),
            "claims that no plan costs less than 120, but slow has one for 100"
        );
        let reason = records[1].reason();
        assert!(reason.starts_with("claims that there is no plan, but slow has one"), "{reason}");
        let summary = summarize(&records).remove(0);
        for solver in summary.solvers.iter().filter(|solver| solver.solver != "slow") {
            assert_eq!((solver.wrong, solver.proven, solver.plans), (1, 0, 0), "{solver:?}");
            assert!(close(solver.proof_s, 10.0) && close(solver.gap_mean, 1.0), "{solver:?}");
            assert_eq!((solver.excess_mean, solver.first_plan_median_s), (None, None));
        }
        assert_eq!(summary.solvers[0].solver, "slow");
    }

    #[test]
    fn suites_are_apart_but_their_contradictions_are_not() {
        let mut other = answer("i", "a", optimal(9), 1.0);
        other.suite = "other".into();
        let records = reconciled(vec![answer("i", "b", optimal(7), 1.0), other]);
        assert!(records[1].verdict.is_wrong());
        let suites = summarize(&records);
        assert_eq!(suites.len(), 2);
        assert!(suites.iter().all(|suite| suite.solvers.len() == 1 && suite.left_out == 0));
    }
}

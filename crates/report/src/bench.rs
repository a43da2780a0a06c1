//! Records of trials as tables: summaries, rankings, and what changed between two records.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::{Bytes, Cost, Nanos};
use edgeplan_records::comparison::Comparison;
use edgeplan_records::ranking::{Rank, rank};
use edgeplan_records::row::{CurveRow, Kind, Record};
use edgeplan_records::statistics::Interval;
use edgeplan_records::summary::{SolverSummary, SuiteSummary};

use crate::table::{Table, or_dash};

/// Instances out of their history that are shown of a solver.
const OUTLIERS_MAX: usize = 10;

/// Every suite's summary, and what went wrong in it; `trials` shows every trial, too.
pub fn summaries(suites: &[SuiteSummary], records: &[Record], trials: bool) -> String {
    let mut text = String::new();
    for suite in suites {
        let of_suite = || records.iter().filter(|record| record.suite == suite.suite);
        text += &format!("{}\n", summary(suite));
        if trials {
            text += &format!("{}\n\n", trial_table(of_suite()));
        }
        for record in of_suite().filter(|record| !record.counts()) {
            let Record { instance, solver, verdict, .. } = record;
            let (word, reason) = (verdict.word(), record.reason());
            text += &format!("{solver} on {instance}: {word}: {reason}\n");
        }
    }
    text
}

fn summary(suite: &SuiteSummary) -> String {
    let columns = [
        "solver",
        "trials>",
        "proven>",
        "plans>",
        "wrong>",
        "failed>",
        "mean gap>",
        "over best plan>",
        "time to proof>",
        "ratio>",
        "first plan>",
        "at most>",
        "memory>",
    ];
    let table = Table::new(columns).with_rows(suite.solvers.iter().map(summary_cells));
    let revisions: Vec<&str> = suite.revisions.iter().map(String::as_str).collect();
    let left_out = match suite.left_out {
        0 => String::new(),
        count => format!(", {count} trials left out that not every solver has"),
    };
    format!(
        "{}: {} instances, revision {}{left_out}\n{table}\n",
        suite.suite,
        suite.instances,
        revisions.join(" and ")
    )
}

fn summary_cells(summary: &SolverSummary) -> [String; 13] {
    let percent = |share: f64| format!("{:.3} %", 100.0 * share);
    [
        summary.solver.clone(),
        summary.trials.to_string(),
        summary.proven.to_string(),
        summary.plans.to_string(),
        summary.wrong.to_string(),
        summary.failed.to_string(),
        percent(summary.gap_mean),
        or_dash(summary.excess_mean.map(percent)),
        time(summary.proof_s),
        format!("{:.1}", summary.ratio),
        or_dash(summary.first_plan_median_s.map(time)),
        or_dash(summary.first_plan_max_s.map(time)),
        or_dash(summary.peak_memory_max_bytes.map(Bytes)),
    ]
}

fn time(seconds: f64) -> String {
    Nanos((seconds * 1e9) as u64).to_string()
}

/// A cost in the unit of its problem.
fn amount(record: &Record, cost: Cost) -> String {
    match (record.problem, record.objective) {
        (Kind::Deployment, Some(objective)) => objective.amount(cost),
        (Kind::Scheduling, _) => format!("{:.6} missed", cost.as_f64() / 1e9),
        (Kind::Batching, _) => format!("{} missed", cost.0),
        (Kind::Deployment, None) => cost.0.to_string(),
    }
}

fn trial_table<'a>(records: impl Iterator<Item = &'a Record>) -> Table {
    let columns =
        ["instance", "solver", "verdict", "cost>", "bound>", "gap>", "seconds>", "first plan>"];
    Table::new(columns).with_rows(records.map(|record| {
        let cost = |cost: Option<Cost>| or_dash(cost.map(|cost| amount(record, cost)));
        [
            record.instance.clone(),
            record.solver.clone(),
            record.verdict.word().to_owned(),
            cost(record.cost()),
            cost(record.lower_bound()),
            or_dash(record.gap().map(|gap| format!("{:.3} %", 100.0 * gap))),
            time(record.elapsed_s),
            or_dash(record.first_plan_s.map(time)),
        ]
    }))
}

/// The solvers of each suite by ratios to the best of each instance.
pub fn ranks<'a>(records: &'a [Record], curve: &[CurveRow]) -> BTreeMap<&'a str, Vec<Rank>> {
    let suites: BTreeSet<&str> = records.iter().map(|record| record.suite.as_str()).collect();
    let own = |suite: &str| -> Vec<Record> {
        records.iter().filter(|record| record.suite == suite).cloned().collect()
    };
    suites.into_iter().map(|suite| (suite, rank(&own(suite), curve))).collect()
}

/// The ranks of each suite as a table.
pub fn ranking(ranks: &BTreeMap<&str, Vec<Rank>>) -> String {
    let columns = [
        "solver",
        "trials>",
        "proven>",
        "time over best>",
        "95 %>",
        "cost over best>",
        "at most>",
        "gap to best bound>",
        "mean gap over time>",
    ];
    let one = |(suite, ranks): (&&str, &Vec<Rank>)| {
        let table = Table::new(columns).with_rows(ranks.iter().map(rank_cells));
        format!("{suite}\n{table}\n\n")
    };
    ranks.iter().map(one).collect()
}

fn rank_cells(rank: &Rank) -> [String; 9] {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let ratio = |ratio: f64| format!("{ratio:.4}");
    [
        rank.solver.clone(),
        rank.trials.to_string(),
        rank.proven.to_string(),
        format!("{:.2}", rank.time_ratio),
        or_dash(rank.time_interval.map(interval)),
        or_dash(rank.cost_ratio.map(ratio)),
        or_dash(rank.cost_ratio_max.map(ratio)),
        percent(rank.gap_to_best_bound),
        or_dash(rank.primal_integral.map(percent)),
    ]
}

fn interval(interval: Interval) -> String {
    format!("{:.2} .. {:.2}", interval.low, interval.high)
}

/// What changed between two records, by solver.
pub fn comparison(comparisons: &[Comparison]) -> String {
    let columns = [
        "solver",
        "trials>",
        "proven>",
        "now>",
        "time ratio>",
        "95 %>",
        "p>",
        "better>",
        "worse>",
        "p>",
    ];
    let table = Table::new(columns).with_rows(comparisons.iter().map(comparison_cells));
    let notes: String = comparisons.iter().map(notes).collect();
    format!(
        "{table}\n\n\
         Time ratio: geometric mean of new over old time to proof; p: Wilcoxon's test of it.\n\
         Better and worse: plans; p: the sign test.\n{notes}"
    )
}

fn notes(comparison: &Comparison) -> String {
    let Comparison { solver, changed, outliers, .. } = comparison;
    let mut notes = String::new();
    if *changed > 0 {
        notes += &format!("{solver}: {changed} trials left out, of instances that changed\n");
    }
    for (instance, ratio) in outliers.iter().take(OUTLIERS_MAX) {
        notes += &format!("{solver} on {instance}: {ratio:.2} times its usual time\n");
    }
    if let Some(more) = outliers.len().checked_sub(OUTLIERS_MAX + 1) {
        notes += &format!("{solver}: {} more are unusual\n", more + 1);
    }
    notes
}

fn comparison_cells(comparison: &Comparison) -> [String; 10] {
    let p = |p: f64| if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") };
    [
        comparison.solver.clone(),
        comparison.trials.to_string(),
        comparison.proven_old.to_string(),
        comparison.proven_new.to_string(),
        format!("{:.3}", comparison.time_ratio),
        or_dash(comparison.time_interval.map(interval)),
        p(comparison.time_p),
        comparison.better.to_string(),
        comparison.worse.to_string(),
        p(comparison.plans_p),
    ]
}

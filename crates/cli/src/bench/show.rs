//! Summaries of records as tables.

use edgeplan_problem::{Bytes, Cost, Nanos};
use edgeplan_records::row::{Kind, Record};
use edgeplan_records::summary::{SolverSummary, SuiteSummary};

use crate::report::table;
use edgeplan::in_unit;

/// Every suite's table, and what went wrong in it; `trials` shows every trial, too.
pub(super) fn text(suites: &[SuiteSummary], records: &[Record], trials: bool) -> String {
    let mut text = String::new();
    for suite in suites {
        let of_suite = || records.iter().filter(|record| record.suite == suite.suite);
        text += &format!("{}\n", summary_text(suite));
        if trials {
            text += &format!("{}\n\n", trials_table(of_suite()));
        }
        for record in of_suite().filter(|record| !record.counts()) {
            let Record { instance, solver, verdict, .. } = record;
            let (word, reason) = (verdict.word(), record.reason());
            text += &format!("{solver} on {instance}: {word}: {reason}\n");
        }
    }
    text
}

fn summary_text(suite: &SuiteSummary) -> String {
    let mut rows = table(
        &[
            "solver",
            "trials",
            "proven",
            "plans",
            "wrong",
            "failed",
            "mean gap",
            "over best plan",
            "time to proof",
            "ratio",
            "first plan",
            "at most",
            "memory",
        ],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
    for summary in &suite.solvers {
        rows.add_row(cells(summary));
    }
    let revisions: Vec<&str> = suite.revisions.iter().map(String::as_str).collect();
    let left_out = match suite.left_out {
        0 => String::new(),
        count => format!(", {count} trials left out that not every solver has"),
    };
    let head = format!(
        "{}: {} instances, revision {}{left_out}",
        suite.suite,
        suite.instances,
        revisions.join(" and ")
    );
    format!("{head}\n{rows}\n")
}

fn cells(summary: &SolverSummary) -> [String; 13] {
    let percent = |share: f64| format!("{:.3} %", 100.0 * share);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
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
        or_dash(summary.peak_memory_max_bytes.map(|bytes| Bytes(bytes).to_string())),
    ]
}

pub(super) fn time(seconds: f64) -> String {
    Nanos((seconds * 1e9) as u64).to_string()
}

/// A cost in the unit of its problem.
fn priced(record: &Record, cost: Cost) -> String {
    match (record.problem, record.objective) {
        (Kind::Deployment, Some(objective)) => in_unit(objective, cost),
        (Kind::Scheduling, _) => format!("{:.6} missed", cost.as_f64() / 1e9),
        (Kind::Batching, _) => format!("{} missed", cost.0),
        (Kind::Deployment, None) => cost.0.to_string(),
    }
}

fn trials_table<'a>(records: impl Iterator<Item = &'a Record>) -> comfy_table::Table {
    let header = ["instance", "solver", "verdict", "cost", "bound", "gap", "seconds", "first plan"];
    let mut rows = table(&header, &[3, 4, 5, 6, 7]);
    for record in records {
        let cost = |cost: Option<Cost>| cost.map(|cost| priced(record, cost));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        rows.add_row([
            record.instance.clone(),
            record.solver.clone(),
            record.verdict.word().to_owned(),
            or_dash(cost(record.cost())),
            or_dash(cost(record.lower_bound())),
            or_dash(record.gap().map(|gap| format!("{:.3} %", 100.0 * gap))),
            time(record.elapsed_s),
            or_dash(record.first_plan_s.map(time)),
        ]);
    }
    rows
}

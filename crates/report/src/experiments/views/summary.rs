//! The figures of each solver over a suite.

use edgeplan_records::declared::declared;
use edgeplan_records::folder::Folder;
use edgeplan_records::ranking::{Rank, rank};
use edgeplan_records::summary::{SHIFT_S, SolverSummary, summarize};

use super::super::block::Request;
use super::super::format::{
    bytes, code, interval, or_dash, percent, seconds, significant, table, verbatim,
};
use super::{Rendered, kind, records};

/// A table per suite: proofs, plans, gaps and times.
pub(super) fn summary(request: &Request<'_>) -> Result<Rendered, String> {
    let records = records(request)?;
    let mut text = String::new();
    for suite in summarize(&records) {
        let own = records.iter().find(|row| row.suite == suite.suite).expect("it has rows");
        let limit = seconds(own.time_limit_s);
        let label = |s: &SolverSummary| declared().label(own.problem, &s.solver).to_owned();
        let headings = [
            "solver",
            "proven>",
            "with a plan>",
            "mean gap>",
            "over best plan>",
            "time to proof>",
            "first plan>",
            "at most>",
            "memory>",
            "wrong>",
            "failed>",
        ];
        let rows = suite.solvers.iter().map(|s| {
            vec![
                label(s),
                s.proven.to_string(),
                s.plans.to_string(),
                percent(s.gap_mean),
                or_dash(s.excess_mean.map(percent)),
                seconds(s.proof_s),
                or_dash(s.first_plan_median_s.map(seconds)),
                or_dash(s.first_plan_max_s.map(seconds)),
                or_dash(s.peak_memory_max_bytes.map(bytes)),
                s.wrong.to_string(),
                s.failed.to_string(),
            ]
        });
        let left_out = match suite.left_out {
            0 => String::new(),
            count => format!(" {count} trials are left out that not every solver has."),
        };
        let revisions: Vec<String> = suite.revisions.iter().map(|each| verbatim(each)).collect();
        text += &format!(
            "{}{} instances of {}, {limit} each, revision {}.{left_out} Time to proof: geometric \
             mean, shifted by {SHIFT_S} s; a trial without a proof counts as {limit}.\n\n",
            table(&headings, rows) + "\n",
            suite.instances,
            code(&suite.suite),
            revisions.join(" and "),
        );
    }
    Ok(text.into())
}

/// Ratios to the best of each instance, with intervals.
pub(super) fn ranking(request: &Request<'_>) -> Result<Rendered, String> {
    let records = records(request)?;
    let kind = kind(&records)?;
    let curve = Folder::read_all_curves(&request.paths()).map_err(|error| error.to_string())?;
    let headings = [
        "solver",
        "proven>",
        "time over fastest>",
        "95 %>",
        "cost over best>",
        "at most>",
        "gap to best bound>",
        "mean gap over time>",
    ];
    let row = |r: Rank| {
        vec![
            declared().label(kind, &r.solver).to_owned(),
            format!("{} of {}", r.proven, r.trials),
            significant(r.time_ratio),
            or_dash(r.time_interval.map(interval)),
            or_dash(r.cost_ratio.map(|ratio| format!("{ratio:.3}"))),
            or_dash(r.cost_ratio_max.map(|ratio| format!("{ratio:.3}"))),
            percent(r.gap_to_best_bound),
            or_dash(r.primal_integral.map(percent)),
        ]
    };
    Ok(table(&headings, rank(&records, &curve).into_iter().map(row)).into())
}

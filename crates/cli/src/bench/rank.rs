//! `edgeplan bench --rank`: solvers by ratios to the best of each instance.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_records::ranking::{Rank, rank};
use edgeplan_records::row::{CurveRow, Record};
use edgeplan_records::statistics::Interval;

use crate::reply::Reply;
use crate::report::table;

pub(super) fn reply(records: &[Record], curve: &[CurveRow], json: bool) -> Reply {
    let suites: BTreeSet<&str> = records.iter().map(|record| record.suite.as_str()).collect();
    let ranks: BTreeMap<&str, Vec<Rank>> = suites
        .iter()
        .map(|&suite| {
            let own: Vec<Record> =
                records.iter().filter(|record| record.suite == suite).cloned().collect();
            (suite, rank(&own, curve))
        })
        .collect();
    let mut text = String::new();
    for (suite, ranks) in &ranks {
        let mut rows = table(
            &[
                "solver",
                "trials",
                "proven",
                "time over best",
                "95 %",
                "cost over best",
                "at most",
                "gap to best bound",
                "mean gap over time",
            ],
            &[1, 2, 3, 4, 5, 6, 7, 8],
        );
        for rank in ranks {
            rows.add_row(cells(rank));
        }
        text += &format!("{suite}\n{rows}\n\n");
    }
    Reply::either(json, &ranks, &text)
}

fn cells(rank: &Rank) -> [String; 9] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
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

pub(super) fn interval(interval: Interval) -> String {
    format!("{:.2} .. {:.2}", interval.low, interval.high)
}

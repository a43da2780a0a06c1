//! `edgeplan bench --compare OLD NEW`: what changed.

use edgeplan_records::comparison::{Comparison, compare};
use edgeplan_records::row::Record;

use super::rank::interval;
use crate::reply::Reply;
use crate::report::table;

/// Instances out of their history that are shown of a solver.
const OUTLIERS_MAX: usize = 10;

pub(super) fn reply(old: &[Vec<Record>], new: &[Record], json: bool) -> Reply {
    let comparisons = compare(old, new);
    if comparisons.is_empty() {
        let text = "The two have no trial in common.";
        return Reply::either(json, &comparisons, text).found(false);
    }
    let mut rows = table(
        &["solver", "trials", "proven", "now", "time ratio", "95 %", "p", "better", "worse", "p"],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    let mut notes = String::new();
    for comparison in &comparisons {
        rows.add_row(cells(comparison));
        let Comparison { solver, changed, outliers, .. } = comparison;
        if *changed > 0 {
            notes += &format!("{solver}: {changed} trials left out, of instances that changed\n");
        }
        for (instance, ratio) in outliers.iter().take(OUTLIERS_MAX) {
            notes += &format!("{solver} on {instance}: {ratio:.2} times its usual time\n");
        }
        if let Some(more) = outliers.len().checked_sub(OUTLIERS_MAX + 1) {
            notes += &format!("{solver}: {} more are unusual\n", more + 1);
        }
    }
    let text = format!(
        "{rows}\n\nTime ratio: geometric mean of new over old time to proof; p: Wilcoxon's test of \
         it.\nBetter and worse: plans; p: the sign test.\n{notes}"
    );
    Reply::either(json, &comparisons, &text)
}

fn cells(comparison: &Comparison) -> [String; 10] {
    let p = |p: f64| if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") };
    [
        comparison.solver.clone(),
        comparison.trials.to_string(),
        comparison.proven_old.to_string(),
        comparison.proven_new.to_string(),
        format!("{:.3}", comparison.time_ratio),
        comparison.time_interval.map_or("-".into(), interval),
        p(comparison.time_p),
        comparison.better.to_string(),
        comparison.worse.to_string(),
        p(comparison.plans_p),
    ]
}

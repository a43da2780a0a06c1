//! The Gantt chart of a part of a simulation.

use edgeplan_problem::Nanos;
use edgeplan_report::gantt::{Bar, Chart, Gantt, Row};

use super::{PolicyRun, Simulated};

/// A chart per policy, all over the same time: until the first of them has no more bars.
pub(super) fn gantt(simulated: &Simulated<'_>, from: Nanos) -> Gantt {
    let used = simulated.used();
    let last = |run: &PolicyRun| run.record.spans.iter().map(|span| span.start).max();
    let until = simulated.runs.iter().filter_map(last).min().unwrap_or_default();
    let charts = simulated.runs.iter().map(|run| {
        let row = |&server: &usize| Row {
            name: simulated.server(server),
            busy: run.summary.utilisation[server],
        };
        let bars = run.record.spans.iter().filter_map(|span| {
            let row = used.iter().position(|&server| server == span.server)?;
            let (batch, prompt, start, end) = (span.job, span.prompt, span.start, span.end);
            Some(Bar { row, batch, prompt, start, end })
        });
        let summary = &run.summary;
        Chart {
            heading: run.policy.clone(),
            remark: format!(
                "{:.1} tokens/s over the whole run; end to end {} at the median, {} at most",
                summary.tokens_per_s, summary.end_to_end_ns.p50, summary.end_to_end_ns.max
            ),
            rows: used.iter().map(row).collect(),
            bars: bars.collect(),
            shown: (from, until.max(from + Nanos(1))),
        }
    });
    Gantt {
        title: simulated.deployment.name.clone(),
        subtitle: simulated.subtitle(),
        charts: charts.collect(),
    }
}

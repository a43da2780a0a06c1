//! The gap between the LP relaxation and the optimum.

use std::collections::BTreeMap;

use edgeplan_problem::{Cost, Verdict, gap};
use edgeplan_records::row::Record;
use edgeplan_records::statistics::{bootstrap, mean};

use super::super::block::Request;
use super::super::format::{or_dash, percent, table};
use super::{Rendered, records, values};

/// The solver whose bound is that of the relaxation.
const RELAXED: &str = "lp-rounding";

/// The mean gap of the relaxation to a proven optimum, in groups (`by=layers`).
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let records = records(request)?;
    let by = request.needed("by")?;
    let mut optimum: BTreeMap<&str, Cost> = BTreeMap::new();
    for row in &records {
        if let Verdict::Optimal { cost, .. } = row.verdict {
            optimum.insert(&row.instance, cost);
        }
    }
    let relaxed = |row: &Record| {
        let optimum = *optimum.get(row.instance.as_str())?;
        Some(gap(optimum, row.lower_bound()?))
    };
    let rows = values(&records, by)?.into_iter().map(|value| {
        let own = records.iter().filter(|row| row.solver == RELAXED);
        let own = own.filter(|row| row.parameter(by).as_ref() == Some(&value));
        let gaps: Vec<f64> = own.filter_map(relaxed).collect();
        let interval = bootstrap(&gaps, |sample| mean(sample.to_vec()).unwrap_or(0.0));
        vec![
            value.to_string(),
            gaps.len().to_string(),
            or_dash(mean(gaps.clone()).map(percent)),
            or_dash(interval.map(|i| format!("{} .. {}", percent(i.low), percent(i.high)))),
            or_dash(gaps.iter().copied().max_by(f64::total_cmp).map(percent)),
        ]
    });
    let headings = [by, "instances with a proven optimum>", "mean gap>", "95 %>", "largest>"];
    Ok(table(&headings, rows).into())
}

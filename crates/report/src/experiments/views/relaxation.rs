//! The gap between the LP relaxation and the optimum.

use std::collections::BTreeMap;

use edgeplan_problem::{Cost, Verdict, gap};
use edgeplan_records::row::Record;
use edgeplan_records::statistics::{bootstrap, mean};

use super::super::block::Request;
use super::super::format::{or_dash, percent, table};
use super::{Rendered, records, values};

/// Solvers whose bound is that of a relaxation, and what the program behind it is called.
const RELAXED: [(&str, &str); 2] = [("lp-rounding", "strong"), ("lp-weak", "weak")];

/// The mean gaps of relaxations to a proven optimum, in groups (`by=layers`): of the strong
/// program, and of the weak one where it was asked, on the instances that both have a bound of.
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let records = records(request)?;
    let by = request.needed("by")?;
    let mut optimum: BTreeMap<&str, Cost> = BTreeMap::new();
    for row in &records {
        if let Verdict::Optimal { cost, .. } = row.verdict {
            optimum.insert(&row.instance, cost);
        }
    }
    // The gap of each instance's relaxations, by solver.
    let mut gaps: BTreeMap<&str, BTreeMap<&str, (&Record, f64)>> = BTreeMap::new();
    for row in &records {
        if let (Some(&cost), Some(bound)) = (optimum.get(row.instance.as_str()), row.lower_bound())
        {
            gaps.entry(&row.solver).or_default().insert(&row.instance, (row, gap(cost, bound)));
        }
    }
    let shown: Vec<(&str, &str)> =
        RELAXED.into_iter().filter(|(solver, _)| gaps.contains_key(solver)).collect();
    let both = |instance: &str| shown.iter().all(|(solver, _)| gaps[solver].contains_key(instance));
    let rows = values(&records, by)?.into_iter().map(|value| {
        let of = |solver: &str| -> Vec<f64> {
            let own = gaps[solver].iter().filter(|(instance, _)| both(instance));
            let own = own.filter(|(_, (row, _))| row.parameter(by).as_ref() == Some(&value));
            own.map(|(_, (_, gap))| *gap).collect()
        };
        let count = shown.first().map_or(0, |(solver, _)| of(solver).len());
        let mut row = vec![value.to_string(), count.to_string()];
        for (solver, _) in &shown {
            let gaps = of(solver);
            let interval = bootstrap(&gaps, |sample| mean(sample.to_vec()).unwrap_or(0.0));
            row.extend([
                or_dash(mean(gaps.clone()).map(percent)),
                or_dash(interval.map(|i| format!("{} .. {}", percent(i.low), percent(i.high)))),
                or_dash(gaps.iter().copied().max_by(f64::total_cmp).map(percent)),
            ]);
        }
        row
    });
    let mut headings = vec![by.to_owned(), "instances with a proven optimum>".into()];
    for (_, word) in &shown {
        // One program needs no word.
        let word = if shown.len() > 1 { format!("{word}: ") } else { String::new() };
        headings.extend(["mean gap>", "95 %>", "largest>"].map(|head| format!("{word}{head}")));
    }
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    Ok(table(&headings, rows).into())
}

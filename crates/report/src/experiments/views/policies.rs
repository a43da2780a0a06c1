//! Solvers' plans over the best known ones, in groups of instances.

use std::collections::BTreeSet;

use edgeplan_records::declared::declared;
use edgeplan_records::ranking::cost_ratio;
use edgeplan_records::row::Record;
use edgeplan_records::statistics::{bootstrap, geometric_mean};
use edgeplan_records::summary::best_costs;

use super::super::block::Request;
use super::super::format::{interval, or_dash, percent, table};
use super::{Rendered, kind, records, solvers, values};

/// Geometric mean and worst ratio of cost, per solver and group (`by=objective`). `to=SOLVER`
/// compares with that solver's plans instead of the best of all.
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let records = records(request)?;
    let kind = kind(&records)?;
    let by = request.options.get("by").copied().unwrap_or("suite");
    let order = solvers(&records, kind);
    let mut rows = Vec::new();
    for value in values(&records, by)? {
        let group: Vec<&Record> =
            records.iter().filter(|row| row.parameter(by).as_ref() == Some(&value)).collect();
        let best = match request.options.get("to") {
            Some(name) => {
                let own: Vec<&Record> =
                    group.iter().filter(|row| row.solver == *name).copied().collect();
                best_costs(&own)
            }
            None => best_costs(&group),
        };
        for &solver in &order {
            let own: Vec<&&Record> = group.iter().filter(|row| row.solver == solver).collect();
            let ratio = |row: &&&Record| {
                let best = *best.get(row.instance.as_str())?;
                Some(cost_ratio(row.cost()?, best))
            };
            let ratios: Vec<f64> = own.iter().filter_map(ratio).collect();
            let mean = |sample: &[f64]| geometric_mean(sample.iter().copied(), 0.0).unwrap_or(1.0);
            let known: BTreeSet<&str> = own
                .iter()
                .map(|row| row.instance.as_str())
                .filter(|n| best.contains_key(n))
                .collect();
            let optimal = ratios.iter().filter(|ratio| **ratio <= 1.0 + 1e-4).count();
            let share = |count: usize| percent(count as f64 / known.len().max(1) as f64);
            rows.push(vec![
                value.to_string(),
                declared().label(kind, solver).to_owned(),
                known.len().to_string(),
                share(ratios.len()),
                share(optimal),
                or_dash(geometric_mean(ratios.clone(), 0.0).map(|ratio| format!("{ratio:.3}"))),
                or_dash(bootstrap(&ratios, mean).map(interval)),
                or_dash(ratios.iter().copied().max_by(f64::total_cmp).map(|r| format!("{r:.2}"))),
            ]);
        }
    }
    let headings = [
        by,
        "solver",
        "instances>",
        "with a plan>",
        "as good as the best>",
        "mean ratio>",
        "95 %>",
        "worst ratio>",
    ];
    Ok(table(&headings, rows).into())
}

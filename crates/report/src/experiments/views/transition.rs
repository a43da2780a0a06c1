//! Where instances go from having a plan to having none.

use std::collections::BTreeMap;

use edgeplan_records::row::Record;
use edgeplan_records::statistics::{Transition, transition};

use super::super::block::Request;
use super::super::format::{interval, or_dash, percent, significant, table};
use super::{Rendered, named, records, titled, with_plot};
use crate::chart::{Axis, Chart, Series, Shape};

/// The share of instances without a plan over a parameter (`x=`), a curve for each value of another
/// one (`by=`). An instance counts once, and only if a solver found a plan or proved that there is
/// none.
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let x = request.needed("x")?;
    let records = records(request)?;
    let by = request.options.get("by").copied();
    let mut groups: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for row in &records {
        let group = match by {
            None => String::new(),
            Some(by) => {
                row.parameter(by).ok_or(format!("a record has no parameter {by}"))?.to_string()
            }
        };
        groups.entry(group).or_default().push(row);
    }
    let (mut rows, mut series) = (Vec::new(), Vec::new());
    for (group, own) in &groups {
        let (points, undecided) = decided(own, x)?;
        let found = transition(&points);
        let name = by.map_or("share without a plan".into(), |by| format!("{by} {group}"));
        series.extend(curves(&name, &points, found.as_ref()));
        rows.push(vec![
            if group.is_empty() { "all".into() } else { group.clone() },
            points.len().to_string(),
            undecided.to_string(),
            percent(
                points.iter().filter(|point| point.1).count() as f64 / points.len().max(1) as f64,
            ),
            or_dash(found.as_ref().map(|found| significant(found.middle))),
            or_dash(found.as_ref().and_then(|found| found.interval).map(interval)),
            or_dash(found.as_ref().map(|found| significant(found.width.abs()))),
        ]);
    }
    let chart = Chart {
        title: titled(&format!("instances without a plan over {}", named(x))),
        remark: "Dots: share of the instances that are decided; lines: logistic fit (Firth), \
                 dashed its 95 % band by 2000 resamples"
            .into(),
        x: Axis::linear(named(x)),
        y: Axis::percent("share without a plan"),
        series,
    };
    let middle = format!("half are without a plan at {x}>");
    let headings = [
        by.unwrap_or("instances"),
        "decided>",
        "undecided>",
        "without a plan>",
        middle.as_str(),
        "95 %>",
        "from a tenth to nine tenths>",
    ];
    Ok(with_plot(request, &chart, table(&headings, rows)))
}

/// Each decided instance's parameter and whether it is without a plan, and how many are undecided.
fn decided(rows: &[&Record], x: &str) -> Result<(Vec<(f64, bool)>, usize), String> {
    let mut instances: BTreeMap<&str, (f64, Option<bool>)> = BTreeMap::new();
    for row in rows {
        let number = row.parameter(x).and_then(|value| value.number());
        let number = number.ok_or(format!("a record has no number {x}"))?;
        let known = instances.entry(&row.instance).or_insert((number, None));
        if row.is_proven() && row.cost().is_none() {
            known.1 = Some(true);
        } else if row.cost().is_some() {
            known.1 = Some(false);
        }
    }
    let undecided = instances.values().filter(|(_, known)| known.is_none()).count();
    Ok((instances.into_values().filter_map(|(x, known)| Some((x, known?))).collect(), undecided))
}

fn curves(name: &str, points: &[(f64, bool)], found: Option<&Transition>) -> Vec<Series> {
    let mut shares: BTreeMap<u64, (f64, usize, usize)> = BTreeMap::new();
    for &(x, holds) in points {
        let share = shares.entry(x.to_bits()).or_insert((x, 0, 0));
        (share.1, share.2) = (share.1 + usize::from(holds), share.2 + 1);
    }
    let dots = shares.into_values().map(|(x, holds, all)| (x, holds as f64 / all as f64)).collect();
    let series = |points, shape| Series { name: name.to_owned(), points, shape };
    let mut all = vec![series(dots, Shape::Dots)];
    if let Some(found) = found {
        let part = |value: fn(&(f64, f64, edgeplan_records::statistics::Interval)) -> f64| {
            found.band.iter().map(|place| (place.0, value(place))).collect::<Vec<_>>()
        };
        all.push(series(part(|place| place.1), Shape::Fit));
        all.push(series(part(|place| place.2.low), Shape::Band));
        all.push(series(part(|place| place.2.high), Shape::Band));
    }
    all
}

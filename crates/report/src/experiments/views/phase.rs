//! Where the hard instances are: a parameter from hopeless to slack.

use std::collections::BTreeSet;

use edgeplan_problem::Verdict;
use edgeplan_records::declared::declared;
use edgeplan_records::parameter::Parameter;
use edgeplan_records::row::Record;
use edgeplan_records::statistics::survival_median;

use super::super::block::Request;
use super::super::format::{percent, seconds, table};
use super::{Rendered, kind, named, records, solvers, titled, values, with_plot};
use crate::chart::{Axis, Chart, Series, Shape};

pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let x = request.needed("x")?;
    let records = records(request)?;
    let kind = kind(&records)?;
    // Who never proves anything knows nothing of where proofs are hard.
    let mut order = solvers(&records, kind);
    order.retain(|name| records.iter().any(|row| row.solver == *name && row.is_proven()));
    let values = values(&records, x)?;
    let of = |value: &Parameter, solver: &str| -> Vec<&Record> {
        let own = records.iter().filter(|row| row.solver == solver);
        own.filter(|row| row.parameter(x).as_ref() == Some(value)).collect()
    };
    // A wrong answer, or none to be had, tells nothing of how long a right one takes.
    let takes = |row: &&Record| !matches!(row.verdict, Verdict::Wrong(_) | Verdict::Unsupported(_));
    let time = |value: &Parameter, solver: &str| {
        let own = of(value, solver).into_iter().filter(takes);
        survival_median(&own.map(|row| (row.elapsed_s, row.is_proven())).collect::<Vec<_>>()).median
    };
    // Where several are beyond the limit, none is the hardest.
    let hardest = |solver: &str| {
        let own = values.iter().filter(|value| !of(value, solver).is_empty());
        let times = own.map(|value| (time(value, solver).unwrap_or(f64::INFINITY), value));
        let mut times: Vec<(f64, &Parameter)> = times.collect();
        times.sort_by(|a, b| b.0.total_cmp(&a.0));
        let alone = times.get(1).is_none_or(|second| second.0 < times[0].0 * (1.0 - 1e-6));
        times.first().filter(|_| alone).map(|(_, value)| (*value).clone())
    };
    let mut headings = vec![x.to_owned(), "instances>".into(), "without a plan>".into()];
    headings.extend(order.iter().map(|name| format!("{}>", declared().label(kind, name))));
    let hardest: Vec<Option<Parameter>> = order.iter().map(|name| hardest(name)).collect();
    let mut rows = Vec::new();
    for value in &values {
        let group = || records.iter().filter(|row| row.parameter(x).as_ref() == Some(value));
        let names: BTreeSet<&str> = group().map(|row| row.instance.as_str()).collect();
        let impossible: BTreeSet<&str> = group()
            .filter(|row| row.is_proven() && row.cost().is_none())
            .map(|row| row.instance.as_str())
            .collect();
        let share = impossible.len() as f64 / names.len().max(1) as f64;
        let mut row = vec![value.to_string(), names.len().to_string(), percent(share)];
        for (solver, hardest) in order.iter().zip(&hardest) {
            let own = of(value, solver);
            let proven = own.iter().filter(|row| row.is_proven()).count();
            let text = match time(value, solver) {
                _ if own.is_empty() => "-".into(),
                Some(time) => format!("{} ({proven} of {})", seconds(time), own.len()),
                None => format!("beyond the limit ({proven} of {})", own.len()),
            };
            row.push(if hardest.as_ref() == Some(value) { format!("**{text}**") } else { text });
        }
        rows.push(row);
    }
    let series = order.iter().map(|solver| {
        let point = |value: &Parameter| Some((value.number()?, time(value, solver)?.max(1e-4)));
        let points: Vec<(f64, f64)> = values.iter().filter_map(point).collect();
        let name = declared().label(kind, solver).to_owned();
        Series { name, points, shape: Shape::Line }
    });
    let chart = Chart {
        title: titled(&format!("seconds to the proof over {}", named(x))),
        remark: "Median (Kaplan and Meier), where more than half of the trials ended in a proof"
            .into(),
        x: if x == "slack" { Axis::linear(named(x)) } else { Axis::logarithmic(named(x)) },
        y: Axis::logarithmic("seconds to the proof"),
        series: series.collect(),
    };
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let note = "\nMedians, where a trial without a proof takes more than it took (Kaplan and \
                Meier); in brackets the trials that ended in a proof; bold where the solver is \
                slowest.";
    Ok(with_plot(request, &chart, table(&headings, rows) + note))
}

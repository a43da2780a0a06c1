//! Anytime curves of one instance: plans and bounds over time.

use edgeplan_problem::Cost;
use edgeplan_records::declared::declared;
use edgeplan_records::folder::Folder;
use edgeplan_records::row::{CurveRow, Kind, PointKind, Record};

use super::super::block::Request;
use super::super::format::{or_dash, percent, seconds, table};
use super::{Rendered, kind, records, solvers, with_plot};
use crate::chart::{Axis, Chart, Series, Shape};

/// Times before this are drawn here.
const EARLIEST_S: f64 = 1e-3;

pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let name = request.needed("instance")?;
    let mut records = records(request)?;
    records.retain(|row| row.instance == name);
    let kind = kind(&records).map_err(|_| format!("no record is of the instance {name}"))?;
    let mut curve: Vec<CurveRow> =
        Folder::read_all_curves(&request.paths()).map_err(|error| error.to_string())?;
    curve.retain(|row| row.instance == name);
    let (unit, scale) = unit(&records[0]);
    let mut series = Vec::new();
    let order = solvers(&records, kind);
    for record in order.iter().flat_map(|n| records.iter().filter(move |row| row.solver == **n)) {
        for (what, shape) in
            [(PointKind::Incumbent, Shape::Steps), (PointKind::Bound, Shape::Bound)]
        {
            let own = curve.iter().filter(|row| row.solver == record.solver && row.kind == what);
            let own = own.filter(|row| row.seed == record.seed);
            let mut points: Vec<(f64, f64)> =
                own.map(|row| (row.at_s.max(EARLIEST_S), row.value.as_f64() / scale)).collect();
            // Bounds at the beginning are nothing yet, and would stretch the axis.
            points.retain(|point| point.1 > 0.0);
            let last = points.last().copied();
            points.extend(last.map(|last| (record.elapsed_s.max(EARLIEST_S), last.1)));
            let label = declared().label(kind, &record.solver).to_owned();
            series.push(Series { name: label, points, shape });
        }
    }
    let chart = Chart {
        title: format!("Plans and bounds over time: {name}"),
        remark: "Plans (solid) come down, bounds (dashed) go up; where they meet, the plan is \
                 proven"
            .into(),
        x: Axis::logarithmic("seconds"),
        y: Axis::logarithmic(&format!("cost, {unit}")),
        series,
    };
    let cost = |cost: Option<Cost>| or_dash(cost.map(|c| format!("{:.4}", c.as_f64() / scale)));
    let plan = format!("plan, {unit}>");
    let bound = format!("bound, {unit}>");
    let headings = ["solver", "verdict", plan.as_str(), bound.as_str(), "gap>", "seconds>"];
    let rows = order.iter().flat_map(|n| records.iter().filter(move |row| row.solver == **n));
    let rows = rows.map(|row| {
        vec![
            declared().label(kind, &row.solver).to_owned(),
            row.verdict.word().to_owned(),
            cost(row.cost()),
            cost(row.lower_bound()),
            or_dash(row.gap().map(percent)),
            seconds(row.elapsed_s),
        ]
    });
    Ok(with_plot(request, &chart, table(&headings, rows)))
}

/// The unit in which costs are shown, and what it is worth in theirs.
fn unit(record: &Record) -> (&'static str, f64) {
    use edgeplan_problem::deployment::Objective;
    match (record.problem, record.objective) {
        (Kind::Deployment, Some(Objective::Memory)) => ("GiB", f64::from(1 << 30)),
        (Kind::Deployment, _) => ("ms", 1e6),
        (Kind::Scheduling, _) => ("users' satisfaction missed", 1e9),
        (Kind::Batching, _) => ("requests not served", 1.0),
    }
}

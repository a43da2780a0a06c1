//! Performance profiles.

use edgeplan_records::declared::declared;
use edgeplan_records::profile::{PerformanceProfile, profiles};

use super::super::block::Request;
use super::super::format::{percent, table};
use super::{Rendered, kind, records, solvers, with_plot};
use crate::chart::{Axis, Chart, Series, Shape};

/// The plot, and the shares at four ratios.
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let records = records(request)?;
    let kind = kind(&records)?;
    let mut found = profiles(&records);
    let order = solvers(&records, kind);
    let place =
        |profile: &PerformanceProfile| order.iter().position(|name| *name == profile.solver);
    found.sort_by_key(place);
    // Who proves nothing has no line to show.
    found.retain(|profile| profile.steps.last().is_some_and(|step| step.1 > 0.0));
    let last = found.iter().flat_map(|p| &p.steps).map(|step| step.0).fold(1.0, f64::max);
    let series = found.iter().map(|profile| {
        let mut points = profile.steps.clone();
        points.extend(points.last().map(|end| (1.25 * last, end.1)));
        let name = declared().label(kind, &profile.solver).to_owned();
        Series { name, points, shape: Shape::Steps }
    });
    let chart = Chart {
        title: "Performance profiles".into(),
        remark: "The share of instances that a solver proves within a multiple of the fastest \
                 solver's time"
            .into(),
        x: Axis::logarithmic("time over that of the fastest solver"),
        y: Axis::percent("share of instances proven"),
        series: series.collect(),
    };
    let ratios = [1.0, 10.0, 100.0, f64::INFINITY];
    let share = |profile: &PerformanceProfile, ratio: f64| {
        let reached = profile.steps.iter().take_while(|step| step.0 <= ratio).last();
        reached.map_or(0.0, |step| step.1)
    };
    let rows = found.iter().map(|profile| {
        let label = declared().label(kind, &profile.solver).to_owned();
        let shares = ratios.iter().map(|&ratio| percent(share(profile, ratio)));
        std::iter::once(label).chain(shares).collect()
    });
    let headings = ["solver", "fastest>", "within 10 times>", "within 100 times>", "at all>"];
    Ok(with_plot(request, &chart, table(&headings, rows)))
}

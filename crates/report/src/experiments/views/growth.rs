//! How work grows with a parameter.

use edgeplan_records::declared::declared;
use edgeplan_records::growth::{Axes, DELTA, Fit, Growth, Preference, growth};

use super::super::block::Request;
use super::super::format::{interval, or_dash, percent, significant, table};
use super::{Rendered, kind, named, records, solvers, titled, with_plot};
use crate::chart::{Axis, Chart, Series, Shape};

/// Points of a fitted curve that are drawn.
const FIT_POINTS: usize = 40;

pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let (x, y) = (request.needed("x")?, request.needed("y")?);
    let records = records(request)?;
    let kind = kind(&records)?;
    let mut found = growth(&records, Axes { parameter: x, figure: y });
    let order = solvers(&records, kind);
    found.sort_by_key(|growth| order.iter().position(|name| *name == growth.solver));
    if found.is_empty() {
        return Err(format!("no record has both the parameter {x} and the figure {y}"));
    }
    let label = |growth: &Growth| declared().label(kind, &growth.solver).to_owned();
    let mut series = Vec::new();
    for growth in &found {
        let medians = growth.sizes.iter().filter_map(|size| Some((size.x, size.median?)));
        let points: Vec<(f64, f64)> = medians.collect();
        series.push(Series { name: label(growth), points, shape: Shape::Dots });
        if let Some(points) = fitted(growth) {
            series.push(Series { name: label(growth), points, shape: Shape::Fit });
        }
    }
    let chart = Chart {
        title: titled(&format!("{} over {}", named(y), named(x))),
        remark: format!(
            "Dots: median of the trials that ended in a proof; lines: the better fit, up to the \
             most {x} that are all proven"
        ),
        x: Axis::linear(named(x)),
        y: Axis::logarithmic(named(y)),
        series,
    };
    let per = format!("factor per unit of {x} (95 %)>");
    let headings = [
        "solver",
        "all proven up to>",
        "trials fitted>",
        per.as_str(),
        "exponent of a power (95 %)>",
        "AICc, power less exponential>",
        "grows",
        "mean gap at the largest>",
    ];
    let fit = |fit: Option<Fit>| {
        or_dash(fit.map(|fit| format!("{} ({})", significant(fit.rate), interval(fit.interval))))
    };
    let rows = found.iter().map(|growth| {
        let difference = growth.power.zip(growth.exponential).map(|(p, e)| p.aic - e.aic);
        vec![
            label(growth),
            or_dash(growth.complete_to.map(significant)),
            growth.fitted.to_string(),
            fit(growth.exponential),
            fit(growth.power),
            or_dash(difference.map(|d| format!("{d:+.1}"))),
            word(growth.preference()).into(),
            or_dash(growth.sizes.last().map(|size| percent(size.gap))),
        ]
    });
    let note = format!(
        "\nAICc: Akaike's criterion, smaller is better; a difference below {DELTA} says nothing."
    );
    Ok(with_plot(request, &chart, table(&headings, rows) + &note))
}

fn word(preference: Option<Preference>) -> &'static str {
    match preference {
        None => "too little to fit",
        Some(Preference::Constant) => "not noticeably",
        Some(Preference::Power) => "as a power",
        Some(Preference::Exponential) => "exponentially",
        Some(Preference::Undecided) => "undecided",
    }
}

/// The better curve over the sizes that it was fitted to.
fn fitted(growth: &Growth) -> Option<Vec<(f64, f64)>> {
    let (exponential, power) = (growth.exponential?, growth.power?);
    let (first, last) = (growth.sizes.first()?.x, growth.complete_to?);
    let at = |x: f64| match exponential.aic < power.aic {
        true => exponential.scale * exponential.rate.powf(x),
        false => power.scale * x.powf(power.rate),
    };
    let step = (last - first) / (FIT_POINTS - 1) as f64;
    Some((0..FIT_POINTS).map(|i| first + step * i as f64).map(|x| (x, at(x))).collect())
}

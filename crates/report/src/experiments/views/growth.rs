//! How work grows with a parameter.

use std::collections::BTreeMap;

use edgeplan_records::declared::declared;
use edgeplan_records::growth::{Axes, DELTA, Fit, Growth, Preference, Size, growth};
use edgeplan_records::row::{Kind, Record};

use super::super::block::Request;
use super::super::format::{interval, or_dash, percent, seconds, significant, table};
use super::{Rendered, kind, named, records, solvers, titled, with_plot};
use crate::chart::{Axis, Chart, Series, Shape};

/// Points of a fitted curve that are drawn.
const FIT_POINTS: usize = 40;

/// `y` is a figure, or several with commas between them, of which the first is drawn.
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let (x, figures) = (request.needed("x")?, request.needed("y")?);
    let records = records(request)?;
    let kind = kind(&records)?;
    let mut figures: Vec<&str> = figures.split(',').collect();
    let found: BTreeMap<&str, Vec<Growth>> =
        figures.iter().map(|figure| (*figure, sorted(&records, x, figure, kind))).collect();
    if found[figures[0]].is_empty() {
        let figure = figures[0];
        return Err(format!("no record has both the parameter {x} and the figure {figure}"));
    }
    // What else is counted is up to each solver.
    figures.retain(|figure| !found[figure].is_empty());
    let chart = drawn(&found[figures[0]], x, figures[0], kind);
    let mut text = fits(&figures, &found, x, kind);
    text.push('\n');
    text += &medians(&found[figures[0]], x, figures[0], kind);
    text += &format!(
        "\nTrials that a limit ended count as longer than that, in the fits (Tobit) and in the \
         medians (Kaplan and Meier). AICc: Akaike's criterion, smaller is better; a difference \
         below {DELTA} says nothing."
    );
    Ok(with_plot(request, &chart, text))
}

/// The growth of all solvers in their declared order.
fn sorted(records: &[Record], x: &str, y: &str, kind: Kind) -> Vec<Growth> {
    let mut found = growth(records, Axes { parameter: x, figure: y });
    let order = solvers(records, kind);
    found.sort_by_key(|growth| order.iter().position(|name| *name == growth.solver));
    found
}

fn drawn(found: &[Growth], x: &str, y: &str, kind: Kind) -> Chart {
    let mut series = Vec::new();
    for growth in found {
        let name = declared().label(kind, &growth.solver).to_owned();
        let medians = growth.sizes.iter().filter_map(|size| Some((size.x, size.median.median?)));
        let points: Vec<(f64, f64)> = medians.collect();
        series.push(Series { name: name.clone(), points, shape: Shape::Dots });
        if let Some(points) = fitted(growth) {
            series.push(Series { name, points, shape: Shape::Fit });
        }
    }
    Chart {
        title: titled(&format!("{} over {}", named(y), named(x))),
        remark: format!(
            "Dots: median, where more than half of the trials ended in a proof; lines: the better \
             fit, up to the largest {x} with a proof"
        ),
        x: Axis::linear(named(x)),
        y: Axis::logarithmic(named(y)),
        series,
    }
}

/// A row for each solver and figure: what was fitted.
fn fits(figures: &[&str], found: &BTreeMap<&str, Vec<Growth>>, x: &str, kind: Kind) -> String {
    let per = format!("factor per unit of {x} (95 %)>");
    let headings = [
        "solver",
        "figure",
        "all proven up to>",
        "proofs>",
        "cut off>",
        per.as_str(),
        "exponent of a power (95 %)>",
        "AICc, power less exponential>",
        "grows",
        "mean gap at the largest>",
    ];
    let fit = |fit: Option<Fit>| {
        or_dash(fit.map(|fit| format!("{} ({})", significant(fit.rate), interval(fit.interval))))
    };
    let row = |(figure, growth): (&str, &Growth)| {
        let difference = growth.power.zip(growth.exponential).map(|(p, e)| p.aic - e.aic);
        vec![
            declared().label(kind, &growth.solver).to_owned(),
            figure.to_owned(),
            or_dash(growth.complete_to.map(significant)),
            growth.fitted.to_string(),
            growth.censored.to_string(),
            fit(growth.exponential),
            fit(growth.power),
            or_dash(difference.map(|d| format!("{d:+.1}"))),
            word(growth.preference()).into(),
            or_dash(growth.sizes.last().map(|size| percent(size.gap))),
        ]
    };
    let pairs = figures.iter().flat_map(|figure| found[figure].iter().map(move |g| (*figure, g)));
    let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
    let first = &found[figures[0]];
    for (figure, growth) in pairs {
        let place = first.iter().position(|other| other.solver == growth.solver);
        rows.push((place.unwrap_or(usize::MAX), row((figure, growth))));
    }
    // A solver's figures below each other.
    rows.sort_by_key(|(place, _)| *place);
    table(&headings, rows.into_iter().map(|(_, row)| row))
}

/// A row for each size, a column for each solver: medians with their intervals.
fn medians(found: &[Growth], x: &str, y: &str, kind: Kind) -> String {
    let mut xs: Vec<f64> = found.iter().flat_map(|g| &g.sizes).map(|size| size.x).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let mut headings = vec![x.to_owned()];
    let label = |growth: &Growth| format!("{}>", declared().label(kind, &growth.solver));
    headings.extend(found.iter().map(label));
    let number = |value: f64| match y {
        "seconds" | "cpu" => seconds(value),
        _ => significant(value),
    };
    let cell = |size: &Size| {
        let median = size.median;
        let end = |value: Option<f64>| value.map_or("?".into(), number);
        let text = match median.median {
            Some(value) => {
                format!("{} ({} .. {})", number(value), end(median.low), end(median.high))
            }
            None => "beyond the limit".into(),
        };
        format!("{text}, {} of {}", size.proven, size.trials)
    };
    let rows = xs.iter().map(|&x| {
        let cells = found
            .iter()
            .map(|growth| or_dash(growth.sizes.iter().find(|size| size.x == x).map(cell)));
        [significant(x)].into_iter().chain(cells).collect()
    });
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    table(&headings, rows.collect::<Vec<Vec<String>>>())
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

/// The better curve over the sizes with a proof.
fn fitted(growth: &Growth) -> Option<Vec<(f64, f64)>> {
    let (exponential, power) = (growth.exponential?, growth.power?);
    let first = growth.sizes.first()?.x;
    let last = growth.sizes.iter().rfind(|size| size.proven > 0)?.x;
    let at = |x: f64| match exponential.aic < power.aic {
        true => exponential.scale * exponential.rate.powf(x),
        false => power.scale * x.powf(power.rate),
    };
    let step = (last - first) / (FIT_POINTS - 1) as f64;
    Some((0..FIT_POINTS).map(|i| first + step * i as f64).map(|x| (x, at(x))).collect())
}

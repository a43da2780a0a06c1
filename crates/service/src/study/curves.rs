//! Service levels over the load.

use edgeplan_report::curves::{Curves, Panel, Series};

use super::{AllLevels, Study};
use crate::replay::Levels;

/// The share of satisfied users, of all and of each service's.
pub(super) fn satisfied(study: &Study<'_>) -> Curves {
    let y = |levels: &Levels| 100.0 * levels.satisfied_share;
    curves(study, "Satisfied users", "satisfied, %", 0.0, y)
}

/// The 95 % quantile of the time to a first answer, of served requests; only strategies that satisfy
/// half of the users at the expected load, because the others take minutes.
pub(super) fn first_token(study: &Study<'_>) -> Curves {
    let y = |levels: &Levels| levels.first_token_ns.p95.as_f64() / 1e9;
    curves(study, "Time to the first answer, 95 % of those served", "seconds", 0.5, y)
}

fn curves(
    study: &Study<'_>,
    what: &str,
    y: &str,
    least: f64,
    value: impl Fn(&Levels) -> f64,
) -> Curves {
    let panel = |title: &str, pick: &dyn Fn(&AllLevels) -> f64| Panel {
        title: title.into(),
        series: (study.strategies.iter().enumerate())
            .filter(|(_, (_, run))| run.levels.satisfied_share >= least)
            .map(|(index, (strategy, _))| Series {
                name: strategy.name.clone(),
                points: (study.loads.iter())
                    .map(|load| (rounded(load.rate), pick(&load.strategies[index]), 0.0))
                    .collect(),
            })
            .collect(),
    };
    let mut panels = vec![panel("all", &|levels| value(&levels.all))];
    if study.platform.services.len() > 1 {
        for (index, service) in study.platform.services.iter().enumerate() {
            panels.push(panel(&service.name, &|levels| value(&levels.services[index])));
        }
    }
    Curves {
        title: format!("{}: {}", study.platform.name, what.to_lowercase()),
        remark: format!(
            "{} requests per point, event by event; deployments chosen for {:.2} requests/s",
            study.requests.len(),
            study.expected.rate()
        ),
        x: "requests per second".into(),
        y: y.into(),
        panels,
    }
}

/// Two digits are enough for an axis.
fn rounded(rate: f64) -> f64 {
    let power = 10f64.powi(1 - rate.max(1e-9).log10().floor() as i32);
    (rate * power).round() / power
}

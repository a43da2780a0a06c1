//! Times of devices at ends of their intervals, and means of them.

use edgeplan_pricing::{End, PricedDeployment};
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::Deployment;

use super::PARTS;

/// A question with other times.
#[derive(Debug)]
pub(super) struct Scenario {
    /// `a, b slower`.
    pub(super) name: String,
    /// Without limits on time: these hold at middle times.
    pub(super) deployment: Deployment,
}

/// The scenarios of a question, and the devices of which no band is known.
#[derive(Debug)]
pub(super) struct Scenarios {
    pub(super) all: Vec<Scenario>,
    pub(super) unknown: Vec<String>,
}

/// Middle times; the devices of each profile at either end; all of them at either end. Errors of
/// one profile are the same on all of its devices.
pub(super) fn scenarios(priced: &PricedDeployment) -> Scenarios {
    let devices = &priced.deployment.devices;
    let names = |group: &[usize]| {
        let names: Vec<&str> = group.iter().map(|&index| devices[index].name.as_str()).collect();
        names.join(", ")
    };
    let (groups, unknown) = priced.groups();
    let mut all = Vec::new();
    let mut add = |name: String, ends: &[Option<End>]| {
        all.push(Scenario { name, deployment: untimed(priced.at_some(ends)) });
    };
    let middle = vec![None; devices.len()];
    let ends = [(End::Low, "faster"), (End::High, "slower")];
    if !groups.is_empty() {
        add("as predicted".into(), &middle);
    }
    for group in &groups {
        for (end, word) in ends {
            let mut some = middle.clone();
            group.iter().for_each(|&index| some[index] = Some(end));
            add(format!("{} {word}", names(group)), &some);
        }
    }
    if groups.len() > 1 {
        for (end, word) in ends {
            add(format!("all {word}"), &vec![Some(end); devices.len()]);
        }
    }
    Scenarios { all, unknown: unknown.iter().map(|&index| devices[index].name.clone()).collect() }
}

/// The same without limits on time.
fn untimed(mut deployment: Deployment) -> Deployment {
    (deployment.latency_max, deployment.bottleneck_max) = (None, None);
    deployment.devices.iter_mut().for_each(|device| device.compute_max = None);
    deployment
}

/// The question at mean times; `parts` are the weights, [`PARTS`] in all. Rounded down: no plan
/// costs more than the mean of its costs.
pub(super) fn mean(scenarios: &[Scenario], parts: &[u64]) -> Deployment {
    let mut mean = scenarios[0].deployment.clone();
    for (m, model) in mean.models.iter_mut().enumerate() {
        for (l, layer) in model.layers.iter_mut().enumerate() {
            for (o, option) in layer.options.iter_mut().enumerate() {
                for (device, time) in option.compute.iter_mut().enumerate() {
                    let of = |scenario: &Scenario| {
                        let option = &scenario.deployment.models[m].layers[l].options[o];
                        option.compute[device].map_or(0, |time| time.0)
                    };
                    let all = scenarios.iter().zip(parts);
                    let sum: u128 =
                        all.map(|(one, &part)| u128::from(of(one)) * u128::from(part)).sum();
                    let value = u64::try_from(sum / u128::from(PARTS)).unwrap_or(u64::MAX);
                    *time = time.map(|_| Nanos(value));
                }
            }
        }
    }
    mean
}

//! Whether the plan is sure to be better than what people do today, as far as times are known.

use edgeplan_pricing::{End, PricedDeployment, TimeConfidence};
use edgeplan_problem::deployment::{DeviceId, Objective, Plan};
use edgeplan_problem::{Nanos, Problem as _};
use serde::Serialize;

/// A policy whose plan may be the better one. Field names are stable keys.
///
/// See [`Session::plan`](crate::Session::plan) for an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsure {
    /// The policy.
    pub policy: &'static str,
    /// The device whose times decide it.
    pub device: String,
    /// What to measure.
    pub measure: String,
}

impl Unsure {
    /// Whether the plan of a policy costs less where devices are off, within their bands, as much
    /// as is in its favour. What both plans compute on a device is off for both.
    pub(crate) fn of(
        priced: &PricedDeployment,
        plan: &Plan,
        policy: &'static str,
        other: &Plan,
    ) -> Option<Self> {
        let deployment = &priced.deployment;
        let known = [plan, other].map(|plan| priced.confidence(plan));
        if deployment.objective == Objective::Memory || known.iter().any(Vec::is_empty) {
            return None;
        }
        let on = |known: &[TimeConfidence], device: DeviceId| {
            let name = &deployment.device(device).name;
            let times = known.iter().find(|times| times.device == *name);
            times.map_or((0, 0, 0), |times| {
                let middle = times.compute_ns;
                let end = |end: Option<Nanos>| end.unwrap_or(middle).0;
                (middle.0, end(times.low_ns), end(times.high_ns))
            })
        };
        let more = |device: DeviceId| on(&known[0], device).0 > on(&known[1], device).0;
        let ends: Vec<End> = deployment
            .device_ids()
            .map(|device| if more(device) { End::High } else { End::Low })
            .collect();
        let shifted = priced.at_each(&ends);
        let [own, others] = [plan, other].map(|plan| shifted.evaluate(plan).cost);
        if others >= own {
            return None;
        }
        // What differs on a device, and how far that may be off.
        let width = |device: DeviceId| {
            let [own, others] = known.each_ref().map(|known| on(known, device));
            own.2.abs_diff(others.2).abs_diff(own.1.abs_diff(others.1))
        };
        let device = deployment.device_ids().max_by_key(|&device| width(device))?;
        let device = deployment.device(device).name.clone();
        let measure = "`edgeplan profile` there, or `llama-bench -p 512 -n 128` with this model";
        Some(Self { policy, device, measure: measure.to_owned() })
    }

    /// One line for people.
    pub(crate) fn text(&self) -> String {
        let Self { policy, device, measure } = self;
        format!("not sure: within these bands {policy} may be better; measure {device}: {measure}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use edgeplan_machines::cluster::Cluster;
    use edgeplan_pricing::workload::Workload;
    use edgeplan_problem::deployment::{Assignment, OptionId};
    use edgeplan_problem::format::Format;

    use super::*;
    use crate::session::{Inputs, Origin, Session, View};

    const TWINS: &str = r#"
source = "a"
[device.a]
profile = "catalog:rtx-3060-12"
[device.b]
profile = "catalog:rtx-3060-12"
[[link]]
between = ["a", "b"]
bandwidth = "10 Gbit/s"
latency = "10 us"
"#;

    /// The question on two cards alike, with a plan on each of them.
    fn twins() -> (Session, [Plan; 2]) {
        let inputs = Inputs {
            names: vec!["catalog:llama-3.2-1b".into()],
            models: vec![edgeplan_model::load("catalog:llama-3.2-1b").unwrap()],
            cluster: Cluster::parse("twins.toml", TWINS).unwrap(),
            workload: Workload {
                formats: vec![Format::Q8_0],
                privacy: false,
                ..Workload::default()
            },
            projector: None,
            workload_file: None,
        };
        let session = Session::new(Origin::Built(Arc::new(inputs)), View::Open).unwrap();
        let layers = session.deployment().models[0].layers.len();
        let on = |device| {
            Plan::single(vec![Assignment { device: DeviceId(device), option: OptionId(0) }; layers])
        };
        let plans = [on(0), on(1)];
        (session, plans)
    }

    #[test]
    fn a_plan_on_another_card_may_be_better_and_the_same_plan_may_not() {
        let (session, [own, other]) = twins();
        let unsure = Unsure::of(session.priced(), &own, "fastest-first", &other).unwrap();
        assert!(["a", "b"].contains(&unsure.device.as_str()), "{unsure:?}");
        assert!(unsure.text().starts_with("not sure: "), "{}", unsure.text());
        assert_eq!(Unsure::of(session.priced(), &own, "fastest-first", &own), None);
    }
}

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
        (policy, other): (&'static str, &Plan),
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

//! Runs of a simulation for programs. Field names are stable keys.

use std::collections::BTreeMap;

use edgeplan_problem::Bytes;
use edgeplan_simulator::Summary;
use serde::Serialize;

use super::{PolicyRun, Simulated};

#[derive(Serialize)]
pub(super) struct SimulatedKeys<'a> {
    instance: &'a str,
    plan: &'a str,
    runs: Vec<RunKeys<'a>>,
}

/// A run: its summary, with the names of servers in place of their indices.
#[derive(Serialize)]
struct RunKeys<'a> {
    policy: &'a str,
    #[serde(flatten)]
    summary: &'a Summary,
    utilisation: BTreeMap<String, f64>,
    cache_peak_bytes: BTreeMap<String, Bytes>,
}

impl<'a> SimulatedKeys<'a> {
    pub(super) fn new(simulated: &'a Simulated<'_>) -> Self {
        let run = |PolicyRun { policy, summary, .. }: &'a PolicyRun| {
            let shares = summary.utilisation.iter().enumerate();
            let devices = simulated.deployment.devices.iter().map(|device| device.name.clone());
            RunKeys {
                policy,
                summary,
                utilisation: shares.map(|(of, share)| (simulated.server(of), *share)).collect(),
                cache_peak_bytes: devices.zip(summary.cache_peak_bytes.iter().copied()).collect(),
            }
        };
        Self {
            instance: &simulated.deployment.name,
            plan: &simulated.origin,
            runs: simulated.runs.iter().map(run).collect(),
        }
    }
}

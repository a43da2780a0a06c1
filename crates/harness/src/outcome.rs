//! The row of a trial.

use std::collections::BTreeMap;

use edgeplan_measure::machine::{load_average, revision};
use edgeplan_problem::Verdict;
use edgeplan_problem::deployment::Deployment;
use edgeplan_records::row::{Point, PointKind, Record};
use edgeplan_solvers::FORMULATION;

use crate::child::Reply;
use crate::instance::Instance;
use crate::trial::{TrialEnd, TrialRequest};

/// The row of a trial, but for what only the runner knows: suite, fingerprint, parameters, machine.
pub(crate) fn record(request: &TrialRequest, reply: &Reply) -> Record {
    let TrialRequest { instance, allowance, .. } = request;
    let failed = |reason: String| TrialEnd {
        verdict: Verdict::Failed(reason),
        elapsed_s: reply.wall.as_secs_f64(),
        stopped: String::new(),
        work: BTreeMap::new(),
        peak_memory_bytes: None,
        cpu_s: None,
    };
    let end = reply.end.clone().unwrap_or_else(failed);
    let first = first_plan(&reply.points, &end);
    let chain = match instance {
        Instance::Deployment(chain) => Some(chain),
        Instance::Scheduling(_) | Instance::Batching(_) => None,
    };
    Record {
        suite: String::new(),
        instance: instance.name().to_owned(),
        fingerprint: String::new(),
        layers: chain.map(|chain| chain.models.iter().map(|model| model.layers.len()).sum()),
        devices: chain.map(|chain| chain.devices.len()),
        options_max: chain.map(options_max),
        placement: chain.map(|chain| chain.placement),
        objective: chain.map(|chain| chain.objective),
        solver: request.solver.clone(),
        seed: request.seed,
        verdict: end.verdict,
        elapsed_s: end.elapsed_s,
        first_plan_s: first.map(|point| point.at_s),
        first_plan_cost: first.map(|point| point.value),
        work: end.work,
        peak_memory_bytes: end.peak_memory_bytes,
        stopped: end.stopped,
        time_limit_s: allowance.time_s,
        gap_limit: allowance.gap,
        memory_limit_bytes: allowance.memory.0,
        revision: revision().into(),
        machine: String::new(),
        problem: instance.kind(),
        parameters: BTreeMap::new(),
        cpu_s: end.cpu_s,
        cpu_limit_s: Some(allowance.cpu_s),
        threads: Some(allowance.threads),
        cores: request.cores.clone(),
        load: cfg!(unix).then(load_average),
        formulation: Some(FORMULATION),
        foreign: None,
    }
}

/// The first incumbent; the returned plan where a solver reported none on the way.
fn first_plan(points: &[Point], end: &TrialEnd) -> Option<Point> {
    let told = points.iter().find(|point| point.kind == PointKind::Incumbent).copied();
    let kind = PointKind::Incumbent;
    let returned = end.verdict.cost().map(|value| Point { at_s: end.elapsed_s, kind, value });
    told.or(returned)
}

fn options_max(instance: &Deployment) -> usize {
    let layers = instance.models.iter().flat_map(|model| &model.layers);
    layers.map(|layer| layer.options.len()).max().unwrap_or(0)
}

//! The row of a trial.

use edgeplan_measure::machine::{load_average, revision};
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::gap;
use edgeplan_records::row::{Point, PointKind, Record, Word};
use edgeplan_solvers::FORMULATION;

use crate::child::Reply;
use crate::instance::Instance;
use crate::trial::{End, Question};

/// The row of a trial, but for what only the runner knows.
pub(crate) fn record(question: &Question, reply: &Reply) -> Record {
    let Question { instance, allowance, .. } = question;
    let failed = |reason: &String| End {
        verdict: Word::Failed,
        reason: reason.clone(),
        cost: None,
        lower_bound: None,
        elapsed_s: reply.wall.as_secs_f64(),
        stopped: String::new(),
        work: Default::default(),
        peak_memory_bytes: None,
        cpu_s: None,
    };
    let end = reply.end.clone().unwrap_or_else(|reason| failed(&reason));
    let first = first_plan(&reply.points, &end);
    let work: Vec<String> =
        end.work.iter().map(|(what, count)| format!("{what}={count}")).collect();
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
        solver: question.solver.clone(),
        seed: question.seed,
        verdict: end.verdict,
        // One row, one line: half a row can then be told from a whole one.
        reason: end.reason.replace(['\n', '\r'], " "),
        cost: end.cost,
        lower_bound: end.lower_bound,
        gap: end.cost.zip(end.lower_bound).map(|(cost, bound)| gap(cost, bound)),
        elapsed_s: end.elapsed_s,
        first_plan_s: first.map(|point| point.at_s),
        first_plan_cost: first.map(|point| point.value),
        work: work.join(";"),
        peak_memory_bytes: end.peak_memory_bytes,
        stopped: end.stopped,
        time_limit_s: allowance.time_s,
        gap_limit: allowance.gap,
        memory_limit_bytes: allowance.memory.0,
        revision: revision().into(),
        machine: String::new(),
        problem: instance.kind(),
        parameters: String::new(),
        cpu_s: end.cpu_s,
        cpu_limit_s: Some(allowance.cpu_s),
        threads: Some(allowance.threads),
        cores: question.cores.iter().map(usize::to_string).collect::<Vec<_>>().join(";"),
        load: cfg!(unix).then(load_average),
        formulation: Some(FORMULATION),
    }
}

/// The first incumbent; the returned plan where a solver told of none on the way.
fn first_plan(points: &[Point], end: &End) -> Option<Point> {
    let told = points.iter().find(|point| point.kind == PointKind::Incumbent).copied();
    let returned =
        end.cost.map(|value| Point { at_s: end.elapsed_s, kind: PointKind::Incumbent, value });
    told.or(returned)
}

fn options_max(instance: &Deployment) -> usize {
    let layers = instance.models.iter().flat_map(|model| &model.layers);
    layers.map(|layer| layer.options.len()).max().unwrap_or(0)
}

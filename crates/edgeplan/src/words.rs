//! A cost and a verdict in words, as every command and file says them.

use edgeplan_problem::deployment::{Deployment, Objective, Plan};
use edgeplan_problem::{Bytes, Cost, Nanos, Outcome, Stop, Verdict, gap};

/// A cost in the unit of the deployment's objective: a time, or bytes.
pub fn amount(deployment: &Deployment, cost: Cost) -> String {
    in_unit(deployment.objective, cost)
}

/// A cost in the unit of that objective.
pub fn in_unit(objective: Objective, cost: Cost) -> String {
    match objective {
        Objective::Latency | Objective::Bottleneck => Nanos(cost.0).to_string(),
        Objective::Memory => Bytes(cost.0).to_string(),
    }
}

/// Why, where a verdict needs words.
pub fn reason(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Wrong(contradiction) => Some(contradiction.to_string()),
        Verdict::Unsupported(reason) => Some(reason.to_string()),
        Verdict::Failed(reason) => Some(reason.clone()),
        _ => None,
    }
}

/// Instance, verdict, cost, bound, gap, solver and seconds on one line.
pub fn headline(deployment: &Deployment, solver: &str, outcome: &Outcome<Plan>) -> String {
    let cost = outcome.cost().map(|cost| format!(": {}", amount(deployment, cost)));
    let bound = outcome.cost().zip(outcome.lower_bound()).map(|(cost, bound)| {
        let gap = 100.0 * gap(cost, bound);
        format!(", no plan is below {} (gap {gap:.4} %)", amount(deployment, bound))
    });
    let why = reason(&outcome.verdict).map(|reason| format!(": {reason}"));
    let stopped = outcome.stopped.filter(|&stop| stop != Stop::Gap);
    let stopped = stopped.map(|stop| format!(", stopped: {stop}"));
    format!(
        "{}: {}{}{}{}{} [{solver}, {:.3} s]",
        deployment.name,
        outcome.verdict.word(),
        cost.unwrap_or_default(),
        bound.unwrap_or_default(),
        why.unwrap_or_default(),
        stopped.unwrap_or_default(),
        outcome.elapsed.as_secs_f64(),
    )
}

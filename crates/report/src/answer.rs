//! Answers to a deployment: one line for people, stable keys for programs.

use std::collections::BTreeMap;

use edgeplan_problem::deployment::{Deployment, Objective, Plan};
use edgeplan_problem::{Bytes, Cost, Nanos, Outcome, Stop, gap};
use serde::Serialize;

use crate::table::{Table, or_dash};

/// What is known of any solver's answer. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Answered {
    /// The instance.
    pub instance: String,
    /// The verdict's word.
    pub verdict: &'static str,
    /// Why the answer is wrong, unsupported or failed.
    pub reason: Option<String>,
    /// The solver.
    pub solver: String,
    /// What it took, in seconds.
    pub elapsed_s: f64,
    /// Which limit ended it.
    pub stopped: Option<String>,
    /// What it counted, by name.
    pub work: BTreeMap<&'static str, u64>,
}

impl Answered {
    /// Of that solver's answer to that instance.
    pub fn new<P>(instance: &str, solver: &str, outcome: &Outcome<P>) -> Self {
        Self {
            instance: instance.to_owned(),
            verdict: outcome.verdict.word(),
            reason: outcome.verdict.reason(),
            solver: solver.to_owned(),
            elapsed_s: outcome.elapsed.as_secs_f64(),
            stopped: outcome.stopped.map(|stop| stop.to_string()),
            work: outcome.work.clone(),
        }
    }
}

/// A plan's cost under a key that ends in its unit.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub enum CostKey {
    /// Of the objectives of time.
    Time {
        /// The cost, in nanoseconds.
        cost_ns: Option<Nanos>,
    },
    /// Of the objective memory.
    Memory {
        /// The cost, in bytes.
        cost_bytes: Option<Bytes>,
    },
}

impl CostKey {
    /// A cost in the unit of that objective.
    pub fn new(objective: Objective, cost: Option<Cost>) -> Self {
        match objective {
            Objective::Latency | Objective::Bottleneck => {
                Self::Time { cost_ns: cost.map(|cost| Nanos(cost.0)) }
            }
            Objective::Memory => Self::Memory { cost_bytes: cost.map(|cost| Bytes(cost.0)) },
        }
    }
}

/// A dual bound under a key that ends in its unit.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
enum BoundKey {
    Time { lower_bound_ns: Option<Nanos> },
    Memory { lower_bound_bytes: Option<Bytes> },
}

impl BoundKey {
    fn new(objective: Objective, bound: Option<Cost>) -> Self {
        match objective {
            Objective::Latency | Objective::Bottleneck => {
                Self::Time { lower_bound_ns: bound.map(|bound| Nanos(bound.0)) }
            }
            Objective::Memory => {
                Self::Memory { lower_bound_bytes: bound.map(|bound| Bytes(bound.0)) }
            }
        }
    }
}

/// What is known of an answer to a deployment, without its plan. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct DeploymentAnswer {
    /// What any answer has.
    #[serde(flatten)]
    pub answered: Answered,
    /// `cost_ns` or `cost_bytes`.
    #[serde(flatten)]
    pub cost: CostKey,
    #[serde(flatten)]
    bound: BoundKey,
    /// Relative gap between cost and dual bound.
    pub gap: Option<f64>,
}

impl DeploymentAnswer {
    /// Of that solver's answer.
    pub fn new(deployment: &Deployment, solver: &str, outcome: &Outcome<Plan>) -> Self {
        let (cost, bound) = (outcome.cost(), outcome.lower_bound());
        Self {
            answered: Answered::new(&deployment.name, solver, outcome),
            cost: CostKey::new(deployment.objective, cost),
            bound: BoundKey::new(deployment.objective, bound),
            gap: cost.zip(bound).map(|(cost, bound)| gap(cost, bound)),
        }
    }
}

/// Instance, verdict, cost, bound, gap, solver and seconds on one line.
pub fn headline(deployment: &Deployment, solver: &str, outcome: &Outcome<Plan>) -> String {
    let amount = |cost| deployment.objective.amount(cost);
    let cost = outcome.cost().map(|cost| format!(": {}", amount(cost)));
    let bound = outcome.cost().zip(outcome.lower_bound()).map(|(cost, bound)| {
        let gap = 100.0 * gap(cost, bound);
        format!(", no plan is below {} (gap {gap:.4} %)", amount(bound))
    });
    let what = cost.unwrap_or_default() + &bound.unwrap_or_default();
    line(&deployment.name, solver, &what, outcome, "")
}

/// An answer on one line: the verdict, `what` is known beside it, why, which limit ended it, the
/// solver, its seconds, and what it `counted`.
pub(crate) fn line<P>(
    instance: &str,
    solver: &str,
    what: &str,
    outcome: &Outcome<P>,
    counted: &str,
) -> String {
    let why = outcome.verdict.reason().map(|reason| format!(": {reason}"));
    // That the gap was reached is what the verdict says.
    let stopped = outcome.stopped.filter(|&stop| stop != Stop::Gap);
    let stopped = stopped.map(|stop| format!(", stopped: {stop}"));
    format!(
        "{instance}: {}{what}{}{} [{solver}, {:.3} s{counted}]",
        outcome.verdict.word(),
        why.unwrap_or_default(),
        stopped.unwrap_or_default(),
        outcome.elapsed.as_secs_f64(),
    )
}

/// Solvers' answers as a table, in the given order. `best` is the best bound of all.
pub fn ranking(
    deployment: &Deployment,
    outcomes: &[(&str, Outcome<Plan>)],
    best: Option<Cost>,
) -> Table {
    let columns = ["solver", "verdict", "cost>", "its bound>", "gap to best bound>", "seconds>"];
    let amount = |cost: Option<Cost>| or_dash(cost.map(|cost| deployment.objective.amount(cost)));
    Table::new(columns).with_rows(outcomes.iter().map(|(name, outcome)| {
        let gap = outcome.cost().zip(best).map(|(cost, bound)| 100.0 * gap(cost, bound));
        [
            (*name).to_owned(),
            outcome.verdict.word().to_owned(),
            amount(outcome.cost()),
            amount(outcome.lower_bound()),
            or_dash(gap.map(|gap| format!("{gap:.3} %"))),
            format!("{:.3}", outcome.elapsed.as_secs_f64()),
        ]
    }))
}

/// A line for each answer that needs words: wrong, unsupported or failed ones.
pub fn reasons<P>(outcomes: &[(&str, Outcome<P>)]) -> String {
    let line = |(name, outcome): &(&str, Outcome<P>)| {
        outcome.verdict.reason().map(|reason| format!("{name}: {reason}\n"))
    };
    outcomes.iter().filter_map(line).collect()
}

//! What people do today, beside the plan.

use edgeplan::{Baseline, amount};
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::Deployment;
use serde_json::{Value, json};

/// One line: each policy's cost, and how much more than the plan's that is.
pub(crate) fn text(baselines: &[Baseline], instance: &Deployment, best: Cost) -> String {
    let one = |&Baseline { policy, cost }: &Baseline| match cost {
        None => format!("{policy} finds none"),
        Some(cost) => {
            let more = 100.0 * (cost.as_f64() / best.as_f64().max(1.0) - 1.0);
            format!("{policy} {} ({more:+.1} %)", amount(instance, cost))
        }
    };
    format!("beside it: {}", baselines.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Costs by name, in the unit of the objective.
pub(crate) fn json(baselines: &[Baseline]) -> Value {
    baselines.iter().map(|one| (one.policy.to_owned(), json!(one.cost))).collect()
}

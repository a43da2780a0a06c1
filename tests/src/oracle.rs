//! Brute force: every plan, priced by `evaluate()` and nothing else.

use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, Plan};

/// The truth about a small question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Optimum {
    /// The cost of the best plan, and one such plan.
    Cost(Cost, Plan),
    /// No plan is feasible.
    Infeasible,
}

impl Optimum {
    /// The cost, if there is a plan.
    pub fn cost(&self) -> Option<Cost> {
        match self {
            Self::Cost(cost, _) => Some(*cost),
            Self::Infeasible => None,
        }
    }
}

/// Tries every plan.
pub fn brute_force(instance: &Deployment) -> Optimum {
    instance.brute_force().map_or(Optimum::Infeasible, |(cost, plan)| Optimum::Cost(cost, plan))
}

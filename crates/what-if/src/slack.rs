//! What binds in a plan.

use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Deployment, Plan};

use crate::Limit;

/// How much of a limit a plan uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slack {
    /// The limit.
    pub limit: Limit,
    /// What the plan uses.
    pub used: u64,
    /// What is allowed.
    pub allowed: u64,
}

/// Every limit of the instance with what the plan uses of it, the fullest first.
pub fn slacks(instance: &Deployment, plan: &Plan) -> Vec<Slack> {
    let account = instance.evaluate(plan).account;
    let slack = |limit: Limit| {
        let allowed = limit.value(instance)?;
        Some(Slack { limit, used: limit.used(&account), allowed })
    };
    let mut found: Vec<Slack> = Limit::all(instance).into_iter().filter_map(slack).collect();
    let share = |slack: &Slack| slack.used as f64 / slack.allowed.max(1) as f64;
    found.sort_by(|a, b| share(b).total_cmp(&share(a)));
    found
}

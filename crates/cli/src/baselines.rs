//! What people do today, beside the plan: the policies that need no solver.

use std::time::Duration;

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Limits, Silent, solve};
use edgeplan_solvers::find;
use serde_json::{Value, json};

use crate::report::amount;

const POLICIES: [&str; 3] = ["fastest-first", "ram-proportional", "even-split"];
/// They take milliseconds; a huge instance is not worth waiting for.
const TIME: Duration = Duration::from_secs(2);

/// The costs of their plans; none where they find none.
pub(crate) struct Baselines(Vec<(&'static str, Option<Cost>)>);

impl Baselines {
    pub(crate) fn of(instance: &Deployment) -> Self {
        let limits = Limits { time: Some(TIME), ..Limits::default() };
        let cost = |&name: &&'static str| {
            let solver = (find(name)?.make)();
            Some((name, solve(instance, solver.as_ref(), limits, &mut Silent).cost()))
        };
        Self(POLICIES.iter().filter_map(cost).collect())
    }

    /// One line: each one's cost, and how much more than the plan's that is.
    pub(crate) fn text(&self, instance: &Deployment, best: Cost) -> String {
        let one = |(name, cost): &(&str, Option<Cost>)| match cost {
            None => format!("{name} finds none"),
            Some(cost) => {
                let more = 100.0 * (cost.as_f64() / best.as_f64().max(1.0) - 1.0);
                format!("{name} {} ({more:+.1} %)", amount(instance, *cost))
            }
        };
        format!("beside it: {}", self.0.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    /// Costs by name, in the unit of the objective.
    pub(crate) fn json(&self) -> Value {
        self.0.iter().map(|(name, cost)| ((*name).to_owned(), json!(cost))).collect()
    }
}

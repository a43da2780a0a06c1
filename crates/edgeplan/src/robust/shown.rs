//! A robust plan for people and programs.

use edgeplan_problem::Cost;
use edgeplan_problem::deployment::Deployment;
use edgeplan_report::table::Table;
use serde::Serialize;

use super::{Robust, Told};

/// A robust plan. Field names are stable keys; costs have the unit of the answer's cost.
#[derive(Debug, Serialize)]
pub(crate) struct RobustKeys {
    /// It regrets at most this, in any scenario.
    regret: Cost,
    /// No plan's largest regret is below this.
    regret_bound: Cost,
    /// Whether these two are as near as the gap that was asked for.
    proven: bool,
    /// What the plan of middle times regrets at most.
    nominal_regret: Cost,
    /// What it costs at middle times.
    cost: Cost,
    /// What the plan of middle times costs there.
    nominal_cost: Cost,
    /// Whether it is the plan of middle times.
    nominal: bool,
    scenarios: Vec<ScenarioKeys>,
    /// Devices without bands.
    without_band: Vec<String>,
}

/// What plans cost in a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct ScenarioKeys {
    name: String,
    /// No plan costs less.
    bound: Cost,
    cost: Cost,
    nominal_cost: Cost,
}

impl Robust {
    /// For programs.
    pub(crate) fn keys(&self) -> RobustKeys {
        let scenario = |told: &Told| ScenarioKeys {
            name: told.name.clone(),
            bound: told.least,
            cost: told.costs[0],
            nominal_cost: told.costs[1],
        };
        RobustKeys {
            regret: self.regret,
            regret_bound: self.regret_bound,
            proven: self.proven,
            nominal_regret: self.nominal_regret,
            cost: self.costs[0],
            nominal_cost: self.costs[1],
            nominal: self.is_nominal(),
            scenarios: self.scenarios.iter().map(scenario).collect(),
            without_band: self.unknown.clone(),
        }
    }

    /// Whether it is the plan of middle times.
    fn is_nominal(&self) -> bool {
        self.scenarios.iter().all(|told| told.costs[0] == told.costs[1])
    }

    /// For people: what is proven, and each scenario.
    pub(crate) fn text(&self, deployment: &Deployment) -> String {
        let amount = |cost: Cost| deployment.objective.amount(cost);
        let [cost, nominal] = self.costs;
        let more = 100.0 * (cost.as_f64() / nominal.as_f64().max(1.0) - 1.0);
        let proven = match self.proven {
            true => "proven the least".to_owned(),
            false => format!("no plan stays below {}", amount(self.regret_bound)),
        };
        let plan = match self.is_nominal() {
            true => "the plan of the predicted times is the robust one, too".to_owned(),
            false => format!(
                "robust: {more:+.1} % at the predicted times; the plan of these may be {} off the \
                 best",
                amount(self.nominal_regret)
            ),
        };
        let least =
            format!("at most {} off the best in any scenario, {proven}", amount(self.regret));
        let table = Table::new(["scenario", "best, at least>", "this plan>", "plan of predicted>"]);
        let table = table.with_rows(self.scenarios.iter().map(|told| {
            let [own, nominal] = told.costs.map(amount);
            [told.name.clone(), amount(told.least), own, nominal]
        }));
        let mut lines = vec![String::new(), plan, least, table.to_string()];
        if !self.unknown.is_empty() {
            lines.push(format!("no band is known of {}", self.unknown.join(", ")));
        }
        lines.join("\n")
    }
}

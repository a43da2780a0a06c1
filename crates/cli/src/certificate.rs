//! Certified bounds, for people and for programs.

use edgeplan::amount;
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::Deployment;
use serde_json::{Map, Value, json};

/// A certified bound: `certified_lower_bound`, or `certified_infeasible` where it is above all.
pub(crate) fn bound_json(bound: Cost) -> Map<String, Value> {
    let entry = match bound {
        Cost::MAX => ("certified_infeasible".to_owned(), json!(true)),
        bound => ("certified_lower_bound".to_owned(), json!(bound)),
    };
    Map::from_iter([entry])
}

/// A certified bound, for people.
pub(crate) fn bound_text(instance: &Deployment, bound: Cost) -> String {
    match bound {
        Cost::MAX => "certified: there is no plan".into(),
        bound => format!("certified: no plan is below {}", amount(instance, bound)),
    }
}

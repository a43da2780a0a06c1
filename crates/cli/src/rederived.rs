//! What the independent checker says of a bound, for people and for programs.

use edgeplan::{Rederived, amount};
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::Deployment;
use serde_json::{Map, Value, json};

/// The keys `rederived_…` and `proof_withdrawn`.
pub(crate) fn json(rederived: &Rederived) -> Map<String, Value> {
    let proven = rederived.derived.as_ref().ok().filter(|&&bound| bound < Cost::MAX);
    let keys = [
        ("rederived_lower_bound", json!(proven)),
        ("rederived_infeasible", json!(rederived.derived == Ok(Cost::MAX))),
        ("rederived_missing", json!(rederived.derived.as_ref().err())),
        ("rederived_elapsed_s", json!(rederived.elapsed.as_secs_f64())),
        ("proof_withdrawn", json!(rederived.withdrawn)),
    ];
    keys.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

/// How much of the proof rests on the solver alone, in a line.
pub(crate) fn text(rederived: &Rederived, instance: &Deployment, solver: &str) -> String {
    let text = match &rederived.derived {
        Err(reason) => format!("the proof rests on {solver} alone: {reason}"),
        Ok(Cost::MAX) => "derived again by the independent checker: there is no plan".into(),
        Ok(bound) => {
            let amount = amount(instance, *bound);
            let rest = match *bound >= rederived.claimed {
                true => "the whole bound".into(),
                false => format!("the rest of the bound rests on {solver}"),
            };
            format!("derived again by the independent checker: no plan is below {amount} ({rest})")
        }
    };
    let withdrawn = rederived.withdrawn.iter().map(|why| format!("\nproof withdrawn: {why}"));
    std::iter::once(text).chain(withdrawn).collect()
}

//! Who answered the same question beside the solver, for people and for programs.

use edgeplan::{Opinion, amount, reason};
use edgeplan_problem::Verdict;
use edgeplan_problem::deployment::Deployment;
use serde_json::{Value, json};

use crate::report::cost_key;

/// One line for people: who agrees, or whose claim the plan denies.
pub(crate) fn text(instance: &Deployment, verdict: &Verdict, opinion: Option<&Opinion>) -> String {
    let Some(Opinion { by, outcome }) = opinion else {
        return "second opinion: no other solver answered within the time limit".into();
    };
    let cost = outcome.cost().map(|cost| format!(" {}", amount(instance, cost)));
    let what = format!("{}{}", outcome.verdict.word(), cost.unwrap_or_default());
    match (reason(&outcome.verdict), verdict) {
        (Some(reason), _) => format!("second opinion: {by} is {what}: {reason}"),
        (None, Verdict::Wrong(_)) => format!("second opinion: {by} says {what}"),
        (None, _) => format!("second opinion: {by} agrees ({what})"),
    }
}

/// The same for programs.
pub(crate) fn json(instance: &Deployment, opinion: Option<&Opinion>) -> Value {
    opinion.map_or(Value::Null, |Opinion { by, outcome }| {
        json!({
            "solver": by,
            "verdict": outcome.verdict.word(),
            "reason": reason(&outcome.verdict),
            cost_key(instance): outcome.cost(),
        })
    })
}

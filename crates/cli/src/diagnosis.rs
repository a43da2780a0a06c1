//! Why there is no plan, for people and for programs.

use edgeplan::Diagnosis;
use edgeplan_problem::deployment::Deployment;
use edgeplan_what_if::Fix;
use serde_json::{Map, Value, json};

/// The reason, and the smallest changes that would make a plan possible.
pub(crate) fn text(diagnosis: &Diagnosis, instance: &Deployment) -> String {
    let mut lines = vec![diagnosis.sentence()];
    if !diagnosis.fixes.is_empty() {
        lines.push("Each of these alone makes a plan possible (smallest found):".into());
    }
    if !diagnosis.joint.is_empty() {
        lines.push("These together make a plan possible:".into());
    }
    for fix in diagnosis.fixes.iter().chain(&diagnosis.joint) {
        let Fix { limit, from, to } = *fix;
        let amount = |value| limit.amount(value);
        lines.push(format!(
            "  {}: {} instead of {} (+{})",
            limit.name(instance),
            amount(to),
            amount(from),
            amount(to - from)
        ));
    }
    lines.join("\n")
}

/// The keys `reason`, `fixes` and `joint_fix`.
pub(crate) fn json(diagnosis: &Diagnosis, instance: &Deployment) -> Map<String, Value> {
    let fix =
        |fix: &Fix| json!({"limit": fix.limit.name(instance), "from": fix.from, "to": fix.to});
    let list = |fixes: &[Fix]| json!(fixes.iter().map(fix).collect::<Vec<Value>>());
    let mut json = Map::new();
    json.insert("reason".into(), json!(diagnosis.sentence()));
    json.insert("fixes".into(), list(&diagnosis.fixes));
    json.insert("joint_fix".into(), list(&diagnosis.joint));
    json
}

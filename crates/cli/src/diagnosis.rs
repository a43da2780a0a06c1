//! Why there is no plan, and the smallest change that would make one possible.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Limits, Solver};
use edgeplan_what_if::{Fix, Reason, fixes, joint_fix, reason};
use serde_json::{Map, Value, json};

use crate::question::Question;
use crate::watch;

/// What was found out about an infeasible instance.
pub(crate) struct Diagnosis {
    reason: Reason,
    /// Each is enough.
    fixes: Vec<Fix>,
    /// Together they are enough, where no single one is.
    joint: Vec<Fix>,
}

impl Diagnosis {
    /// Of an instance that is proven to have no plan. Takes as long as the question may, at most.
    pub(crate) fn of(
        instance: &Deployment,
        solver: &dyn Solver<Deployment>,
        question: &Question,
    ) -> Self {
        let _line = watch::busy("infeasible; searching for the smallest fix");
        let whole = watch::limits(question);
        let part = |parts: u32| Limits { time: whole.time.map(|time| time / parts), ..whole };
        let reason = reason(instance, solver, part(4));
        let fixes = match reason {
            Reason::Unusable { .. } => Vec::new(),
            _ => fixes(instance, solver, part(2)),
        };
        let joint = match (&reason, fixes.is_empty()) {
            (Reason::Unusable { .. }, _) | (_, false) => Vec::new(),
            _ => joint_fix(instance, solver, part(4)),
        };
        Self { reason, fixes, joint }
    }

    pub(crate) fn text(&self, instance: &Deployment) -> String {
        let mut lines = vec![self.sentence()];
        if !self.fixes.is_empty() {
            lines.push("Each of these alone makes a plan possible (smallest found):".into());
        }
        if !self.joint.is_empty() {
            lines.push("These together make a plan possible:".into());
        }
        for fix in self.fixes.iter().chain(&self.joint) {
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

    fn sentence(&self) -> String {
        match &self.reason {
            Reason::Unusable { layer } => {
                format!("No device can run {layer} in any of its formats; allow another format.")
            }
            Reason::Memory { needed, available } => format!(
                "Any plan that keeps every other limit needs at least {needed} of memory; all \
                 devices together have {available}."
            ),
            Reason::Together if self.fixes.is_empty() => {
                "The limits exclude each other; no change of one limit alone was found to suffice."
                    .into()
            }
            Reason::Together => "The limits exclude each other.".into(),
        }
    }

    pub(crate) fn json(&self, instance: &Deployment) -> Map<String, Value> {
        let fix =
            |fix: &Fix| json!({"limit": fix.limit.name(instance), "from": fix.from, "to": fix.to});
        let mut json = Map::new();
        json.insert("reason".into(), json!(self.sentence()));
        json.insert("fixes".into(), json!(self.fixes.iter().map(fix).collect::<Vec<Value>>()));
        json.insert("joint_fix".into(), json!(self.joint.iter().map(fix).collect::<Vec<Value>>()));
        json
    }
}

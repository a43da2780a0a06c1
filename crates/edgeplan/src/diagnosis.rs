//! Why there is no plan, and the smallest change that would make one possible.

use edgeplan_problem::Limits;
use edgeplan_problem::deployment::Deployment;
use edgeplan_what_if::{Fix, Reason, fixes, joint_fix, reason};
use serde::Serialize;

use crate::answer::{Phase, Progress, Task};

/// What was found out about an infeasible question.
///
/// ```
/// use edgeplan::{Changes, Quiet, Sources, Task};
///
/// // No laptop generates a thousand tokens per second.
/// let objective = Some(edgeplan_pricing::workload::Goal::Memory);
/// let changes = Changes { objective, decode_min: Some(1000.0), ..Changes::default() };
/// let session = Sources { changes, ..Sources::default() }.load()?;
/// let planned = session.plan(&Task::default(), &mut Quiet);
/// let diagnosis = planned.diagnosis.expect("there is no plan");
/// println!("{}", diagnosis.text(session.deployment()));
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why there is no plan.
    pub reason: Reason,
    /// Each is enough.
    pub fixes: Vec<Fix>,
    /// Together they are enough, where no single one is.
    pub joint: Vec<Fix>,
}

impl Diagnosis {
    /// Of a question that is proven to have no plan. Takes as long as the task may, at most.
    pub(crate) fn of(
        deployment: &Deployment,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Self {
        progress.phase(Phase::Diagnosing);
        let solver = (task.solver(deployment).make)();
        let solver = solver.as_ref();
        let part =
            |parts: u32| Limits { time: task.limits.time.map(|time| time / parts), ..task.limits };
        let reason = reason(deployment, solver, part(4));
        let fixes = match reason {
            Reason::Unusable { .. } => Vec::new(),
            _ => fixes(deployment, solver, part(2)),
        };
        let joint = match (&reason, fixes.is_empty()) {
            (Reason::Unusable { .. }, _) | (_, false) => Vec::new(),
            _ => joint_fix(deployment, solver, part(4)),
        };
        Self { reason, fixes, joint }
    }

    /// The reason, and the smallest changes that would make a plan possible.
    ///
    /// See [`Diagnosis`] for an example.
    pub fn text(&self, deployment: &Deployment) -> String {
        let mut lines = vec![self.sentence()];
        if !self.fixes.is_empty() {
            lines.push("Each of these alone makes a plan possible (smallest found):".into());
        }
        if !self.joint.is_empty() {
            lines.push("These together make a plan possible:".into());
        }
        for &Fix { limit, from, to } in self.fixes.iter().chain(&self.joint) {
            let [from, to, more] = [from, to, to - from].map(|value| limit.amount(value));
            lines.push(format!("  {}: {to} instead of {from} (+{more})", limit.name(deployment)));
        }
        lines.join("\n")
    }

    /// The keys `fixes` and `joint_fix`.
    pub(crate) fn keys(&self, deployment: &Deployment) -> DiagnosisKeys {
        let key =
            |&Fix { limit, from, to }: &Fix| FixKeys { limit: limit.name(deployment), from, to };
        DiagnosisKeys {
            fixes: self.fixes.iter().map(key).collect(),
            joint_fix: self.joint.iter().map(key).collect(),
        }
    }

    /// The reason as a sentence.
    ///
    /// See [`Diagnosis`] for an example.
    pub fn sentence(&self) -> String {
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
}

/// The fixes of an infeasible question. Field names are stable keys.
#[derive(Serialize)]
pub(crate) struct DiagnosisKeys {
    fixes: Vec<FixKeys>,
    joint_fix: Vec<FixKeys>,
}

#[derive(Serialize)]
struct FixKeys {
    limit: String,
    from: u64,
    to: u64,
}

//! Why there is no plan, and the smallest change that would make one possible.

use edgeplan_problem::Limits;
use edgeplan_problem::deployment::Deployment;
use edgeplan_what_if::{Fix, Reason, fixes, joint_fix, reason};

use crate::answer::{Phase, Progress, Task};

/// What was found out about an infeasible question.
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
        let solver = (task.solver.make)();
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

    /// The reason as a sentence.
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

//! The exact solvers that complement each other, on one question at once.

use edgeplan_joint::Joint;
use edgeplan_problem::deployment::{Deployment, Placement, Plan};
use edgeplan_problem::{Answer, Run, Solver, SolverError, Unsupported, race};
use edgeplan_search::ChainSearch;

/// `chain-search`, and `joint` beside it where it helps. Where memory is priced, `chain-search` has
/// good plans and weak bounds; `joint` has strong bounds, and plans late.
pub(crate) struct Portfolio {
    pub(crate) chain: ChainSearch,
    pub(crate) joint: Joint,
}

/// Whether a device's memory is not one run's alone: of several models, or where a device may be
/// entered again.
pub(crate) fn shares_memory(deployment: &Deployment) -> bool {
    deployment.models.len() > 1 || deployment.placement == Placement::Free
}

impl Solver<Deployment> for Portfolio {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        self.chain.supports(problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let mut solvers: Vec<&(dyn Solver<Deployment> + Send)> = vec![&self.chain];
        if shares_memory(run.problem()) && self.joint.supports(run.problem()).is_ok() {
            solvers.push(&self.joint);
        }
        race(run, &solvers)
    }
}

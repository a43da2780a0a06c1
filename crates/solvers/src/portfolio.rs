//! The exact solvers that complement each other, on one question at once.

use edgeplan_ilp::Ilp;
use edgeplan_joint::Joint;
use edgeplan_mip::Highs;
use edgeplan_problem::deployment::{Deployment, Placement, Plan};
use edgeplan_problem::{Answer, Racer, Run, Solver, SolverError, Unsupported, race};
use edgeplan_search::ChainSearch;

/// `chain-search`, and `joint` and the integer program beside it where they help. Where memory is
/// priced, `chain-search` has good plans and weak bounds; `joint` has strong bounds, and plans late;
/// the integer program closes small tight questions.
pub(crate) struct Portfolio {
    pub(crate) chain: ChainSearch,
    pub(crate) joint: Joint,
    pub(crate) compact: Compact,
}

/// The integer program on HiGHS, which is not believed that there is no plan: its presolve has said
/// so falsely.
pub(crate) struct Compact(Ilp<Deployment>);

/// Larger programs are not worth their time beside `joint`.
const NONZEROS_MAX: usize = 400_000;

impl Default for Compact {
    fn default() -> Self {
        Self(Ilp { nonzeros_max: NONZEROS_MAX, ..Ilp::new(Highs) })
    }
}

impl Solver<Deployment> for Compact {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        self.0.supports(problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        Ok(match self.0.solve(run)? {
            Answer::Infeasible => Answer::Unknown { lower_bound: run.bound() },
            answer => answer,
        })
    }
}

/// Whether a device's memory is not one run's alone: of several models, or where a device may be
/// entered again.
pub(crate) fn shares_memory(deployment: &Deployment) -> bool {
    deployment.models.len() > 1 || deployment.placement == Placement::Free
}

/// Shares of one thread. Of several contiguous models chain-search finds early plans and little
/// else: alone, joint has half the gap of both at equal shares (multi2-home-lab-D4: 1.2 and 2.8 %).
/// Of free placement each wins on some instances.
const JOINT_SHARE: u32 = 4;
const FREE_SHARE: u32 = 4;
const CONTIGUOUS_SHARE: u32 = 1;
const COMPACT_SHARE: u32 = 4;

impl Solver<Deployment> for Portfolio {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        self.chain.supports(problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let deployment = run.problem();
        let chain = match deployment.placement {
            Placement::Contiguous => CONTIGUOUS_SHARE,
            Placement::Free => FREE_SHARE,
        };
        let mut racers = vec![Racer { solver: &self.chain, share: chain }];
        if shares_memory(deployment) && self.joint.supports(deployment).is_ok() {
            racers.push(Racer { solver: &self.joint, share: JOINT_SHARE });
            racers.push(Racer { solver: &self.compact, share: COMPACT_SHARE });
        }
        race(run, &racers)
    }
}

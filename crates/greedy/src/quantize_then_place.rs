//! Quantize, then place: formats are chosen first, without looking at devices, and the mix is then
//! placed as well as a placement solver can. What the joint problem wins over it is the value of
//! deciding both at once.

use edgeplan_problem::deployment::{Deployment, Plan, mixes};
use edgeplan_problem::{Answer, Run, Solver, SolverError, Unsupported};

use crate::placing::{placed, supports};

/// The smallest mix within the quality budget, placed by `place`.
pub struct QuantizeThenPlace {
    /// Place layers whose formats are given: the first that takes the question does.
    pub place: Vec<Box<dyn Solver<Deployment> + Send>>,
}

impl std::fmt::Debug for QuantizeThenPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuantizeThenPlace").finish_non_exhaustive()
    }
}

impl Solver<Deployment> for QuantizeThenPlace {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        supports(&self.place, problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let mix = mixes(run.problem(), 0, 1).pop();
        let plan = mix.and_then(|mix| placed(&self.place, run, &mix));
        // A bound would hold for this mix only.
        Ok(plan.map_or(Answer::Unknown { lower_bound: None }, |plan| Answer::Plan {
            plan,
            lower_bound: None,
        }))
    }
}

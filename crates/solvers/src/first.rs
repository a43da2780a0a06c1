//! The first of several solvers that takes a question.

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Answer, Run, Solver, SolverError, Unsupported};

/// Solvers in the order in which they are asked.
pub(crate) struct FirstThatTakes(pub(crate) [Box<dyn Solver<Deployment> + Send>; 2]);

impl Solver<Deployment> for FirstThatTakes {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        self.0[0].supports(problem).or_else(|_| self.0[1].supports(problem))
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let takes = usize::from(self.0[0].supports(run.problem()).is_err());
        self.0[takes].solve(run)
    }
}

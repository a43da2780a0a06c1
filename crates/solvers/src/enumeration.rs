//! Every plan, one after another, priced by `evaluate()` and nothing else: no bound, no dominance,
//! nothing that could be wrong in the way a solver is.

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Answer, Run, Solver, SolverError, Stop, Unsupported};

/// Tries every plan. O((devices * options)^layers) evaluations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enumeration {
    /// Questions with more plans are not taken.
    pub(crate) plans_max: u64,
}

impl Solver<Deployment> for Enumeration {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let plans = problem.plan_count();
        if plans > self.plans_max {
            let text = format!("{plans} plans; at most {} are tried", self.plans_max);
            return Err(Unsupported(text));
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        run.problem().try_each_plan::<Stop>(&mut |plan| {
            run.step()?;
            run.incumbent(plan);
            Ok(())
        })?;
        Ok(match run.best().cloned() {
            Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(cost) },
            None => Answer::Infeasible,
        })
    }
}

//! One format for the whole model: what people download, placed as well as a placement solver can.

use edgeplan_problem::deployment::{Deployment, Layer, Mix, OptionId, Plan};
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Answer, Run, Solver, SolverError, Unsupported};

use crate::placing::{placed, supports};

/// The best placement by `place` of any recipe that all layers have and that loses no more than
/// allowed. What choosing per layer wins over it is the value of mixing formats.
pub struct OneFormat {
    /// Place layers whose formats are given: the first that takes the question does.
    pub place: Vec<Box<dyn Solver<Deployment> + Send>>,
}

impl std::fmt::Debug for OneFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneFormat").finish_non_exhaustive()
    }
}

impl Solver<Deployment> for OneFormat {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        supports(&self.place, problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        for mix in uniform_mixes(run.problem()) {
            run.step()?;
            if let Some(plan) = placed(&self.place, run, &mix) {
                run.incumbent(&plan);
            }
        }
        // No bound: other mixes were not looked at.
        Ok(match run.best() {
            Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound: None },
            None => Answer::Unknown { lower_bound: None },
        })
    }
}

/// Every recipe of the first layer that all layers have, as a mix, if it is within the budget.
fn uniform_mixes(instance: &Deployment) -> Vec<Mix> {
    let model = &instance.models[0];
    let recipes = model.layers[0].options.iter().map(|option| &option.recipe);
    let uniform = |recipe: &Recipe| -> Option<Mix> {
        let place = |layer: &Layer| {
            let index = layer.options.iter().position(|option| option.recipe == *recipe)?;
            Some(OptionId(u16::try_from(index).ok()?))
        };
        model.layers.iter().map(place).collect()
    };
    let allowed = |mix: &Mix| {
        let losses = model.layers.iter().zip(mix).map(|(l, option)| l.options[option.index()].loss);
        let loss: u64 = losses.map(|loss| loss.0).sum();
        model.loss_max.is_none_or(|most| loss <= most.0)
    };
    recipes.filter_map(uniform).filter(allowed).collect()
}

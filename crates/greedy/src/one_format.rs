//! One format for the whole model: what people download, placed as well as a placement solver can.

use edgeplan_problem::deployment::{Assignment, Deployment, Layer, Mix, OptionId, Plan};
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Answer, Limits, Run, Silent, Solver, SolverError, Unsupported, solve};

use crate::quantize_then_place::with_formats;

/// The best placement by `place` of any recipe that all layers have and that loses no more than
/// allowed. What choosing per layer wins over it is the value of mixing formats.
pub struct OneFormat {
    /// Places layers whose formats are given.
    pub place: Box<dyn Solver<Deployment> + Send>,
}

impl std::fmt::Debug for OneFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneFormat").finish_non_exhaustive()
    }
}

impl Solver<Deployment> for OneFormat {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        if problem.models.len() != 1 {
            let models = problem.models.len();
            return Err(Unsupported(format!("places one model, this has {models}")));
        }
        self.place.supports(problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        for mix in uniform_mixes(instance) {
            run.step()?;
            let given = with_formats(instance, &mix);
            let limits = Limits { time: run.remaining(), ..run.limits() };
            let outcome = solve(&given, self.place.as_ref(), limits, &mut Silent);
            if let Some(placed) = outcome.plan {
                let layers = placed.models[0].iter().zip(&mix);
                let layers = layers
                    .map(|(layer, &option)| Assignment { device: layer.device, option })
                    .collect();
                run.incumbent(&Plan::single(layers));
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

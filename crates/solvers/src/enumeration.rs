//! Every plan, one after another, priced by `evaluate()` and nothing else: no bound, no dominance,
//! nothing that could be wrong in the way a solver is.

use edgeplan_problem::deployment::{Assignment, Deployment, Plan};
use edgeplan_problem::{Answer, Run, Solver, SolverError, Stop, Unsupported};

/// Tries every plan. O((devices * options)^layers) evaluations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enumeration {
    /// Questions with more plans are not taken.
    pub(crate) plans_max: u64,
}

impl Solver<Deployment> for Enumeration {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let plans = plans(problem);
        if plans > self.plans_max {
            let text = format!("{plans} plans; at most {} are tried", self.plans_max);
            return Err(Unsupported(text));
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let models = &run.problem().models;
        let first = models.iter().map(|model| vec![Assignment::default(); model.layers.len()]);
        let mut plan = Plan { models: first.collect() };
        let places: Vec<(usize, usize)> = (0..models.len())
            .flat_map(|model| (0..models[model].layers.len()).map(move |layer| (model, layer)))
            .collect();
        descend(run, &places, &mut plan)?;
        Ok(match run.best().cloned() {
            Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(cost) },
            None => Answer::Infeasible,
        })
    }
}

fn descend(
    run: &mut Run<'_, Deployment>,
    places: &[(usize, usize)],
    plan: &mut Plan,
) -> Result<(), Stop> {
    let Some((&(model, layer), rest)) = places.split_first() else {
        run.step()?;
        run.incumbent(plan);
        return Ok(());
    };
    let problem = run.problem();
    for device in problem.device_ids() {
        for option in problem.models[model].option_ids(layer) {
            plan.models[model][layer] = Assignment { device, option };
            descend(run, rest, plan)?;
        }
    }
    Ok(())
}

/// How many plans there are, feasible or not; the largest number if there are more.
fn plans(problem: &Deployment) -> u64 {
    let layers = problem.models.iter().flat_map(|model| &model.layers);
    let choices = layers.map(|layer| (layer.options.len() * problem.devices.len()) as u64);
    choices.fold(1, u64::saturating_mul)
}

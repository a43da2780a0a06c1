//! Quantize, then place: formats are chosen first, without looking at devices, and the mix is then
//! placed as well as a placement solver can. What the joint problem wins over it is the value of
//! deciding both at once.

use edgeplan_problem::deployment::{Assignment, Deployment, Mix, OptionId, Plan, mixes};
use edgeplan_problem::{Answer, Limits, Run, Silent, Solver, SolverError, Unsupported, solve};

/// The smallest mix within the quality budget, placed by `place`.
pub struct QuantizeThenPlace {
    /// Places layers whose formats are given.
    pub place: Box<dyn Solver<Deployment> + Send>,
}

impl std::fmt::Debug for QuantizeThenPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuantizeThenPlace").finish_non_exhaustive()
    }
}

impl Solver<Deployment> for QuantizeThenPlace {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        if problem.models.len() != 1 {
            let models = problem.models.len();
            return Err(Unsupported(format!("places one model, this has {models}")));
        }
        self.place.supports(problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        let Some(mix) = mixes(instance, 0, 1).pop() else {
            return Ok(Answer::Unknown { lower_bound: None });
        };
        let given = with_formats(instance, &mix);
        let limits = Limits { time: run.remaining(), ..run.limits() };
        let outcome = solve(&given, self.place.as_ref(), limits, &mut Silent);
        Ok(match outcome.plan {
            // The bound holds for this mix only.
            Some(placed) => {
                let layers = placed.models[0].iter().zip(&mix);
                let layers = layers
                    .map(|(layer, &option)| Assignment { device: layer.device, option })
                    .collect();
                Answer::Plan { plan: Plan::single(layers), lower_bound: None }
            }
            None => Answer::Unknown { lower_bound: None },
        })
    }
}

/// The same question with one option per layer.
pub(crate) fn with_formats(instance: &Deployment, mix: &Mix) -> Deployment {
    let mut given = instance.clone();
    for (layer, &OptionId(option)) in given.models[0].layers.iter_mut().zip(mix) {
        layer.options = vec![layer.options.swap_remove(usize::from(option))];
    }
    given
}

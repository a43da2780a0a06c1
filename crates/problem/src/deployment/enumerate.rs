//! Every plan of a small question, one after another: the truth that solvers are held against.

use std::convert::Infallible;

use super::{Assignment, Deployment, Plan};
use crate::{Cost, Problem as _};

impl Deployment {
    /// How many plans there are, feasible or not; the largest number if there are more.
    pub fn plan_count(&self) -> u64 {
        let layers = self.models.iter().flat_map(|model| &model.layers);
        let choices = layers.map(|layer| (layer.options.len() * self.devices.len()) as u64);
        choices.fold(1, u64::saturating_mul)
    }

    /// Shows every plan, feasible or not, to `visit`, which ends the enumeration with an error.
    ///
    /// # Errors
    /// The one that `visit` returned.
    ///
    /// # Complexity
    /// [`Self::plan_count`] visits.
    pub fn try_each_plan<E>(&self, visit: &mut dyn FnMut(&Plan) -> Result<(), E>) -> Result<(), E> {
        let layers = |model: usize| self.models[model].layers.len();
        let first = (0..self.models.len()).map(|model| vec![Assignment::default(); layers(model)]);
        let mut plan = Plan { models: first.collect() };
        let places: Vec<(usize, usize)> = (0..self.models.len())
            .flat_map(|model| (0..layers(model)).map(move |layer| (model, layer)))
            .collect();
        self.descend(&places, &mut plan, visit)
    }

    fn descend<E>(
        &self,
        places: &[(usize, usize)],
        plan: &mut Plan,
        visit: &mut dyn FnMut(&Plan) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((&(model, layer), rest)) = places.split_first() else { return visit(plan) };
        for device in self.device_ids() {
            for option in self.models[model].option_ids(layer) {
                plan.models[model][layer] = Assignment { device, option };
                self.descend(rest, plan, visit)?;
            }
        }
        Ok(())
    }

    /// The least cost of a feasible plan, and the first plan of that cost: every plan is priced by
    /// `evaluate()` and nothing else. `None` if no plan is feasible.
    ///
    /// # Complexity
    /// [`Self::plan_count`] evaluations.
    pub fn brute_force(&self) -> Option<(Cost, Plan)> {
        let mut best: Option<(Cost, Plan)> = None;
        let Ok(()) = self.try_each_plan::<Infallible>(&mut |plan| {
            let evaluation = self.evaluate(plan);
            let better = best.as_ref().is_none_or(|(cost, _)| evaluation.cost < *cost);
            if evaluation.is_feasible() && better {
                best = Some((evaluation.cost, plan.clone()));
            }
            Ok(())
        });
        best
    }
}

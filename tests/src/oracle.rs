//! Brute force: every plan, priced by `evaluate()` and nothing else.

use edgeplan_problem::deployment::{Assignment, Deployment, Plan};
use edgeplan_problem::{Cost, Problem};

/// The truth about a small question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Optimum {
    /// The cost of the best plan, and one such plan.
    Cost(Cost, Plan),
    /// No plan is feasible.
    Infeasible,
}

impl Optimum {
    /// The cost, if there is a plan.
    pub fn cost(&self) -> Option<Cost> {
        match self {
            Self::Cost(cost, _) => Some(*cost),
            Self::Infeasible => None,
        }
    }
}

/// Tries every plan. O((devices * options)^layers) evaluations.
pub fn brute_force(instance: &Deployment) -> Optimum {
    let layers =
        instance.models.iter().map(|model| vec![Assignment::default(); model.layers.len()]);
    let mut plan = Plan { models: layers.collect() };
    let places: Vec<(usize, usize)> = (0..plan.models.len())
        .flat_map(|model| (0..plan.models[model].len()).map(move |layer| (model, layer)))
        .collect();
    let mut best = Optimum::Infeasible;
    descend(instance, &places, &mut plan, &mut best);
    best
}

fn descend(instance: &Deployment, places: &[(usize, usize)], plan: &mut Plan, best: &mut Optimum) {
    let Some((&(model, layer), rest)) = places.split_first() else {
        let evaluation = instance.evaluate(plan);
        let better = best.cost().is_none_or(|cost| evaluation.cost < cost);
        if evaluation.is_feasible() && better {
            *best = Optimum::Cost(evaluation.cost, plan.clone());
        }
        return;
    };
    for device in instance.device_ids() {
        for option in instance.models[model].option_ids(layer) {
            plan.models[model][layer] = Assignment { device, option };
            descend(instance, rest, plan, best);
        }
    }
}

//! Corridors of the joint search: plans that hold layers where the best one does, or a few layers
//! before or after (Sniedovich and Voss, Control and Cybernetics 35, 2006).
//!
//! Prices climb again in a corridor: the whole's price memory where such plans need none. A
//! corridor that is searched completely widens; where a better plan is found, it moves there.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Run, Stop};

use super::rins::{held, neighbourhood};
use crate::bounding::goal::cutoff;
use crate::chain::Chain;
use crate::dual::state::DualState;
use crate::joint_bounds::{JointSearch, ModelBounds};
use crate::tuning::TUNING;

/// Whether a search looked at every plan that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Searched {
    Completely,
    InPart,
}

impl JointSearch<'_> {
    /// Moves on to better plans, until the corridor is too wide to be searched completely, or it
    /// took several times the labels that were extended before.
    pub(crate) fn search_corridors(
        &mut self,
        run: &mut Run<'_, Deployment>,
        models: ModelBounds<'_>,
    ) -> Result<(), Stop> {
        let layers = models.relaxations.iter().map(|relaxation| relaxation.chain.layers);
        let widest = layers.max().unwrap_or(0);
        let mut around = TUNING.corridor.around;
        let labels_max = (1 + TUNING.corridor.labels_factor) * self.labels;
        while around < widest {
            let before = run.best().map(|(_, cost)| *cost);
            let searched = self.search_corridor(run, models, around)?;
            if run.best().map(|(_, cost)| *cost) != before {
                continue;
            }
            if searched == Searched::InPart || self.labels > labels_max {
                break;
            }
            around += 1;
        }
        Ok(())
    }

    /// Searches the corridor of the best plan.
    fn search_corridor(
        &mut self,
        run: &mut Run<'_, Deployment>,
        models: ModelBounds<'_>,
        around: usize,
    ) -> Result<Searched, Stop> {
        let Some((plan, _)) = run.best().cloned() else { return Ok(Searched::InPart) };
        let round = TUNING.corridor.round;
        let parts = models.relaxations.iter().zip(&plan.models);
        let parts: Vec<Chain> =
            parts.map(|(whole, layers)| neighbourhood(whole.chain, held(layers), around)).collect();
        let scale = parts[0].scale;
        let mut relaxations = Vec::new();
        for (model, (part, whole)) in parts.iter().zip(models.relaxations).enumerate() {
            let (prices, ng_sets) = (whole.prices.clone(), whole.ng_sets.clone());
            let state = DualState { prices, ng_sets, ..DualState::new(part) };
            let limit = cutoff(run, scale) - models.of_others(model);
            let dual = self.dual_problem(part, limit);
            relaxations.push(dual.maximise(run, round.dual, state)?.relaxation);
        }
        let bounds: Vec<f64> = relaxations.iter().map(|relaxation| relaxation.bound).collect();
        if bounds.iter().sum::<f64>() > cutoff(run, scale) {
            return Ok(Searched::Completely);
        }
        let models = ModelBounds { relaxations: &relaxations, bounds: &bounds };
        Ok(match self.search_labels(run, models, round.per_layer)? {
            Some(_) => Searched::InPart,
            None => Searched::Completely,
        })
    }
}

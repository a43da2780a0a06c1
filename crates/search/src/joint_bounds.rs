//! Rounds of the joint search: free placement, several models. Each model is bounded by a
//! relaxation of its own, in which the memory of devices is priced; labels hold all models' plans
//! together.

use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Limits, Run, Silent, Stop, solve};

use crate::bounding::dual_problem::DualProblem;
use crate::bounding::goal::{Goal, beyond, cutoff, unscaled};
use crate::chain::{Chain, Measure};
use crate::dual::path::Mixture;
use crate::dual::relaxation::Relaxation;
use crate::dual::state::DualState;
use crate::effort::JointRound;
use crate::labels::Width;
use crate::labels::joint::{JointLabels, Stage, by_model};
use crate::solver::ChainSearch;
use crate::tuning::TUNING;

/// The search of one instance.
pub(crate) struct JointSearch<'a> {
    solver: &'a ChainSearch,
    /// Labels that were extended so far.
    pub(crate) labels: u64,
}

/// The relaxations of all models, and what is known of their costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelBounds<'a> {
    pub(crate) relaxations: &'a [Relaxation<'a>],
    /// By model: no plan costs less there, scaled.
    pub(crate) bounds: &'a [f64],
}

impl ModelBounds<'_> {
    /// Least cost of all models but one.
    pub(crate) fn of_others(&self, model: usize) -> f64 {
        of_others(self.bounds, model)
    }
}

fn of_others(bounds: &[f64], model: usize) -> f64 {
    bounds.iter().sum::<f64>() - bounds[model]
}

/// What rounds know of the models.
struct Models {
    chains: Vec<Chain>,
    /// What each model's next climb begins with.
    states: Vec<DualState>,
    /// By model: no plan costs less there, scaled.
    bounds: Vec<f64>,
    /// Whether the models' costs add up. Else, of bottlenecks, nothing bounds them one by one.
    add_up: bool,
    /// The best plan's cost when corridors around it were searched last.
    looked_around: Option<Cost>,
}

/// What a round leaves.
enum JointOutcome {
    /// Every plan within the cutoff is known.
    Closed,
    /// No plan costs less.
    Open(Cost),
}

impl<'a> JointSearch<'a> {
    pub(crate) fn new(solver: &'a ChainSearch) -> Self {
        Self { solver, labels: 0 }
    }

    /// No plan costs less than what is returned; [`Cost::MAX`] if there is none.
    pub(crate) fn prove(mut self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        self.start_contiguous(run);
        let measure = match run.problem().objective {
            Objective::Memory => Measure::Memory,
            Objective::Latency | Objective::Bottleneck => Measure::Latency,
        };
        let chains = Chain::all(run.problem(), measure);
        let scale = chains[0].scale;
        let mut models = Models {
            states: chains.iter().map(DualState::new).collect(),
            bounds: vec![0.0; chains.len()],
            add_up: run.problem().objective != Objective::Bottleneck,
            looked_around: None,
            chains,
        };
        let mut proven = Cost::ZERO;
        for round in TUNING.joint.rounds {
            match self.round(run, round, &mut models)? {
                JointOutcome::Closed => return Ok(beyond(run, cutoff(run, scale), scale)),
                JointOutcome::Open(bound) => proven = proven.max(bound),
            }
        }
        Ok(proven)
    }

    /// Climbs model by model, searches labels and corridors, fixes.
    fn round(
        &mut self,
        run: &mut Run<'_, Deployment>,
        round: JointRound,
        models: &mut Models,
    ) -> Result<JointOutcome, Stop> {
        let Models { chains, states, bounds, add_up, looked_around } = models;
        let scale = chains[0].scale;
        let mut relaxations = Vec::new();
        for (model, state) in states.drain(..).enumerate() {
            let limit =
                if *add_up { cutoff(run, scale) - of_others(bounds, model) } else { f64::MAX };
            let dual = self.dual_problem(&chains[model], limit);
            let relaxation = dual.maximise(run, round.dual, state)?.relaxation;
            bounds[model] = relaxation.bound.max(bounds[model]);
            relaxations.push(relaxation);
        }
        let sum: f64 = if *add_up { bounds.iter().sum() } else { 0.0 };
        if sum > cutoff(run, scale) || bounds.iter().any(|bound| bound.is_infinite()) {
            return Ok(JointOutcome::Closed);
        }
        let mut proven = unscaled(sum, scale);
        run.lower_bound(proven);
        let known = ModelBounds { relaxations: &relaxations, bounds: &bounds[..] };
        let Some(dropped) = self.search_labels(run, known, round.per_layer)? else {
            return Ok(JointOutcome::Closed);
        };
        // Around a plan that was not looked around yet, once prices are better than those of the
        // first, coarse grid.
        let best = run.best().map(|(_, cost)| *cost);
        if *add_up && round.dual.growths > 0 && best != *looked_around {
            self.search_corridors(run, known)?;
            *looked_around = run.best().map(|(_, cost)| *cost);
        }
        let cutoff = cutoff(run, scale);
        proven = proven.max(unscaled(dropped.min(cutoff), scale));
        run.lower_bound(proven);
        // Each model may cost what the others leave of the cutoff.
        let mut fixings = Vec::new();
        for (model, relaxation) in relaxations.into_iter().enumerate() {
            let limit = if *add_up { cutoff - of_others(bounds, model) } else { f64::MAX };
            let fixing = relaxation.fixing(limit);
            let Relaxation { prices, ng_sets, .. } = relaxation;
            fixings.push((fixing, prices, ng_sets));
        }
        for (chain, (fixing, prices, ng_sets)) in chains.iter_mut().zip(fixings) {
            let references = fixing.apply(chain).references;
            states.push(DualState { prices, ng_sets, references, mixture: Mixture::new() });
        }
        Ok(JointOutcome::Open(proven))
    }

    /// The dual of one model, of whose plans those up to a scaled cost matter.
    pub(crate) fn dual_problem<'c>(&self, chain: &'c Chain, limit: f64) -> DualProblem<'c> {
        let goal = Goal::Part { limit: limit.min(f64::MAX) };
        DualProblem { chain, goal, table_max: self.solver.table_max }
    }

    /// Searches forward with at most so many labels per layer; the least bound of what was dropped,
    /// if anything was.
    pub(crate) fn search_labels(
        &mut self,
        run: &mut Run<'_, Deployment>,
        models: ModelBounds<'_>,
        per_layer: Option<usize>,
    ) -> Result<Option<f64>, Stop> {
        let instance = run.problem();
        let add_up = instance.objective != Objective::Bottleneck;
        let stages = models.relaxations.iter().enumerate().map(|(model, relaxation)| {
            let later = if add_up { models.bounds[model + 1..].iter().sum() } else { 0.0 };
            let chain = relaxation.chain;
            Stage { chain, relaxation: add_up.then_some(relaxation), later }
        });
        let scale = models.relaxations[0].chain.scale;
        let labels_max = self.solver.labels_max / TUNING.joint.label_share;
        let labels = per_layer.map_or(labels_max, |labels| labels.min(labels_max));
        let search = JointLabels::new(instance, stages.collect(), cutoff(run, scale));
        let width = Width { labels, per_kind: None };
        let found = search.search(width, &mut || run.step())?;
        self.labels += found.labels;
        run.count("labels", found.labels);
        if let Some(plan) = &found.plan {
            run.incumbent(&by_model(instance, plan));
        }
        Ok(found.dropped)
    }

    /// Starts from a contiguous plan, which is a plan.
    fn start_contiguous(&self, run: &mut Run<'_, Deployment>) {
        let problem = run.problem();
        if problem.placement == Placement::Contiguous || problem.models.len() > 1 {
            return;
        }
        let contiguous = Deployment { placement: Placement::Contiguous, ..problem.clone() };
        let quick = ChainSearch { starts: Vec::new(), ..*self.solver };
        let time = run.remaining().map(|time| time / TUNING.joint.contiguous_share);
        let limits = Limits { time, ..run.limits() };
        if let Some(plan) = solve(&contiguous, &quick, limits, &mut Silent).plan {
            run.incumbent(&plan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::question;

    #[test]
    fn free_placement_is_proven_as_brute_force_has_it() {
        // Contiguous plans cannot use the memory: the large layer lies between two small ones.
        let mut question = question(&[2, 2], &[(1, 3), (2, 4), (1, 5)]);
        question.placement = Placement::Free;
        let question = question.checked().expect("the question makes sense");
        let (best, _) = question.brute_force().expect("there is a plan");
        let mut observer = Silent;
        let mut run = Run::new(&question, Limits::default(), &mut observer);
        let solver = ChainSearch::default();
        let proven = JointSearch::new(&solver).prove(&mut run).expect("nothing stops it");
        assert_eq!(run.best().map(|(_, cost)| *cost), Some(best));
        assert_eq!(proven, best);
    }

    #[test]
    fn the_other_models_bounds_are_all_but_its_own() {
        let models = ModelBounds { relaxations: &[], bounds: &[3.0, 5.0, 9.0] };
        assert_eq!([0, 1, 2].map(|model| models.of_others(model)), [14.0, 12.0, 8.0]);
    }
}

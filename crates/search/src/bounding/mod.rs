//! Rounds of: finer grid, climb of the dual bound, labels, fixing; until the proof is complete.

pub(crate) mod dual_problem;
pub(crate) mod goal;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Run, Stop};
use rustc_hash::FxHashSet;

use crate::chain::Chain;
use crate::dual::path::is_in;
use crate::dual::prices::Prices;
use crate::dual::relaxation::Relaxation;
use crate::dual::state::DualState;
use crate::effort::{Beam, Round};
use crate::labels::contiguous::{ContiguousLabels, Relaxations};
use crate::labels::{LabelOutcome, Width};
use crate::solver::ChainSearch;
use crate::tuning::TUNING;
use dual_problem::{DualProblem, Maximised};
use goal::{Goal, unscaled};

/// How much a search may do before it leaves a question open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds on the whole case, at most.
    pub(crate) rounds: usize,
    /// Nodes of the tree after them; if none, until all are closed.
    pub(crate) nodes: Option<usize>,
}

/// What a round leaves of a case.
pub(crate) enum RoundOutcome {
    /// Every plan within the cutoff is known.
    Closed,
    Open(Open),
}

/// A case that is not closed.
pub(crate) struct Open {
    /// No plan of it costs less, scaled.
    pub(crate) bound: f64,
    pub(crate) state: DualState,
}

/// The search of one case of an instance, or of a part of it.
pub(crate) struct CaseSearch<'a> {
    pub(crate) solver: &'a ChainSearch,
    pub(crate) chain: Chain,
    /// Whether a plan may have just one run.
    pub(crate) allows_one_run: bool,
    pub(crate) goal: Goal,
}

impl<'a> CaseSearch<'a> {
    /// No plan of this case costs less than what is returned; [`Cost::MAX`] if there is none.
    pub(crate) fn prove(
        mut self,
        run: &mut Run<'_, Deployment>,
        effort: Effort,
    ) -> Result<Cost, Stop> {
        let mut state = DualState::new(&self.chain);
        let (mut bound, mut tried) = (0.0f64, FxHashSet::default());
        for &round in TUNING.contiguous.rounds.iter().take(effort.rounds) {
            match self.round(run, round, state)? {
                RoundOutcome::Closed => return Ok(self.goal.beyond(run, &self.chain)),
                RoundOutcome::Open(open) => {
                    bound = bound.max(open.bound);
                    state = open.state;
                }
            }
            self.goal.report(run, self.cost(bound));
            if self.goal.is_reached(run) {
                return Ok(self.cost(bound));
            }
            // Not on the coarse grid of the first round, whose paths say little of good plans.
            if round.dual.growths > 0 {
                self.search_near_mixture(run, &state)?;
                self.search_along_orders(run, &state, &mut tried)?;
            }
        }
        self.branch(run, Open { bound, state }, effort.nodes)
    }

    /// Climbs, searches labels, and fixes.
    pub(crate) fn round(
        &mut self,
        run: &mut Run<'_, Deployment>,
        round: Round,
        state: DualState,
    ) -> Result<RoundOutcome, Stop> {
        let Maximised { relaxation, mixture, evaluations } =
            self.dual_problem().maximise(run, round.dual, state)?;
        self.search_alone(run, &relaxation.prices)?;
        if relaxation.bound > self.cutoff(run) {
            return Ok(RoundOutcome::Closed);
        }
        self.goal.report(run, self.cost(relaxation.bound));
        // A narrow search is to find plans; its labels are few, and not worth more tables.
        let others = match round.beam.is_wide() {
            true => self.at_other_prices(&relaxation),
            false => Vec::new(),
        };
        let relaxations = Relaxations { best: &relaxation, others: &others };
        let found = match round.beam {
            Beam::Narrow { per_layer, per_kind } => {
                let width = Width { labels: per_layer, per_kind: Some(per_kind) };
                self.search_labels(run, relaxations, width)?
            }
            Beam::Wide { per_layer } => self.search_labels(run, relaxations, wide(per_layer))?,
            Beam::Unlimited => {
                self.search_labels(run, relaxations, wide(self.solver.labels_max))?
            }
            Beam::Balanced => {
                let values = evaluations.saturating_mul(relaxation.work);
                self.search_balanced(run, relaxations, values)?
            }
        };
        let cutoff = self.cutoff(run);
        let Some(dropped) = found.dropped else { return Ok(RoundOutcome::Closed) };
        let bound = relaxation.bound.max(dropped);
        if bound > cutoff {
            return Ok(RoundOutcome::Closed);
        }
        let fixing = relaxation.fixing(cutoff);
        let Relaxation { prices, ng_sets, .. } = relaxation;
        let fixed = fixing.apply(&mut self.chain);
        run.count("fixed", fixed.removed as u64);
        let mixture = mixture.into_iter().filter(|part| is_in(&self.chain, &part.path)).collect();
        let state = DualState { prices, ng_sets, references: fixed.references, mixture };
        Ok(RoundOutcome::Open(Open { bound, state }))
    }

    /// Searches with as many labels as take about the time of a climb that computed so many values;
    /// if some had to be dropped, then once more with as many as seem to be missing. Their number
    /// grows exponentially with the bound up to which none is dropped.
    fn search_balanced(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxations: Relaxations<'_>,
        values: u64,
    ) -> Result<LabelOutcome, Stop> {
        let tuning = &TUNING.labels;
        let labels = values as usize / (tuning.values_per_label * self.chain.layers);
        let labels = labels.clamp(tuning.balanced_min, tuning.balanced_max);
        let found = self.search_labels(run, relaxations, wide(labels))?;
        let Some(dropped) = found.dropped else { return Ok(found) };
        let (bound, cutoff) = (relaxations.best.bound, self.cutoff(run));
        // The share of the gap, from the bound to the cutoff, that was enumerated.
        let reach = (dropped - bound) / (cutoff - bound);
        let needed = tuning.estimate_factor * (labels as f64).powf(1.0 / reach);
        if (0.0..1.0).contains(&reach) && needed <= tuning.balanced_max as f64 {
            return self.search_labels(run, relaxations, wide(needed as usize));
        }
        Ok(found)
    }

    /// Searches forward under a relaxation, and others that cut, too; offers what it finds.
    fn search_labels(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxations: Relaxations<'_>,
        width: Width,
    ) -> Result<LabelOutcome, Stop> {
        let traces_max = TUNING.labels.traces_max / self.chain.layers;
        let labels_max = self.solver.labels_max.min(traces_max);
        let width = Width { labels: width.labels.min(labels_max), ..width };
        let labels = ContiguousLabels::new(relaxations, self.cutoff(run), self.allows_one_run);
        let found = labels.search(width, &mut || run.step())?;
        run.count("labels", found.labels);
        if let Some(plan) = &found.plan {
            run.incumbent(&Plan::single(plan.clone()));
        }
        Ok(found)
    }

    /// The relaxation at other prices of loss, as many as there is room for.
    fn at_other_prices<'r>(&self, relaxation: &Relaxation<'r>) -> Vec<Relaxation<'r>> {
        let count = self.solver.table_max / relaxation.values().max(1);
        let other = |factor: &f64| {
            let mut other = relaxation.clone();
            let loss = relaxation.prices.loss * factor;
            other.reprice(&Prices { loss, ..relaxation.prices.clone() });
            other
        };
        // Labels carry their visits at the first one's prices: others must have the same.
        let same = |other: &Relaxation<'_>| other.prices.visit == relaxation.prices.visit;
        let factors = TUNING.labels.other_loss_prices.iter().take(count.saturating_sub(1));
        factors.map(other).filter(same).collect()
    }

    fn dual_problem(&self) -> DualProblem<'_> {
        DualProblem { chain: &self.chain, goal: self.goal, table_max: self.solver.table_max }
    }

    /// The search of a part of this case.
    pub(crate) fn part(&self, chain: Chain) -> CaseSearch<'a> {
        CaseSearch { chain, goal: self.goal.of_a_part(), ..*self }
    }

    /// Scaled cost above which plans do not matter.
    pub(crate) fn cutoff(&self, run: &Run<'_, Deployment>) -> f64 {
        self.goal.cutoff(run, &self.chain)
    }

    /// A scaled bound as a cost.
    pub(crate) fn cost(&self, bound: f64) -> Cost {
        unscaled(bound, self.chain.scale)
    }
}

/// A search that hopes to be complete.
fn wide(labels: usize) -> Width {
    Width { labels, per_kind: None }
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::{Limits, Silent};

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use crate::effort::DualRound;

    fn case<'a>(solver: &'a ChainSearch, question: &Deployment) -> CaseSearch<'a> {
        let chain = Chain::new(question, Measure::Latency, None);
        let goal = Goal::Cheapest { reports: true };
        CaseSearch { solver, chain, allows_one_run: true, goal }
    }

    #[test]
    fn a_plan_of_no_cost_is_proven_at_once() {
        let question = question(&[0, 0], &[(0, 0), (0, 0)]);
        let mut observer = Silent;
        let limits = Limits { gap: 0.0, ..Limits::default() };
        let mut run = Run::new(&question, limits, &mut observer);
        let solver = ChainSearch::default();
        let effort = Effort { rounds: 4, nodes: None };
        let proven = case(&solver, &question).prove(&mut run, effort);
        assert_eq!(proven.expect("nothing stops it"), Cost::ZERO);
        assert_eq!(run.best().map(|(_, cost)| *cost), Some(Cost::ZERO));
    }

    #[test]
    fn what_a_round_leaves_open_still_holds_the_better_plans() {
        let (mut left_open, mut closed) = (0, 0);
        for seed in 0..30 {
            let family = Random { layers: 5, devices: 3, formats: 2, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let Some((best, plan)) = question.brute_force() else { continue };
            let mut observer = Silent;
            let limits = Limits { gap: 0.0, ..Limits::default() };
            let mut run = Run::new(&question, limits, &mut observer);
            let solver = ChainSearch::default();
            let mut search = case(&solver, &question);
            // One label per layer: a poor plan, and a bound that leaves much open.
            let round = Round {
                dual: DualRound { steps: 16, evaluations: 3, growths: 0 },
                beam: Beam::Narrow { per_layer: 1, per_kind: 1 },
            };
            let state = DualState::new(&search.chain);
            let left = search.round(&mut run, round, state).expect("nothing stops it");
            let known = run.best().map(|(_, cost)| *cost);
            match left {
                RoundOutcome::Closed => {
                    assert_eq!(known, Some(best), "seed {seed}");
                    closed += 1;
                }
                RoundOutcome::Open(open) => {
                    assert!(search.cost(open.bound) <= best, "seed {seed}");
                    if known.is_none_or(|known| best < known) {
                        assert!(is_in(&search.chain, &plan.models[0]), "seed {seed}");
                    }
                    left_open += 1;
                }
            }
        }
        assert!(left_open > 3 && left_open + closed > 10, "{left_open}, {closed}");
    }
}

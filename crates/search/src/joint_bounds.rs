//! The rounds of the joint search: free placement, several models.

use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Limits, Run, Silent, Stop, solve};

use crate::ascent::Mixture;
use crate::chain::{Chain, Measure};
use crate::fixing::fix;
use crate::joint::{Joint, Stage};
use crate::labels::Width;
use crate::relaxation::Relaxation;
use crate::rounds::{Goal, Round, Search, State, limit, round, unscaled};
use crate::solver::ChainSearch;

const SCHEDULE: [Round; 5] = [
    round((64, 30, 0), (200, 0)),
    round((256, 40, 6), (2_000, 0)),
    round((256, 30, 6), (10_000, 0)),
    round((1024, 30, 6), (50_000, 0)),
    round((4096, 30, 6), (usize::MAX, 0)),
];

/// The part of the time in which a contiguous plan is looked for first.
const CONTIGUOUS_SHARE: u32 = 5;

impl ChainSearch {
    /// No plan costs less than what is returned; [`Cost::MAX`] if there is none.
    pub(crate) fn together(&self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        self.contiguous_first(run);
        let measure = match run.problem().objective {
            Objective::Memory => Measure::Memory,
            Objective::Latency | Objective::Bottleneck => Measure::Latency,
        };
        let sums = run.problem().objective != Objective::Bottleneck;
        let mut chains = Chain::all(run.problem(), measure);
        let scale = chains[0].scale;
        let mut states: Vec<State> = chains.iter().map(State::new).collect();
        let mut bounds = vec![0.0; chains.len()];
        let (mut proven, mut looked_around) = (Cost::ZERO, None);
        for round in SCHEDULE {
            let mut relaxations = Vec::new();
            for (model, state) in states.drain(..).enumerate() {
                let limit =
                    if sums { limit(run, scale) - others(&bounds, model) } else { f64::MAX };
                let relaxation = self.part(run, &mut chains[model], limit, (round, state))?;
                bounds[model] = relaxation.bound.max(bounds[model]);
                relaxations.push(relaxation);
            }
            let sum: f64 = if sums { bounds.iter().sum() } else { 0.0 };
            if sum > limit(run, scale) || bounds.iter().any(|bound| bound.is_infinite()) {
                return Ok(beyond(run, scale));
            }
            proven = proven.max(unscaled(sum, scale));
            run.lower_bound(proven);
            let found = self.joint(run, (&chains, &relaxations, &bounds), round)?;
            let Some(dropped) = found else { return Ok(beyond(run, scale)) };
            let best = run.best().map(|(_, cost)| *cost);
            if sums && round.grow > 0 && best != looked_around {
                self.look_around(run, (&chains, &relaxations, &bounds))?;
                looked_around = run.best().map(|(_, cost)| *cost);
            }
            let limit = limit(run, scale);
            proven = proven.max(unscaled(dropped.min(limit), scale));
            run.lower_bound(proven);
            for (model, relaxation) in relaxations.into_iter().enumerate() {
                let limit = if sums { limit - others(&bounds, model) } else { f64::MAX };
                let references = fix(&mut chains[model], &relaxation, limit).best;
                let Relaxation { prices, neighbours, .. } = relaxation;
                let mixture = Mixture::new();
                states.push(State { prices, neighbours, references, mixture });
            }
        }
        Ok(proven)
    }

    /// The relaxation of one model.
    pub(crate) fn part(
        &self,
        run: &mut Run<'_, Deployment>,
        chain: &mut Chain,
        limit: f64,
        (round, state): (Round, State),
    ) -> Result<Relaxation, Stop> {
        let goal = Goal::Part { limit: limit.min(f64::MAX) };
        let search = Search { solver: self, chain: chain.clone(), one_run: true, goal };
        Ok(search.relax(run, round, state)?.0)
    }

    /// Searches forward; the least bound of what was dropped, if anything was.
    pub(crate) fn joint(
        &self,
        run: &mut Run<'_, Deployment>,
        (chains, relaxations, bounds): (&[Chain], &[Relaxation], &[f64]),
        round: Round,
    ) -> Result<Option<f64>, Stop> {
        let sums = run.problem().objective != Objective::Bottleneck;
        let stages = chains.iter().zip(relaxations).enumerate().map(|(model, (chain, tables))| {
            let later = if sums { bounds[model + 1..].iter().sum() } else { 0.0 };
            Stage { chain, relaxation: sums.then_some(tables), later }
        });
        let most = self.labels_max / 4;
        let width = Width { labels: round.width.labels.min(most), alike: usize::MAX };
        let joint = Joint::new(run.problem(), stages.collect(), limit(run, chains[0].scale));
        let found = joint.search(width, &mut || run.step())?;
        run.count("labels", found.labels);
        if let Some(plan) = &found.plan {
            run.incumbent(plan);
        }
        Ok(found.dropped)
    }

    /// A contiguous plan is a plan.
    fn contiguous_first(&self, run: &mut Run<'_, Deployment>) {
        let problem = run.problem();
        if problem.placement == Placement::Contiguous || problem.models.len() > 1 {
            return;
        }
        let contiguous = Deployment { placement: Placement::Contiguous, ..problem.clone() };
        let quick = Self { starts: Vec::new(), ..*self };
        let time = run.remaining().map(|time| time / CONTIGUOUS_SHARE);
        let limits = Limits { time, ..run.limits() };
        if let Some(plan) = solve(&contiguous, &quick, limits, &mut Silent).plan {
            run.incumbent(&plan);
        }
    }
}

/// Least cost of all models but one.
pub(crate) fn others(bounds: &[f64], model: usize) -> f64 {
    bounds.iter().sum::<f64>() - bounds[model]
}

/// What is proven once every plan within the limit is known.
fn beyond(run: &Run<'_, Deployment>, scale: f64) -> Cost {
    match run.best() {
        Some((_, cost)) => unscaled(limit(run, scale) + 1.0, scale).min(*cost),
        None => Cost::MAX,
    }
}

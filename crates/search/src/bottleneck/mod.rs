//! The least bottleneck: cycle times between the least that may be possible and that of the best
//! plan known are tried, the middle one first.

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Run, Stop};

use crate::chain::{Chain, Measure};
use crate::cycle::{self, Cycles, Fit};
use crate::prefix::{self, Reach};
use crate::rounds::{Effort, Goal, ROUNDS, Search};
use crate::solver::{ALL, ChainSearch, cases};

/// The search for the least bottleneck of one instance.
pub(crate) struct Narrowest<'a> {
    solver: &'a ChainSearch,
    /// By case: what is known of runs; nothing where that does not apply.
    cycles: Vec<Cycles>,
}

/// What is tried for one cycle time before others are tried.
const EFFORTS: [Effort; 4] = [
    Effort { rounds: 0, nodes: 0 },
    Effort { rounds: 2, nodes: 0 },
    Effort { rounds: ROUNDS, nodes: 5 },
    ALL,
];
/// Longer than any cycle.
const LONGEST: u64 = 1 << 62;

impl<'a> Narrowest<'a> {
    pub(crate) fn new(
        solver: &'a ChainSearch,
        run: &mut Run<'_, Deployment>,
    ) -> Result<Self, Stop> {
        let longest = run.best().map_or(LONGEST, |(_, cost)| cost.0);
        let chain = Chain::new(run.problem(), Measure::Loss, Some(longest));
        let cases: Vec<Chain> = cases(chain).into_iter().map(|(chain, _)| chain).collect();
        let weight = run.problem().models[0].weight;
        let mut cycles = Vec::new();
        if longest < LONGEST && cases.iter().all(cycle::applies) {
            for chain in cases {
                cycles.push(Cycles::new(chain, weight, &mut || run.step())?);
            }
        }
        Ok(Self { solver, cycles })
    }

    /// No plan has a shorter cycle than what is returned; [`Cost::MAX`] if there is no plan. What
    /// little effort leaves open is first passed over on both sides, then tried with more.
    pub(crate) fn prove(mut self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        if run.best().is_none() && self.fits(run, LONGEST, EFFORTS.len() - 1, true)? == Some(false)
        {
            return Ok(Cost::MAX);
        }
        for effort in 0..EFFORTS.len() {
            for open_is_possible in [false, true] {
                let (mut below, mut above) = interval(run);
                while below < above && !run.is_proven() {
                    let cycle = below + (above - below) / 2;
                    let fits = self.fits(run, cycle, effort, open_is_possible)?;
                    if fits == Some(false) {
                        run.lower_bound(Cost(cycle + 1));
                    }
                    if fits.unwrap_or(open_is_possible) {
                        above = cycle.min(interval(run).1);
                    } else {
                        below = cycle + 1;
                    }
                }
            }
        }
        let (below, above) = interval(run);
        Ok(if below >= above { Cost(above) } else { Cost(below) })
    }

    /// Finds a plan with a bottleneck of at most that, or proves that there is none; nothing if
    /// that effort does neither. With `doubt` it begins with what proves quickly, else with what
    /// finds plans.
    fn fits(
        &mut self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        effort: usize,
        doubt: bool,
    ) -> Result<Option<bool>, Stop> {
        let mut guides = guides(run.problem());
        if !doubt {
            guides.reverse();
        }
        if let Some(answer) = self.reaches(run, cycle)? {
            return Ok(Some(answer));
        }
        if let Some(answer) = self.fits_by_runs(run, cycle, effort)? {
            return Ok(Some(answer));
        }
        for (measure, cost_max) in guides {
            let mut none = true;
            for (chain, one_run) in cases(Chain::new(run.problem(), measure, Some(cycle))) {
                let goal = Goal::AnyWithin { cycle, cost_max };
                let search = Search { solver: self.solver, chain, one_run, goal };
                none &= search.prove(run, EFFORTS[effort])? == Cost::MAX;
                if is_within(run, cycle) {
                    return Ok(Some(true));
                }
            }
            if none {
                return Ok(Some(false));
            }
        }
        Ok(None)
    }

    /// The answer over sets of devices, where formats are given.
    fn reaches(&self, run: &mut Run<'_, Deployment>, cycle: u64) -> Result<Option<bool>, Stop> {
        let chain = Chain::new(run.problem(), Measure::Latency, Some(cycle));
        if !prefix::applies(&chain) {
            return Ok(None);
        }
        Ok(match prefix::reach(&chain, &mut || run.step())? {
            Reach::Short => Some(false),
            Reach::Whole(plan) => {
                run.incumbent(&Plan::single(plan));
                is_within(run, cycle).then_some(true)
            }
        })
    }

    /// The answer over whole runs.
    fn fits_by_runs(
        &mut self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        effort: usize,
    ) -> Result<Option<bool>, Stop> {
        let mut none = !self.cycles.is_empty();
        for case in &mut self.cycles {
            match case.fit(run, cycle, effort)? {
                Fit::None => {}
                Fit::Open => none = false,
                Fit::Plan(plan) => {
                    run.incumbent(&Plan::single(plan));
                    if is_within(run, cycle) {
                        return Ok(Some(true));
                    }
                    none = false;
                }
            }
        }
        Ok(none.then_some(false))
    }
}

/// Cycle times that may or may not be possible: from the bound to the best one known.
fn interval(run: &Run<'_, Deployment>) -> (u64, u64) {
    let above = run.best().map_or(LONGEST, |(_, cost)| cost.0);
    (run.bound().map_or(0, |bound| bound.0), above)
}

/// Whether a plan of at most that cycle is known.
fn is_within(run: &Run<'_, Deployment>, cycle: u64) -> bool {
    run.best().is_some_and(|(_, cost)| cost.0 <= cycle)
}

/// What to look for among the plans within a cycle time, and how much of it is allowed: the least
/// loss, where formats can be chosen within a budget (its proofs are short); the least latency.
fn guides(instance: &Deployment) -> Vec<(Measure, Option<u64>)> {
    let model = &instance.models[0];
    let loss = (Measure::Loss, model.loss_max.map(|loss| loss.0));
    let weight = u64::from(model.weight);
    let latency =
        (Measure::Latency, instance.latency_max.map(|limit| limit.0.saturating_mul(weight)));
    let chosen = model.layers.iter().any(|layer| layer.options.len() > 1);
    match chosen && model.loss_max.is_some() {
        true => vec![loss, latency],
        false => vec![latency],
    }
}

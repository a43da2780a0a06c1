//! The least bottleneck: cycle times between the least that may be possible and that of the best
//! plan known are tried, the middle one first.
//!
//! Three ways answer whether a cycle time is possible: over sets of devices, where formats are
//! given ([`prefix`]); run by run, where a finished run leaves nothing but its loss behind
//! ([`cycle`]); layer by layer otherwise.

mod cycle;
mod prefix;

use edgeplan_problem::deployment::{Assignment, Deployment, Plan};
use edgeplan_problem::{Cost, Run, Stop};

use crate::bounding::goal::Goal;
use crate::bounding::{CaseSearch, Effort};
use crate::chain::{Chain, Measure};
use crate::effort::CycleEffort;
use crate::solver::{Case, ChainSearch, cases};
use crate::tuning::TUNING;
use cycle::{Cycles, Fit};
use prefix::Reach;

/// The search for the least bottleneck of one instance.
pub(crate) struct BottleneckSearch<'a> {
    solver: &'a ChainSearch,
    /// By case: what is known of runs; nothing where that does not apply.
    cycles: Vec<Cycles>,
}

/// No plan of a checked instance has a longer cycle.
const CYCLE_MAX: u64 = 1 << 62;

/// Whether a plan of some cycle time exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CycleAnswer {
    /// There is one, and the run has it or a better one.
    Possible,
    /// There is none.
    Impossible,
    /// The effort showed neither.
    Open,
}

/// What an open cycle time is taken for, to try others first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    Possible,
    Impossible,
}

/// A quantity that guides the search for plans within a cycle time, and how much of it is allowed.
#[derive(Debug, Clone, Copy)]
struct Guide {
    measure: Measure,
    cost_max: Option<u64>,
}

/// Cycle times that may or may not be possible.
#[derive(Debug, Clone, Copy)]
struct Interval {
    /// None below is possible.
    least: u64,
    /// The best one known.
    best: u64,
}

impl Interval {
    fn of(run: &Run<'_, Deployment>) -> Self {
        let best = run.best().map_or(CYCLE_MAX, |(_, cost)| cost.0);
        Self { least: run.bound().map_or(0, |bound| bound.0), best }
    }
}

impl<'a> BottleneckSearch<'a> {
    /// Computes what is known of runs, up to the best plan's cycle time.
    pub(crate) fn new(
        solver: &'a ChainSearch,
        run: &mut Run<'_, Deployment>,
    ) -> Result<Self, Stop> {
        let mut search = Self { solver, cycles: Vec::new() };
        // Without a plan, runs are as long as devices hold: too many to compute.
        let Some((_, longest)) = run.best() else { return Ok(search) };
        let chain = Chain::new(run.problem(), Measure::Loss, Some(longest.0));
        let weight = run.problem().models[0].weight;
        let cases = cases(chain);
        if cases.iter().all(|case| cycle::applies(&case.chain)) {
            for case in cases {
                search.cycles.push(Cycles::new(case.chain, weight, &mut || run.step())?);
            }
        }
        Ok(search)
    }

    /// No plan has a shorter cycle than what is returned; [`Cost::MAX`] if there is no plan. What
    /// little effort leaves open is first passed over on both sides, then tried with more.
    pub(crate) fn prove(mut self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        let efforts = &TUNING.bottleneck.efforts;
        if run.best().is_none() {
            let most = efforts[efforts.len() - 1];
            if self.try_cycle(run, CYCLE_MAX, most, Guess::Possible)? == CycleAnswer::Impossible {
                return Ok(Cost::MAX);
            }
        }
        for &effort in efforts {
            for guess in [Guess::Impossible, Guess::Possible] {
                self.bisect(run, effort, guess)?;
            }
        }
        let Interval { least, best } = Interval::of(run);
        Ok(Cost(least.min(best)))
    }

    /// Halves the interval until nothing is left of it; what stays open is taken for the guess.
    fn bisect(
        &mut self,
        run: &mut Run<'_, Deployment>,
        effort: CycleEffort,
        guess: Guess,
    ) -> Result<(), Stop> {
        let Interval { mut least, mut best } = Interval::of(run);
        while least < best && !run.is_proven() {
            let cycle = least + (best - least) / 2;
            let answer = self.try_cycle(run, cycle, effort, guess)?;
            if answer == CycleAnswer::Impossible {
                run.lower_bound(Cost(cycle + 1));
            }
            let is_possible = match answer {
                CycleAnswer::Possible => true,
                CycleAnswer::Impossible => false,
                CycleAnswer::Open => guess == Guess::Possible,
            };
            if is_possible {
                best = cycle.min(Interval::of(run).best);
            } else {
                least = cycle + 1;
            }
        }
        Ok(())
    }

    /// Finds a plan with a bottleneck of at most that, or proves that there is none. Where an open
    /// answer counts as possible, it begins with what proves quickly, else with what finds plans.
    fn try_cycle(
        &mut self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        effort: CycleEffort,
        guess: Guess,
    ) -> Result<CycleAnswer, Stop> {
        let answer = try_sets(run, cycle)?;
        if answer != CycleAnswer::Open {
            return Ok(answer);
        }
        let answer = self.try_runs(run, cycle, effort)?;
        if answer != CycleAnswer::Open {
            return Ok(answer);
        }
        let mut guides = guides(run.problem());
        if guess == Guess::Impossible {
            guides.reverse();
        }
        for guide in guides {
            let answer = self.try_layers(run, cycle, effort, guide)?;
            if answer != CycleAnswer::Open {
                return Ok(answer);
            }
        }
        Ok(CycleAnswer::Open)
    }

    /// The answer layer by layer, for plans of least cost by some guide.
    fn try_layers(
        &self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        effort: CycleEffort,
        guide: Guide,
    ) -> Result<CycleAnswer, Stop> {
        let Guide { measure, cost_max } = guide;
        let effort = Effort { rounds: effort.rounds, nodes: effort.nodes };
        let mut none = true;
        for Case { chain, allows_one_run } in cases(Chain::new(run.problem(), measure, Some(cycle)))
        {
            let goal = Goal::AnyWithin { cycle, cost_max };
            let search = CaseSearch { solver: self.solver, chain, allows_one_run, goal };
            none &= search.prove(run, effort)? == Cost::MAX;
            if is_within(run, cycle) {
                return Ok(CycleAnswer::Possible);
            }
        }
        Ok(if none { CycleAnswer::Impossible } else { CycleAnswer::Open })
    }

    /// The answer over whole runs.
    fn try_runs(
        &mut self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        effort: CycleEffort,
    ) -> Result<CycleAnswer, Stop> {
        let mut none = !self.cycles.is_empty();
        for case in &mut self.cycles {
            match case.fit(run, cycle, effort.run_searches)? {
                Fit::None => {}
                Fit::Open => none = false,
                Fit::Plan(plan) => {
                    if is_found(run, plan, cycle) {
                        return Ok(CycleAnswer::Possible);
                    }
                    none = false;
                }
            }
        }
        Ok(if none { CycleAnswer::Impossible } else { CycleAnswer::Open })
    }
}

/// The answer over sets of devices, where formats are given.
fn try_sets(run: &mut Run<'_, Deployment>, cycle: u64) -> Result<CycleAnswer, Stop> {
    let chain = Chain::new(run.problem(), Measure::Latency, Some(cycle));
    if !prefix::applies(&chain) {
        return Ok(CycleAnswer::Open);
    }
    let Reach::Whole(plan) = prefix::reach(&chain, &mut || run.step())? else {
        return Ok(CycleAnswer::Impossible);
    };
    // Hops that are too long are not looked at.
    Ok(if is_found(run, plan, cycle) { CycleAnswer::Possible } else { CycleAnswer::Open })
}

/// Offers a plan; whether one of at most that cycle is known then.
fn is_found(run: &mut Run<'_, Deployment>, plan: Vec<Assignment>, cycle: u64) -> bool {
    run.incumbent(&Plan::single(plan));
    is_within(run, cycle)
}

/// Whether a plan of at most that cycle is known.
fn is_within(run: &Run<'_, Deployment>, cycle: u64) -> bool {
    run.best().is_some_and(|(_, cost)| cost.0 <= cycle)
}

/// What to look for among the plans within a cycle time, what proves quickly first: the least loss,
/// where formats can be chosen within a budget (its proofs are short); the least latency.
fn guides(instance: &Deployment) -> Vec<Guide> {
    let model = &instance.models[0];
    let weight = u64::from(model.weight);
    let latency_max = instance.latency_max.map(|limit| limit.0.saturating_mul(weight));
    let latency = Guide { measure: Measure::Latency, cost_max: latency_max };
    let loss_max = model.loss_max.map(|loss| loss.0);
    let loss = Guide { measure: Measure::Loss, cost_max: loss_max };
    let are_chosen = model.layers.iter().any(|layer| layer.options.len() > 1);
    match are_chosen && loss_max.is_some() {
        true => vec![loss, latency],
        false => vec![latency],
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::deployment::Objective;
    use edgeplan_problem::{Limits, Silent};

    use super::*;
    use crate::chain::tests::question;

    fn proven(question: &Deployment) -> (Cost, Option<Cost>) {
        let mut observer = Silent;
        let limits = Limits { gap: 0.0, ..Limits::default() };
        let mut run = Run::new(question, limits, &mut observer);
        let solver = ChainSearch::default();
        let search = BottleneckSearch::new(&solver, &mut run).expect("nothing stops it");
        let bound = search.prove(&mut run).expect("nothing stops it");
        (bound, run.best().map(|(_, cost)| *cost))
    }

    #[test]
    fn the_least_bottleneck_is_that_of_brute_force() {
        for seed in 0..15 {
            // With formats to choose, and without.
            for formats in [1, 2] {
                let objective = Objective::Bottleneck;
                let family =
                    Random { layers: 5, devices: 3, formats, seed, objective, ..Random::default() };
                let question = random(&family).checked().expect("the generator makes sense");
                let best = question.brute_force().map(|(cost, _)| cost);
                let expected = (best.unwrap_or(Cost::MAX), best);
                assert_eq!(proven(&question), expected, "seed {seed}, {formats} formats");
            }
        }
    }

    #[test]
    fn loss_guides_only_where_formats_are_chosen_within_a_budget() {
        let mut question = question(&[9], &[(1, 1)]);
        let measures = |question: &Deployment| -> Vec<Measure> {
            guides(question).iter().map(|guide| guide.measure).collect()
        };
        question.models[0].loss_max = Some(edgeplan_problem::Loss(3));
        assert_eq!(measures(&question), [Measure::Latency]);
        let option = question.models[0].layers[0].options[0].clone();
        question.models[0].layers[0].options.push(option);
        assert_eq!(measures(&question), [Measure::Loss, Measure::Latency]);
    }
}

//! The dual bound of one chain in one round: a grid, a climb, and growing ng-sets with more climbs.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Run, Stop};

use super::goal::{Goal, unscaled};
use crate::chain::Chain;
use crate::dual::ascent::{Ascent, maximise_dual};
use crate::dual::grid::Grid;
use crate::dual::path::{Mixture, WeightedPath};
use crate::dual::relaxation::Relaxation;
use crate::dual::state::DualState;
use crate::effort::DualRound;
use crate::tuning::TUNING;

/// Targets are at least this: units of prices and values are not lost beside rounding.
const TARGET_MIN: f64 = (1u32 << 20) as f64;
/// A grid has at least so many steps, however large the chain is.
const STEPS_MIN: usize = 16;

/// The dual of one chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DualProblem<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) goal: Goal,
    /// Values that the tables may hold.
    pub(crate) table_max: usize,
}

/// What a round makes of it.
#[derive(Debug)]
pub(crate) struct Maximised<'a> {
    /// At the best prices that were found.
    pub(crate) relaxation: Relaxation<'a>,
    /// The paths that attain its bound together.
    pub(crate) mixture: Mixture,
    /// Passes of the dynamic program while climbing.
    pub(crate) evaluations: u64,
}

impl<'a> DualProblem<'a> {
    /// The relaxation of a round, from where the one before ended.
    pub(crate) fn maximise(
        &self,
        run: &mut Run<'_, Deployment>,
        round: DualRound,
        state: DualState,
    ) -> Result<Maximised<'a>, Stop> {
        let DualState { prices, ng_sets, references, mixture } = state;
        let steps = round.steps.min(self.steps_max());
        let grid = |device| Grid::new(self.chain, device, steps, &references);
        let grids = (0..self.chain.devices).map(grid).collect();
        let mut relaxation = Relaxation::new(self.chain, grids, ng_sets);
        relaxation.prices = prices;
        let mut maximised = Maximised { relaxation, mixture, evaluations: 0 };
        let devices = self.chain.devices as u32;
        // Without ng-sets a pass is cheap, and prices that are found here need not be found later.
        let more = match round.growths {
            0 => TUNING.dual.first_evaluations_per_device * devices,
            _ => 0,
        };
        self.climb(run, round.evaluations + more, &mut maximised)?;
        match self.chain.contiguous {
            true => self.grow(run, round, maximised),
            false => Ok(maximised),
        }
    }

    /// Climbs again and again, growing ng-sets where the relaxed path returns to a device.
    fn grow(
        &self,
        run: &mut Run<'_, Deployment>,
        round: DualRound,
        mut maximised: Maximised<'a>,
    ) -> Result<Maximised<'a>, Stop> {
        let tuning = &TUNING.dual;
        let mut work = 0;
        for _ in 0..round.growths {
            let climb = maximised.relaxation.work.saturating_mul(u64::from(round.evaluations));
            work = climb.saturating_add(work);
            if maximised.relaxation.bound > self.cutoff(run) || work > tuning.growth_values_max {
                break;
            }
            let before = maximised.relaxation.bound;
            let values_max = tuning.table_values_max.min(self.table_max);
            let rows_max = values_max / (self.chain.layers * maximised.relaxation.width());
            let visits = maximised.mixture.iter().map(WeightedPath::visits);
            let grown = maximised.relaxation.ng_sets.grown(visits, rows_max);
            let grew = grown.is_some();
            // Tables of another shape, in the same memory: an allocation of this size is slow.
            if let Some(grown) = grown {
                maximised.relaxation = maximised.relaxation.with_ng_sets(grown);
            }
            self.climb(run, round.evaluations, &mut maximised)?;
            let gained = before + before.abs() * tuning.gain_min;
            if !grew && maximised.relaxation.bound < gained {
                break;
            }
        }
        Ok(maximised)
    }

    /// Solves the relaxation at its prices, then improves these.
    fn climb(
        &self,
        run: &mut Run<'_, Deployment>,
        evaluations: u32,
        maximised: &mut Maximised<'a>,
    ) -> Result<(), Stop> {
        let relaxation = &mut maximised.relaxation;
        let prices = relaxation.prices.clone();
        let (cutoff, cost_max) = (self.cutoff(run), self.chain.cost_max);
        relaxation.ceiling = cutoff.min(cost_max);
        relaxation.reprice(&prices);
        // The unit of prices is the cost that the bound may rise to.
        let guess = relaxation.bound * TUNING.dual.guessed_target;
        let target = if cutoff < cost_max { cutoff } else { guess };
        let target = target.clamp(TARGET_MIN, cost_max.max(TARGET_MIN));
        let ascent = Ascent { known: &maximised.mixture, evaluations, target, enough: cutoff };
        let counted = &mut maximised.evaluations;
        maximised.mixture = maximise_dual(relaxation, ascent, &mut |bound| {
            *counted += 1;
            run.count("passes", 1);
            // What was fixed may have cost no more than the cutoff.
            self.goal.report(run, unscaled(bound.min(cutoff), self.chain.scale));
            run.step()
        })?;
        Ok(())
    }

    fn cutoff(&self, run: &Run<'_, Deployment>) -> f64 {
        self.goal.cutoff(run, self.chain)
    }

    /// Steps of a grid whose tables fit.
    fn steps_max(&self) -> u64 {
        let places = self.chain.layers * self.chain.devices;
        (self.table_max / places).max(STEPS_MIN) as u64
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::{Limits, Silent};

    use super::*;
    use crate::chain::Measure;
    use crate::dual::path::is_in;

    #[test]
    fn every_round_bounds_every_plan_and_later_ones_no_worse() {
        let mut rose = 0;
        for seed in 0..20 {
            let family = Random { layers: 5, devices: 3, formats: 2, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let Some((best, _)) = question.brute_force() else { continue };
            let chain = Chain::new(&question, Measure::Latency, None);
            let mut observer = Silent;
            let mut run = Run::new(&question, Limits::default(), &mut observer);
            let goal = Goal::Part { limit: f64::MAX };
            let dual = DualProblem { chain: &chain, goal, table_max: 1_000_000 };
            let (mut state, mut bounds) = (DualState::new(&chain), Vec::new());
            for round in [
                DualRound { steps: 4, evaluations: 0, growths: 0 },
                DualRound { steps: 64, evaluations: 30, growths: 3 },
            ] {
                let maximised = dual.maximise(&mut run, round, state).expect("nothing stops it");
                assert!(maximised.mixture.iter().all(|part| is_in(&chain, &part.path)));
                bounds.push(maximised.relaxation.bound / chain.scale);
                let references = maximised.relaxation.fixing(f64::MAX).references;
                let Maximised { relaxation, mixture, .. } = maximised;
                let Relaxation { prices, ng_sets, .. } = relaxation;
                state = DualState { prices, ng_sets, references, mixture };
            }
            assert!(bounds.iter().all(|&bound| bound <= best.as_f64()), "{bounds:?}, {best}");
            rose += usize::from(bounds[1] > bounds[0]);
        }
        assert!(rose > 5, "{rose}");
    }

    #[test]
    fn steps_are_as_many_as_the_tables_hold() {
        let family = Random { layers: 5, devices: 4, ..Random::default() };
        let question = random(&family).checked().expect("the generator makes sense");
        let chain = Chain::new(&question, Measure::Latency, None);
        let goal = Goal::Part { limit: f64::MAX };
        let steps = |table_max| DualProblem { chain: &chain, goal, table_max }.steps_max();
        assert_eq!((steps(0), steps(2_000)), (16, 100));
    }
}

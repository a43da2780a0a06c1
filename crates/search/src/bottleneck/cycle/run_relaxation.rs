//! The relaxation: "each device at most once" is priced, and remembered by ng-sets; what is left is
//! a shortest path of runs over (layers done, device, devices remembered).

use edgeplan_problem::Stop;

use super::runs::{Runs, Visit};
use crate::chain::{Chain, DeviceSet, Hop};
use crate::dual::ng_sets::{NgSets, WeightedVisits};
use crate::dual::ticks::{TickSize, Ticks, least_sum};
use crate::tuning::TUNING;
use edgeplan_methods::bundle::Bundle;

/// The tables of one cycle time.
#[derive(Debug)]
pub(super) struct RunRelaxation<'a> {
    pub(super) chain: &'a Chain,
    /// Nanoseconds of a run or a message.
    pub(super) time: u64,
    /// `[device * layers + first][length - 1]`: least loss of a run; exactly, and in ticks.
    losses: Vec<Vec<u64>>,
    ticks: Vec<Vec<Ticks>>,
    ng_sets: NgSets,
    tick: TickSize,
    /// By device: of a visit.
    prices: Vec<Ticks>,
    /// `[row][layers done]`: priced loss of all later runs.
    onward: Vec<Ticks>,
    /// `[layers done][row]`: the same, beginning with a run there. One more row, the sink of
    /// forbidden moves, cannot be reached.
    arriving: Vec<Ticks>,
    /// No plan loses less.
    bound: f64,
    /// Most loss.
    pub(super) budget: f64,
}

/// Ticks are made for prices of all visits of at most so many budgets; for more they grow.
const PRICES_MAX: f64 = 15.0;
/// Prices of all visits are at most so many budgets: more is worth nothing in floating point.
const PRICES_LIMIT: f64 = (1u64 << 30) as f64;

impl<'a> RunRelaxation<'a> {
    pub(super) fn new(chain: &'a Chain, runs: &Runs, time: u64) -> Self {
        let places = (0..chain.devices).flat_map(|device| {
            (0..chain.layers).map(move |first| runs.losses(chain.class[device], first, time))
        });
        let budget = chain.loss_max.get().map_or(0.0, |max| max as f64);
        let losses: Vec<Vec<u64>> = places.collect();
        let tick = TickSize::for_costs_up_to((1.0 + PRICES_MAX) * budget);
        let mut relaxation = Self {
            chain,
            time,
            ticks: in_ticks(&losses, tick),
            losses,
            ng_sets: NgSets::empty(0),
            tick,
            prices: vec![Ticks::ZERO; chain.devices],
            onward: Vec::new(),
            arriving: Vec::new(),
            bound: 0.0,
            budget,
        };
        relaxation.remember(NgSets::empty(chain.devices));
        relaxation
    }

    /// Whether no plan keeps to the budget.
    pub(super) fn is_beyond(&self) -> bool {
        self.bound > self.budget
    }

    /// Least losses of the runs that begin there, by length minus one.
    pub(super) fn runs(&self, device: usize, first: usize) -> &[u64] {
        &self.losses[device * self.chain.layers + first]
    }

    /// Whether a message is within the cycle.
    pub(super) fn is_short(&self, hop: &Hop) -> bool {
        hop.time <= self.time
    }

    /// Price of a visit.
    pub(super) fn price(&self, device: usize) -> f64 {
        self.tick.scaled(self.prices[device])
    }

    /// What the prices give back: one visit of each device.
    pub(super) fn refund(&self) -> f64 {
        (0..self.chain.devices).map(|device| self.price(device)).sum()
    }

    /// Least priced loss of what follows a run on a device after so many layers.
    pub(super) fn onward(&self, used: DeviceSet, device: usize, done: usize) -> f64 {
        let row = self.ng_sets.row(device, self.ng_sets.remembered(device, used));
        self.tick.scaled(self.later(row)[done])
    }

    fn remember(&mut self, ng_sets: NgSets) {
        self.ng_sets = ng_sets;
        let values = (self.chain.layers + 1) * (self.ng_sets.rows() + 1);
        self.onward = vec![Ticks::UNREACHABLE; values];
        self.arriving = vec![Ticks::UNREACHABLE; values];
    }

    /// By layers done: ticks of all later runs.
    fn later(&self, row: usize) -> &[Ticks] {
        let length = self.chain.layers + 1;
        &self.onward[row * length..(row + 1) * length]
    }

    fn at(&self, done: usize, row: usize) -> usize {
        done * (self.ng_sets.rows() + 1) + row
    }

    /// Raises the bound from those prices, and improves them; then grows ng-sets where the path
    /// returns to a device and climbs again, so many times. `tick` is asked before every
    /// evaluation.
    pub(super) fn climb(
        &mut self,
        prices: &mut Vec<f64>,
        climbs: u32,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        for _ in 0..climbs {
            let mixture = self.climb_once(prices, tick)?;
            if self.is_beyond() {
                break;
            }
            match self.ng_sets.grown(mixture, TUNING.cycle.rows_max) {
                Some(grown) => self.remember(grown),
                None => break,
            }
            self.fill(prices);
        }
        Ok(())
    }

    /// Returns the paths that hold the bound up.
    fn climb_once(
        &mut self,
        best: &mut Vec<f64>,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<Vec<WeightedVisits>, Stop> {
        let (unit, tuning) = (self.budget.max(1.0), &TUNING.cycle);
        self.fill(best);
        let Some(path) = self.path() else { return Ok(Vec::new()) };
        let start = best.iter().map(|price| price / unit).collect();
        let (value, slope) = (self.bound / unit, self.slope(&path));
        let mut bundle = Bundle::new(start, value, slope, tuning.proximity);
        let (mut paths, mut least) = (vec![path], self.bound);
        for _ in 0..tuning.evaluations + tuning.evaluations_per_device * self.chain.devices {
            tick()?;
            let mut point = bundle.trial();
            while bundle.predicted_gain() < tuning.predicted_gain_min && bundle.loosen() {
                point = bundle.trial();
            }
            if self.is_beyond() || bundle.predicted_gain() < tuning.predicted_gain_min {
                break;
            }
            let all: f64 = point.iter().sum();
            if !all.is_finite() {
                break;
            }
            // A bound holds for any prices.
            let part = (PRICES_LIMIT / all).min(1.0);
            point.iter_mut().for_each(|x| *x *= part);
            let prices: Vec<f64> = point.iter().map(|x| x * unit).collect();
            self.fill(&prices);
            let Some(path) = self.path() else { break };
            if self.bound > least {
                (least, *best) = (self.bound, prices);
            }
            bundle.learn(&point, self.bound / unit, self.slope(&path));
            paths.push(path);
        }
        if !self.is_beyond() {
            self.fill(best);
        }
        let supports = bundle.supports().into_iter();
        let weighted = supports.map(|support| WeightedVisits {
            devices: paths[support.cut].iter().map(|visit| visit.device).collect(),
            share: support.weight,
        });
        Ok(weighted.collect())
    }

    /// Fills the tables for such prices, last layer first.
    ///
    /// # Complexity
    /// O(layers * rows * (length of a run + devices)), rows being devices times remembered subsets.
    fn fill(&mut self, prices: &[f64]) {
        // A path of interest costs no more than the budget and one visit of each device: it must
        // stay far below what reads as no path at all.
        let visits: f64 = prices.iter().sum();
        let tick = TickSize::for_costs_up_to(self.budget + visits.max(PRICES_MAX * self.budget));
        if tick != self.tick {
            (self.tick, self.ticks) = (tick, in_ticks(&self.losses, tick));
        }
        self.prices = prices.iter().map(|&price| self.tick.floor(price)).collect();
        let (layers, length) = (self.chain.layers, self.chain.layers + 1);
        for device in 0..self.chain.devices {
            let leaves = self.chain.egress[device].is_some_and(|hop| self.is_short(&hop));
            let first = self.ng_sets.row(device, 0);
            for row in first..first + self.ng_sets.subsets(device) {
                self.onward[row * length + layers] =
                    if leaves { Ticks::ZERO } else { Ticks::UNREACHABLE };
            }
        }
        for done in (0..layers).rev() {
            for device in 0..self.chain.devices {
                self.arrive(done, device);
            }
            for device in (0..self.chain.devices).filter(|_| done > 0) {
                self.move_on(done, device);
            }
        }
        let least = (0..self.chain.devices).map(|device| self.starting(device)).min();
        self.bound = match least.filter(|least| least.is_path()) {
            Some(least) => self.tick.scaled(least) - self.refund(),
            None => f64::INFINITY,
        };
    }

    /// What follows an arrival on a device after so many layers.
    fn arrive(&mut self, done: usize, device: usize) {
        let first = self.ng_sets.row(device, 0);
        for row in first..first + self.ng_sets.subsets(device) {
            let runs = &self.ticks[device * self.chain.layers + done];
            let least = least_sum(runs, &self.later(row)[done + 1..]);
            let at = self.at(done, row);
            self.arriving[at] = self.prices[device] + least.min(Ticks::UNREACHABLE);
        }
    }

    /// What follows when a device is left after so many layers.
    fn move_on(&mut self, done: usize, device: usize) {
        let mut least = vec![Ticks::UNREACHABLE; self.ng_sets.subsets(device)];
        for hop in self.hops(done, device) {
            let after = self.ng_sets.rows_after(device, hop.to);
            for (least, &row) in least.iter_mut().zip(after) {
                *least = (*least).min(self.arriving[self.at(done, row as usize)]);
            }
        }
        let (first, length) = (self.ng_sets.row(device, 0), self.chain.layers + 1);
        for (subset, least) in least.into_iter().enumerate() {
            self.onward[(first + subset) * length + done] = least;
        }
    }

    /// Where a run on a device may send its result after so many layers.
    pub(super) fn hops(&self, done: usize, device: usize) -> impl Iterator<Item = &'a Hop> {
        let time = self.time;
        let hops = &self.chain.hops[self.chain.at(done - 1, device)];
        hops.iter().filter(move |hop| hop.time <= time)
    }

    /// Ticks of the best path that starts on a device.
    fn starting(&self, device: usize) -> Ticks {
        match self.chain.ingress[device].is_some_and(|hop| self.is_short(&hop)) {
            true => self.arriving[self.ng_sets.row(device, 0)],
            false => Ticks::UNREACHABLE,
        }
    }

    /// The path that attains the bound.
    fn path(&self) -> Option<Vec<Visit>> {
        let mut device = (0..self.chain.devices).min_by_key(|&device| self.starting(device))?;
        self.bound.is_finite().then_some(())?;
        let (mut row, mut path) = (self.ng_sets.row(device, 0), Vec::new());
        let mut first = 0;
        loop {
            let runs = &self.ticks[device * self.chain.layers + first];
            let runs = runs.iter().zip(&self.later(row)[first + 1..]).zip(first + 1..);
            let end = runs.min_by_key(|((run, later), _)| **run + **later)?.1;
            path.push(Visit { device, first, end });
            if end == self.chain.layers {
                return Some(path);
            }
            let subset = row - self.ng_sets.row(device, 0);
            let next = |hop: &Hop| {
                let row = self.ng_sets.rows_after(device, hop.to)[subset] as usize;
                (self.arriving[self.at(end, row)], hop.to, row)
            };
            let best = self.hops(end, device).map(next).min_by_key(|next| next.0)?;
            (device, row, first) = (best.1, best.2, end);
        }
    }

    /// Visits of each device beyond the one that is allowed: the slope of the bound.
    fn slope(&self, path: &[Visit]) -> Vec<f64> {
        let mut slope = vec![-1.0; self.chain.devices];
        path.iter().for_each(|visit| slope[visit.device] += 1.0);
        slope
    }
}

/// Losses as whole ticks.
fn in_ticks(losses: &[Vec<u64>], tick: TickSize) -> Vec<Vec<Ticks>> {
    let runs = |runs: &Vec<u64>| runs.iter().map(|&loss| tick.floor(loss as f64)).collect();
    losses.iter().map(runs).collect()
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Loss;

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;

    #[test]
    fn a_path_is_a_path_at_any_prices() {
        // Three layers of the same loss each, one on each device: three of four are lost at least.
        const LOSS: u64 = 1_000_000_000;
        let mut question = question(&[1, 1, 1], &[(1, 1); 3]);
        question.models[0].loss_max = Some(Loss(4 * LOSS));
        question.models[0].layers.iter_mut().for_each(|layer| layer.options[0].loss = Loss(LOSS));
        let chain = Chain::new(&question, Measure::Loss, Some(1));
        let runs = Runs::new(&chain, &mut || Ok(())).expect("nothing stops it");
        let mut relaxed = RunRelaxation::new(&chain, &runs, 1);
        let (least, budget) = ((3 * LOSS) as f64, (4 * LOSS) as f64);
        for price in [0.0, 1.0, 4.0, 11.0, 50.0, 300.0, 5e4, 1e9] {
            relaxed.fill(&[price * budget; 3]);
            assert!(relaxed.bound <= least && !relaxed.is_beyond(), "{price}: {}", relaxed.bound);
            assert!(relaxed.path().is_some(), "{price}");
        }
        // And back: what is learnt at lower prices is as fine as ever.
        relaxed.fill(&[0.0; 3]);
        assert!(relaxed.bound > 0.999 * least, "{}", relaxed.bound);
    }
}

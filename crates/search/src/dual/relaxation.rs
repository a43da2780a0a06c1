//! The Lagrangian relaxation: quality, limited time and "each device at most once" are priced; what
//! is left is a shortest path over (layer, device, devices remembered, memory left to the run).
//!
//! A relaxation borrows its chain: grids and tables number the chain's choices, so that no choice
//! may leave while they are in use.

use super::grid::Grid;
use super::ng_sets::NgSets;
use super::prices::Prices;
use super::ticks::{TableRow, TickSize, Ticks, relax_backward};
use crate::chain::{Chain, Choice, Hop};

/// An option of a layer that may follow one on the same device and that no other one beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stay {
    /// Steps on the grid.
    shift: i64,
    /// Its priced cost.
    cost: Ticks,
}

/// The value tables of one set of prices.
#[derive(Debug, Clone)]
pub(crate) struct Relaxation<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) prices: Prices,
    pub(crate) grids: Vec<Grid>,
    pub(crate) ng_sets: NgSets,
    /// Prices of all that is allowed, to be subtracted.
    pub(crate) budget: f64,
    /// Paths that cost more than this, scaled, need not be told apart from none.
    pub(crate) ceiling: f64,
    width: usize,
    pub(crate) tick: TickSize,
    /// `[layer][row][step]`: least priced cost of all later layers and the way out.
    rest: Vec<Ticks>,
    /// `[layer][row]`: least priced cost from this layer on, arriving here with the device's whole
    /// memory; without the arrival itself. One more row of each layer, the sink of forbidden moves,
    /// cannot be reached.
    arriving: Vec<Ticks>,
    /// `[layer * devices + device][choice]`: cost with priced resources, scaled.
    priced: Vec<Vec<f64>>,
    /// `[layer * devices + device]`.
    stays: Vec<Vec<Stay>>,
    /// `[layer * devices + device][hop]`: cost of a message and of the visit that follows.
    pub(super) moves: Vec<Vec<Ticks>>,
    /// Values that the last pass computed.
    pub(crate) work: u64,
    /// `[layer][row]`: whether a path can be there.
    reached: Vec<bool>,
    /// No plan costs less, in scaled units.
    pub(crate) bound: f64,
}

/// A place of a path: layer, device, remembered subset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) layer: usize,
    pub(crate) device: usize,
    pub(crate) subset: usize,
}

impl<'a> Relaxation<'a> {
    /// Tables at no prices, not yet filled.
    pub(crate) fn new(chain: &'a Chain, grids: Vec<Grid>, ng_sets: NgSets) -> Self {
        Self::in_place_of(Vec::new(), chain, grids, ng_sets)
    }

    /// The same prices and grids with other ng-sets, in the same memory.
    pub(crate) fn with_ng_sets(self, ng_sets: NgSets) -> Self {
        let (prices, ceiling) = (self.prices, self.ceiling);
        Self { prices, ceiling, ..Self::in_place_of(self.rest, self.chain, self.grids, ng_sets) }
    }

    fn in_place_of(
        mut rest: Vec<Ticks>,
        chain: &'a Chain,
        grids: Vec<Grid>,
        ng_sets: NgSets,
    ) -> Self {
        let width = grids.iter().map(|grid| grid.width).max().unwrap_or(0);
        let rows = chain.layers * ng_sets.rows();
        rest.clear();
        rest.resize(rows * width, Ticks::UNREACHABLE);
        Self {
            chain,
            prices: Prices::zero(chain.devices),
            grids,
            budget: 0.0,
            ceiling: chain.cost_max,
            width,
            tick: TickSize::for_costs_up_to(0.0),
            rest,
            arriving: vec![Ticks::UNREACHABLE; rows + chain.layers],
            priced: vec![Vec::new(); chain.choices.len()],
            stays: vec![Vec::new(); chain.choices.len()],
            moves: vec![Vec::new(); chain.choices.len()],
            work: 0,
            reached: reached(chain, &ng_sets),
            bound: 0.0,
            ng_sets,
        }
    }

    /// Steps of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Values that the tables hold.
    pub(crate) fn values(&self) -> usize {
        self.rest.len()
    }

    fn index(&self, place: Place) -> usize {
        place.layer * self.ng_sets.rows() + self.ng_sets.row(place.device, place.subset)
    }

    /// Least priced cost of what follows a place, by step.
    pub(crate) fn row(&self, place: Place) -> TableRow<'_> {
        TableRow { tick: self.tick, ticks: self.ticks(place) }
    }

    /// The same in ticks.
    pub(crate) fn ticks(&self, place: Place) -> &[Ticks] {
        let index = self.index(place);
        &self.rest[index * self.width..(index + 1) * self.width]
    }

    /// By row: cost of a layer and all later ones, arriving there.
    pub(crate) fn arriving(&self, layer: usize) -> &[Ticks] {
        let rows = self.ng_sets.rows() + 1;
        &self.arriving[layer * rows..(layer + 1) * rows]
    }

    /// Least priced cost of a layer and all later ones, arriving on a device.
    pub(crate) fn onward(&self, place: Place) -> f64 {
        let row = self.ng_sets.row(place.device, place.subset);
        self.tick.scaled(self.arriving(place.layer)[row])
    }

    /// Cost of a choice with priced resources, scaled.
    pub(crate) fn priced(&self, place: usize, choice: usize) -> f64 {
        self.priced[place][choice]
    }

    /// Fills the tables for new prices, last layer first.
    ///
    /// # Complexity
    /// O(layers * rows * (options * steps + devices)), rows being devices times remembered subsets.
    pub(crate) fn reprice(&mut self, prices: &Prices) {
        let chain = self.chain;
        self.prices = prices.exact(chain);
        self.budget = self.prices.budget(chain);
        self.tick = TickSize::for_costs_up_to(self.prices.dearest(chain, self.ceiling));
        self.price();
        self.work = 0;
        // A row holds the cost of what follows: it needs the rows of the next layer only.
        for layer in (0..chain.layers).rev() {
            for device in 0..chain.devices {
                let away = self.away(layer, device);
                for (subset, away) in away.into_iter().enumerate() {
                    self.fill(Place { layer, device, subset }, away);
                }
            }
        }
        let first = (0..chain.devices).map(|device| self.starting(device)).min();
        self.bound = match first.filter(|first| first.is_path()) {
            Some(first) => self.tick.scaled(first) - self.budget,
            None => f64::INFINITY,
        };
    }

    /// Prices of all choices and hops.
    fn price(&mut self) {
        let chain = self.chain;
        for (place, choices) in chain.choices.iter().enumerate() {
            let (layer, device) = (place / chain.devices, place % chain.devices);
            let priced = |choice: &Choice| choice.cost + self.prices.choice(device, choice);
            self.priced[place] = choices.iter().map(priced).collect();
            let ticks = self.priced[place].iter().map(|&priced| self.tick.floor(priced));
            let shifts = self.grids[device].shift[layer].iter().copied();
            let stays = shifts.zip(ticks).map(|(shift, cost)| Stay { shift, cost });
            self.stays[place] = unbeaten(stays.collect());
            let arrive = |hop: &Hop| self.tick.floor(self.arrive(hop.cost, hop.time, hop.to));
            self.moves[place] = chain.hops[place].iter().map(arrive).collect();
        }
    }

    /// Ticks of the best path that starts on a device.
    pub(super) fn starting(&self, device: usize) -> Ticks {
        if self.chain.ingress[device].is_none() {
            return Ticks::UNREACHABLE;
        }
        let arriving = self.arriving(0)[self.ng_sets.row(device, 0)];
        self.tick.floor(self.entering(device)) + arriving
    }

    /// Priced cost of the way in.
    pub(crate) fn entering(&self, device: usize) -> f64 {
        let ingress = self.chain.ingress[device];
        ingress.map_or(f64::INFINITY, |hop| self.arrive(hop.cost, hop.time, device))
    }

    /// Priced cost of a message to a device and of the visit.
    pub(crate) fn arrive(&self, cost: f64, time: u64, device: usize) -> f64 {
        cost + self.prices.resources(0, time) + self.prices.visit[device]
    }

    /// By remembered subset: ticks of what follows when a device is left after a layer.
    fn away(&self, layer: usize, device: usize) -> Vec<Ticks> {
        let (chain, subsets) = (self.chain, self.ng_sets.subsets(device));
        if layer + 1 == chain.layers {
            let leaves = chain.egress[device].is_some();
            let leaving = leaves.then(|| self.tick.floor(self.leaving(device)));
            return vec![leaving.unwrap_or(Ticks::UNREACHABLE); subsets];
        }
        let (at, arriving) = (chain.at(layer, device), self.arriving(layer + 1));
        let mut away = vec![Ticks::UNREACHABLE; subsets];
        for (hop, &cost) in chain.hops[at].iter().zip(&self.moves[at]) {
            for (away, &row) in away.iter_mut().zip(self.ng_sets.rows_after(device, hop.to)) {
                *away = (*away).min(cost + arriving[row as usize]);
            }
        }
        away
    }

    /// Priced cost of the way out.
    pub(super) fn leaving(&self, device: usize) -> f64 {
        let egress = self.chain.egress[device];
        egress.map_or(f64::INFINITY, |hop| hop.cost + self.prices.resources(0, hop.time))
    }

    /// One row of the tables; `away` is the cost of leaving the device after the layer.
    fn fill(&mut self, place: Place, away: Ticks) {
        let (chain, Place { layer, device, .. }) = (self.chain, place);
        let (index, at) = (self.index(place), chain.at(layer, device));
        // Rows that no plan can be in stay unreachable, as they were made.
        if !self.reached[index] {
            return;
        }
        let grid = &self.grids[device];
        let (width, first) = (grid.width, grid.first(layer));
        let (here, later) = self.rest[index * self.width..].split_at_mut(self.width);
        let here = &mut here[..width];
        here[..first].fill(Ticks::UNREACHABLE);
        here[first..].fill(away);
        if layer + 1 < chain.layers {
            let start = (self.ng_sets.rows() - 1) * self.width;
            let next_row = &later[start..start + width];
            // The same device and the same memory of devices, one layer on.
            let stays = &self.stays[at + chain.devices];
            self.work += (stays.len() * width) as u64;
            for stay in stays {
                relax_backward(&mut here[first..], first, next_row, stay.shift, stay.cost);
            }
        }
        let arriving = self.arrival(place).map_or(Ticks::UNREACHABLE, |best| best.cost);
        // Each layer before has one row more.
        self.arriving[index + layer] = arriving.min(Ticks::UNREACHABLE);
    }
}

/// The choices that are best at some step: none that takes as much costs less. Of 30 recipes only a
/// handful is, at any prices.
fn unbeaten(mut stays: Vec<Stay>) -> Vec<Stay> {
    stays.sort_unstable();
    let mut least = Ticks::INFINITY;
    stays.retain(|stay| {
        let better = stay.cost < least;
        least = least.min(stay.cost);
        better
    });
    stays
}

/// `[layer][row]`: whether a plan can be there: all that is remembered could be visited before.
fn reached(chain: &Chain, ng_sets: &NgSets) -> Vec<bool> {
    let mut reached = Vec::with_capacity(chain.layers * ng_sets.rows());
    let mut visited = vec![false; chain.devices];
    for layer in 0..chain.layers {
        let able = |device: usize| !chain.choices[chain.at(layer, device)].is_empty();
        for (device, set) in ng_sets.sets().iter().enumerate() {
            reached.extend((0..ng_sets.subsets(device)).map(|subset| {
                let mut members = set.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
                able(device) && members.all(|(_, &member)| visited[member])
            }));
        }
        (0..chain.devices).for_each(|device| visited[device] |= able(device));
    }
    reached
}

#[cfg(test)]
pub(crate) mod tests {
    use edgeplan_problem::deployment::Deployment;
    use edgeplan_problem::{Loss, Nanos};

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use crate::dual::grid::References;

    pub(crate) fn chain(question: &Deployment) -> Chain {
        Chain::new(question, Measure::Latency, None)
    }

    /// The relaxation of a chain at some prices, on grids of 64 steps.
    pub(crate) fn relaxation<'a>(chain: &'a Chain, prices: &Prices) -> Relaxation<'a> {
        let references = References::unknown(chain);
        let grids = (0..chain.devices).map(|device| Grid::new(chain, device, 64, &references));
        let none = NgSets::empty(chain.devices);
        let mut relaxation = Relaxation::new(chain, grids.collect(), none);
        relaxation.reprice(prices);
        relaxation
    }

    /// The least priced cost of any path, plans or not, by looking at all of them: what the tables
    /// are to find, but for rounding to ticks. Memory is kept to exactly, run by run.
    fn least_priced(chain: &Chain, prices: &Prices) -> f64 {
        struct Partial {
            device: usize,
            left: u64,
            cost: f64,
        }
        let mut least = f64::INFINITY;
        let mut open: Vec<(usize, Partial)> = (0..chain.devices)
            .filter_map(|device| {
                let hop = chain.ingress[device]?;
                let cost = hop.cost + prices.visit[device];
                Some((0, Partial { device, left: chain.room[device].bytes, cost }))
            })
            .collect();
        while let Some((layer, partial)) = open.pop() {
            let at = chain.at(layer, partial.device);
            for choice in &chain.choices[at] {
                let Some(left) = partial.left.checked_sub(choice.bytes) else { continue };
                let priced = prices.choice(partial.device, choice);
                let cost = partial.cost + choice.cost + priced;
                if layer + 1 == chain.layers {
                    let egress = chain.egress[partial.device].map(|hop| cost + hop.cost);
                    least = least.min(egress.unwrap_or(f64::INFINITY));
                    continue;
                }
                open.push((layer + 1, Partial { left, cost, ..partial }));
                open.extend(chain.hops[at].iter().map(|hop| {
                    let cost = cost + hop.cost + prices.visit[hop.to];
                    let left = chain.room[hop.to].bytes;
                    (layer + 1, Partial { device: hop.to, left, cost })
                }));
            }
        }
        least - prices.budget(chain)
    }

    #[test]
    fn the_tables_find_the_least_priced_path_of_all() {
        let mut question = question(&[3, 2, 4], &[(1, 5), (2, 7), (1, 3), (1, 4)]);
        for (pair, time) in question.models[0].messages[0].time.iter_mut().enumerate() {
            *time = Some(Nanos(if pair % 4 == 0 { 0 } else { pair as u64 % 3 + 1 }));
        }
        question.models[0].loss_max = Some(Loss(6));
        for (layer, loss) in [2, 1, 3, 2].into_iter().enumerate() {
            question.models[0].layers[layer].options[0].loss = Loss(loss);
        }
        let chain = chain(&question.checked().expect("the question makes sense"));
        let unit = chain.scale;
        for visit in [[0.0; 3], [unit, 0.0, 2.0 * unit], [3.0 * unit, 2.0 * unit, -unit]] {
            for loss in [0.0, 0.5 * unit, 4.0 * unit] {
                let prices = Prices { loss, visit: visit.to_vec(), ..Prices::zero(3) };
                let tables = relaxation(&chain, &prices);
                let least = least_priced(&chain, &prices);
                // Rounding to ticks goes down.
                let (found, rounding) = (tables.bound, 1e-5 * chain.cost_max);
                assert!(found <= least && found > least - rounding, "{found} instead of {least}");
            }
        }
    }

    #[test]
    fn a_bound_holds_at_any_prices() {
        // Two layers that fit one device each: every plan costs 5 + 7.
        let mut question = question(&[1, 1], &[(1, 5), (1, 7)]);
        question.models[0].loss_max = Some(Loss(3));
        let chain = chain(&question);
        let visits = [0.0, 1.0, 1e9, 1e15, 1e18, 1e30, f64::MAX, f64::INFINITY, f64::NAN, -1e18];
        for visit in visits {
            for loss in [0.0, 1e15, 1e40, f64::MAX] {
                let prices = Prices { loss, visit: vec![visit; 2], ..Prices::zero(2) };
                let relaxation = relaxation(&chain, &prices);
                let bound = relaxation.bound / chain.scale;
                assert!(bound <= 12.0, "visits at {visit}, loss at {loss}: {bound}");
                assert!(bound.is_finite() && relaxation.path().is_some(), "{visit}, {loss}");
            }
        }
    }

    #[test]
    fn rewards_of_many_visits_stay_countable() {
        let chain = chain(&question(&[9, 9], &[(0, 1); 120]));
        for reward in [1e3, 1e12, 1e15, 1e18] {
            let prices = Prices { visit: vec![-reward, 0.0], ..Prices::zero(2) };
            let relaxation = relaxation(&chain, &prices);
            assert!(relaxation.bound / chain.scale <= 120.0, "{reward}: {}", relaxation.bound);
            let mut values = relaxation.rest.iter().chain(&relaxation.arriving);
            assert!(values.all(|value| value.is_countable()), "{reward}");
        }
    }

    #[test]
    fn without_a_way_in_or_out_there_is_no_path_whatever_a_visit_earns() {
        let times = [Some(Nanos::ZERO), None];
        let mut question = question(&[0, 1], &[(1, 1)]);
        for (from, to) in [(0, 1), (1, 0)] {
            for (pair, time) in question.models[0].messages[0].time.iter_mut().enumerate() {
                *time = times[usize::from(pair == from * 2 + to)];
            }
            let chain = chain(&question);
            let prices = Prices { visit: vec![0.0, -1e12], ..Prices::zero(2) };
            let relaxation = relaxation(&chain, &prices);
            assert_eq!(relaxation.bound, f64::INFINITY);
            assert_eq!(relaxation.path(), None);
        }
    }

    #[test]
    fn prices_of_sums_that_are_exact_are_taken_as_they_are() {
        let chain = chain(&question(&[1, 1], &[(1, 5), (1, 7)]));
        let prices = Prices { visit: vec![3.0, -4.0], ..Prices::zero(2) };
        assert_eq!(relaxation(&chain, &prices).prices, prices);
    }
}

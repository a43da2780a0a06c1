//! The Lagrangian relaxation: quality, limited time and "each device at most once" are priced; what
//! is left is a shortest path over (layer, device, devices remembered, memory left to the run).

use crate::chain::{COST_MAX, Chain, Choice, Hop};
use crate::grid::Grid;
use crate::neighbours::Neighbours;
use crate::ticks::{MUCH, NONE, REWARDS, Row, Tick, lower};

/// Prices of what is relaxed, in scaled cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Prices {
    /// Per unit of loss.
    pub(crate) loss: f64,
    /// Per nanosecond of a request, where it is limited besides the objective.
    pub(crate) time: f64,
    /// Per arrival on a device, whole numbers; zero where placement is free.
    pub(crate) visit: Vec<f64>,
    /// Per byte on a device; zero where placement is contiguous.
    pub(crate) bytes: Vec<f64>,
}

/// The prices of all that is allowed stay below this: their sums with costs are exact.
const PRICED_MAX: f64 = 4.0 * COST_MAX;

impl Prices {
    pub(crate) fn zero(devices: usize) -> Self {
        Self { loss: 0.0, time: 0.0, visit: vec![0.0; devices], bytes: vec![0.0; devices] }
    }

    /// The priced cost of resources, rounded down.
    pub(crate) fn resources(&self, loss: u64, time: u64) -> f64 {
        down(self.loss * loss as f64) + down(self.time * time as f64)
    }

    /// The priced cost of a choice's resources on a device, rounded down.
    pub(crate) fn choice(&self, device: usize, choice: &Choice) -> f64 {
        let bytes = down(self.bytes[device] * choice.bytes as f64);
        self.resources(choice.loss, choice.time) + bytes
    }

    /// What the relaxation gives back: the prices of all that is allowed, rounded up.
    pub(crate) fn budget(&self, chain: &Chain) -> f64 {
        let priced =
            |price: f64, amount: f64| if price > 0.0 { (price * amount).ceil() } else { 0.0 };
        let time = priced(self.time, chain.time_max.map_or(0.0, |max| max as f64));
        let rooms = chain.room.iter().zip(&self.bytes);
        let bytes = rooms.map(|(room, &price)| priced(price, room.bytes as f64)).sum::<f64>();
        priced(self.loss, chain.loss_max as f64) + time + bytes + self.visit.iter().sum::<f64>()
    }

    /// The same prices, or lower ones in the same proportions where sums would not be exact: a
    /// bound holds for any prices.
    fn exact(&self, chain: &Chain) -> Self {
        // Where nothing is allowed, a price costs nothing however high it is.
        let mut prices = Self {
            loss: self.loss.min(PRICED_MAX),
            time: self.time.min(PRICED_MAX),
            visit: self.visit.clone(),
            bytes: self.bytes.iter().map(|price| price.min(PRICED_MAX)).collect(),
        };
        let rewards: f64 = self.visit.iter().filter(|&&price| price < 0.0).sum();
        let all = prices.budget(chain) - 2.0 * rewards;
        if !all.is_finite() {
            return Self::zero(chain.devices);
        }
        if all > PRICED_MAX {
            let part = PRICED_MAX / all / 2.0;
            prices.loss *= part;
            prices.time *= part;
            prices.visit.iter_mut().for_each(|price| *price = (*price * part).floor());
            prices.bytes.iter_mut().for_each(|price| *price *= part);
        }
        prices
    }

    /// The dearest that a path of interest may be, priced: beyond its cost at most `ceiling`, and
    /// dear enough for rewards of every layer's visit to stay countable.
    fn dearest(&self, chain: &Chain, ceiling: f64) -> f64 {
        let rewards = self.visit.iter().filter(|&&price| price < 0.0);
        let most = rewards.clone().fold(0.0, |most: f64, price| most.max(-price));
        let reach = self.budget(chain) - 2.0 * rewards.sum::<f64>();
        (ceiling + reach).max(most * chain.layers as f64 / REWARDS)
    }
}

/// An amount that is not negative, rounded down; quicker than `floor` of old instruction sets.
fn down(amount: f64) -> f64 {
    amount as i64 as f64
}

/// The value tables of one set of prices.
#[derive(Debug, Clone)]
pub(crate) struct Relaxation {
    pub(crate) prices: Prices,
    pub(crate) grids: Vec<Grid>,
    pub(crate) neighbours: Neighbours,
    /// Prices of all that is allowed, to be subtracted.
    pub(crate) budget: f64,
    /// Paths that cost more than this, scaled, need not be told apart from none.
    pub(crate) ceiling: f64,
    width: usize,
    pub(crate) tick: Tick,
    /// `[layer][row][step]`: least priced cost of all later layers and the way out.
    rest: Vec<i32>,
    /// `[layer][row]`: least priced cost from this layer on, arriving here with the device's whole
    /// memory; without the arrival itself. One more row of each layer cannot be reached.
    arriving: Vec<i32>,
    /// `[layer * devices + device][choice]`: cost with priced resources, scaled.
    priced: Vec<Vec<f64>>,
    /// `[layer * devices + device]`: the choices of a layer that may follow one on the same device
    /// and that no other one beats: shift on the grid, and ticks.
    stays: Vec<Vec<(i64, i32)>>,
    /// `[layer * devices + device][hop]`: ticks of a message and of the visit that follows.
    moves: Vec<Vec<i32>>,
    /// Values that the last pass computed.
    pub(crate) work: u64,
    /// `[layer][row]`: whether a path can be there.
    reached: Vec<bool>,
    /// No plan costs less, in scaled units.
    pub(crate) bound: f64,
}

/// A path of the relaxation: device and index of the choice, by layer.
pub(crate) type Path = Vec<(usize, usize)>;

/// The devices that a path visits, in order; a device again if it returns there.
pub(crate) fn visits(path: &Path) -> Vec<usize> {
    let mut devices: Vec<usize> = path.iter().map(|&(device, _)| device).collect();
    devices.dedup();
    devices
}

/// A place of a path: layer, device, remembered subset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) layer: usize,
    pub(crate) device: usize,
    pub(crate) subset: usize,
}

impl Relaxation {
    pub(crate) fn new(chain: &Chain, grids: Vec<Grid>, neighbours: Neighbours) -> Self {
        Self::in_place_of(Vec::new(), chain, grids, neighbours)
    }

    /// The same prices and grids with other neighbour sets, in the same memory.
    pub(crate) fn with_neighbours(self, chain: &Chain, neighbours: Neighbours) -> Self {
        let (prices, ceiling) = (self.prices, self.ceiling);
        Self { prices, ceiling, ..Self::in_place_of(self.rest, chain, self.grids, neighbours) }
    }

    fn in_place_of(
        mut rest: Vec<i32>,
        chain: &Chain,
        grids: Vec<Grid>,
        neighbours: Neighbours,
    ) -> Self {
        let width = grids.iter().map(|grid| grid.width).max().unwrap_or(0);
        let rows = chain.layers * neighbours.rows();
        rest.clear();
        rest.resize(rows * width, NONE);
        Self {
            prices: Prices::zero(chain.devices),
            grids,
            budget: 0.0,
            ceiling: chain.most,
            width,
            tick: Tick::for_costs_up_to(0.0),
            rest,
            arriving: vec![NONE; rows + chain.layers],
            priced: vec![Vec::new(); chain.choices.len()],
            stays: vec![Vec::new(); chain.choices.len()],
            moves: vec![Vec::new(); chain.choices.len()],
            work: 0,
            reached: reached(chain, &neighbours),
            bound: 0.0,
            neighbours,
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
        place.layer * self.neighbours.rows() + self.neighbours.row(place.device, place.subset)
    }

    /// Least priced cost of what follows a place, by step.
    pub(crate) fn row(&self, place: Place) -> Row<'_> {
        Row { tick: self.tick, ticks: self.ticks(place) }
    }

    pub(crate) fn ticks(&self, place: Place) -> &[i32] {
        let index = self.index(place);
        &self.rest[index * self.width..(index + 1) * self.width]
    }

    /// By row: ticks of a layer and all later ones, arriving there.
    pub(crate) fn arriving(&self, layer: usize) -> &[i32] {
        let rows = self.neighbours.rows() + 1;
        &self.arriving[layer * rows..(layer + 1) * rows]
    }

    /// Least priced cost of a layer and all later ones, arriving on a device.
    pub(crate) fn onward(&self, place: Place) -> f64 {
        self.tick
            .scaled(self.arriving(place.layer)[self.neighbours.row(place.device, place.subset)])
    }

    pub(crate) fn priced(&self, place: usize, choice: usize) -> f64 {
        self.priced[place][choice]
    }

    /// Fills the tables for new prices, last layer first.
    ///
    /// # Complexity
    /// O(layers * rows * (options * steps + devices)), rows being devices times remembered subsets.
    pub(crate) fn solve(&mut self, chain: &Chain, prices: &Prices) {
        self.prices = prices.exact(chain);
        self.budget = self.prices.budget(chain);
        self.tick = Tick::for_costs_up_to(self.prices.dearest(chain, self.ceiling));
        self.price(chain);
        self.work = 0;
        for layer in (0..chain.layers).rev() {
            for device in 0..chain.devices {
                let away = self.away(chain, layer, device);
                for (subset, away) in away.into_iter().enumerate() {
                    self.fill(chain, Place { layer, device, subset }, away);
                }
            }
        }
        let first = (0..chain.devices).map(|device| self.starting(chain, device)).min();
        self.bound = match first.filter(|&first| first < MUCH) {
            Some(first) => self.tick.scaled(first) - self.budget,
            None => f64::INFINITY,
        };
    }

    /// Prices of all choices and hops.
    fn price(&mut self, chain: &Chain) {
        for (place, choices) in chain.choices.iter().enumerate() {
            let (layer, device) = (place / chain.devices, place % chain.devices);
            let priced = |choice: &Choice| choice.cost + self.prices.choice(device, choice);
            self.priced[place] = choices.iter().map(priced).collect();
            let ticks = self.priced[place].iter().map(|&priced| self.tick.floor(priced));
            let shifts = self.grids[device].shift[layer].iter().copied();
            self.stays[place] = unbeaten(shifts.zip(ticks).collect());
            let arrive = |hop: &Hop| self.tick.floor(self.arrive(hop.cost, hop.time, hop.to));
            self.moves[place] = chain.hops[place].iter().map(arrive).collect();
        }
    }

    /// Ticks of the best path that starts on a device.
    fn starting(&self, chain: &Chain, device: usize) -> i32 {
        if chain.enter[device].is_none() {
            return NONE;
        }
        let arriving = self.arriving(0)[self.neighbours.row(device, 0)];
        self.tick.floor(self.entering(chain, device)) + arriving
    }

    /// Priced cost of the way in.
    pub(crate) fn entering(&self, chain: &Chain, device: usize) -> f64 {
        chain.enter[device].map_or(f64::INFINITY, |hop| self.arrive(hop.cost, hop.time, device))
    }

    /// Priced cost of a message to a device and of the visit.
    pub(crate) fn arrive(&self, cost: f64, time: u64, device: usize) -> f64 {
        cost + self.prices.resources(0, time) + self.prices.visit[device]
    }

    /// By remembered subset: ticks of what follows when a device is left after a layer.
    fn away(&self, chain: &Chain, layer: usize, device: usize) -> Vec<i32> {
        let subsets = self.neighbours.subsets(device);
        if layer + 1 == chain.layers {
            let leaves = chain.leave[device].is_some();
            let leaving = leaves.then(|| self.tick.floor(self.leaving(chain, device)));
            return vec![leaving.unwrap_or(NONE); subsets];
        }
        let (at, arriving) = (chain.at(layer, device), self.arriving(layer + 1));
        let mut away = vec![NONE; subsets];
        for (hop, ticks) in chain.hops[at].iter().zip(&self.moves[at]) {
            for (away, &row) in away.iter_mut().zip(self.neighbours.after(device, hop.to)) {
                *away = (*away).min(ticks + arriving[row as usize]);
            }
        }
        away
    }

    /// The cheapest move away after a place, and where to.
    fn moving(&self, chain: &Chain, place: Place) -> (i32, Place) {
        let mut best = (NONE, place);
        let at = chain.at(place.layer, place.device);
        for (hop, ticks) in chain.hops[at].iter().zip(&self.moves[at]) {
            let Some(subset) = self.neighbours.next(place.device, hop.to, place.subset) else {
                continue;
            };
            let next = Place { layer: place.layer + 1, device: hop.to, subset };
            let row = self.neighbours.row(hop.to, subset);
            let cost = ticks + self.arriving(next.layer)[row];
            if cost < best.0 {
                best = (cost, next);
            }
        }
        best
    }

    fn leaving(&self, chain: &Chain, device: usize) -> f64 {
        chain.leave[device]
            .map_or(f64::INFINITY, |hop| hop.cost + self.prices.resources(0, hop.time))
    }

    /// One row of the tables; `away` is the cost of leaving the device after the layer.
    fn fill(&mut self, chain: &Chain, place: Place, away: i32) {
        let Place { layer, device, .. } = place;
        let (index, at) = (self.index(place), chain.at(layer, device));
        if !self.reached[index] {
            return;
        }
        let grid = &self.grids[device];
        let (width, first) = (grid.width, grid.first(layer));
        let (here, later) = self.rest[index * self.width..].split_at_mut(self.width);
        let here = &mut here[..width];
        here[..first].fill(NONE);
        here[first..].fill(away);
        if layer + 1 < chain.layers {
            let start = (self.neighbours.rows() - 1) * self.width;
            let next_row = &later[start..start + width];
            let stays = &self.stays[at + chain.devices];
            self.work += (stays.len() * width) as u64;
            for &(shift, ticks) in stays {
                lower(&mut here[first..], first, next_row, shift, ticks);
            }
        }
        let arriving = self.arrival(chain, place).map_or(NONE, |(ticks, ..)| ticks);
        // Each layer before has one row more.
        self.arriving[index + layer] = arriving.min(NONE);
    }

    /// What the prices make of a path that returns nowhere: no less than the bound. Nothing if it
    /// is no longer in the chain, or does not fit the grids.
    pub(crate) fn value(&self, chain: &Chain, path: &Path) -> Option<f64> {
        let mut value = self.entering(chain, path[0].0) - self.budget;
        let mut step = None;
        for (layer, &(device, index)) in path.iter().enumerate() {
            let (at, grid, room) =
                (chain.at(layer, device), &self.grids[device], &chain.room[device]);
            let choice = chain.choices[at].get(index)?;
            let now = match step {
                None => grid.step(layer, room.whole() - room.taken(choice)),
                Some(step) => usize::try_from(step as i64 - grid.shift[layer][index]).ok()?,
            };
            let now = now.min(grid.width - 1);
            if now < grid.first(layer) {
                return None;
            }
            value += self.priced(at, index);
            let next = path.get(layer + 1).map_or(device, |next| next.0);
            step = (next == device).then_some(now);
            if next != device {
                let hop = chain.hops[at].iter().find(|hop| hop.to == next)?;
                value += self.arrive(hop.cost, hop.time, next);
            }
        }
        Some(value + self.leaving(chain, path[path.len() - 1].0))
    }

    /// The path that attains the bound.
    pub(crate) fn path(&self, chain: &Chain) -> Option<Path> {
        let first = (0..chain.devices).min_by_key(|&device| self.starting(chain, device))?;
        if self.bound == f64::INFINITY {
            return None;
        }
        let mut path = Path::with_capacity(chain.layers);
        let mut place = Place { layer: 0, device: first, subset: 0 };
        let (_, choice, mut step) = self.arrival(chain, place)?;
        path.push((first, choice));
        while place.layer + 1 < chain.layers {
            let (moving, to) = self.moving(chain, place);
            let (choice, next) = match self.staying(chain, place, step) {
                Some((ticks, choice, next)) if ticks <= moving => {
                    place.layer += 1;
                    (choice, next)
                }
                _ => {
                    place = to;
                    let (_, choice, next) = self.arrival(chain, to)?;
                    (choice, next)
                }
            };
            step = next;
            path.push((place.device, choice));
        }
        Some(path)
    }

    /// The best choice on arriving: ticks from there on, choice, and the step after it.
    fn arrival(&self, chain: &Chain, place: Place) -> Option<(i32, usize, usize)> {
        let (at, grid) = (chain.at(place.layer, place.device), &self.grids[place.device]);
        let room = &chain.room[place.device];
        let after = |choice: &Choice| grid.step(place.layer, room.whole() - room.taken(choice));
        let row = self.ticks(place);
        let choices = chain.choices[at].iter().zip(&self.priced[at]).enumerate();
        let best = choices.map(|(index, (choice, &priced))| {
            let step = after(choice);
            (self.tick.floor(priced) + row[step], index, step)
        });
        best.min_by_key(|&(ticks, ..)| ticks)
    }

    /// The best way to stay after a place: ticks, choice, and the step after it.
    fn staying(&self, chain: &Chain, place: Place, step: usize) -> Option<(i32, usize, usize)> {
        let next = Place { layer: place.layer + 1, ..place };
        let (grid, row) = (&self.grids[place.device], self.ticks(next));
        let priced = &self.priced[chain.at(next.layer, next.device)];
        let shifts = grid.shift[next.layer].iter().zip(priced).enumerate();
        let options = shifts.filter_map(|(index, (&shift, &priced))| {
            let to = usize::try_from(step as i64 - shift).ok()?.min(grid.width - 1);
            Some((self.tick.floor(priced) + row[to], index, to))
        });
        options.min_by_key(|&(ticks, ..)| ticks)
    }
}

/// The choices that are best at some step: none that takes as much costs less.
fn unbeaten(mut choices: Vec<(i64, i32)>) -> Vec<(i64, i32)> {
    choices.sort_unstable();
    let mut least = i32::MAX;
    choices.retain(|&(_, ticks)| {
        let better = ticks < least;
        least = least.min(ticks);
        better
    });
    choices
}

/// `[layer][row]`: whether a plan can be there: all that is remembered could be visited before.
fn reached(chain: &Chain, neighbours: &Neighbours) -> Vec<bool> {
    let mut reached = Vec::with_capacity(chain.layers * neighbours.rows());
    let mut visited = vec![false; chain.devices];
    for layer in 0..chain.layers {
        let able = |device: usize| !chain.choices[chain.at(layer, device)].is_empty();
        for (device, set) in neighbours.sets().iter().enumerate() {
            reached.extend((0..neighbours.subsets(device)).map(|subset| {
                let mut members = set.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
                able(device) && members.all(|(_, &member)| visited[member])
            }));
        }
        (0..chain.devices).for_each(|device| visited[device] |= able(device));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use edgeplan_problem::Loss;
    use edgeplan_problem::deployment::Deployment;

    fn relaxation(question: &Deployment, prices: &Prices) -> (Chain, Relaxation) {
        let chain = Chain::new(question, Measure::Latency, None);
        let reference = vec![0; chain.layers];
        let grids = (0..chain.devices).map(|device| Grid::new(&chain, device, 64, &reference));
        let none = Neighbours::none(chain.devices);
        let mut relaxation = Relaxation::new(&chain, grids.collect(), none);
        relaxation.solve(&chain, prices);
        (chain, relaxation)
    }

    #[test]
    fn a_bound_holds_at_any_prices() {
        // Two layers that fit one device each: every plan costs 5 + 7.
        let mut question = question(&[1, 1], &[(1, 5), (1, 7)]);
        question.models[0].loss_max = Some(Loss(3));
        let visits = [0.0, 1.0, 1e9, 1e15, 1e18, 1e30, f64::MAX, f64::INFINITY, f64::NAN, -1e18];
        for visit in visits {
            for loss in [0.0, 1e15, 1e40, f64::MAX] {
                let prices = Prices { loss, visit: vec![visit; 2], ..Prices::zero(2) };
                let (chain, relaxation) = relaxation(&question, &prices);
                let bound = relaxation.bound / chain.scale;
                assert!(bound <= 12.0, "visits at {visit}, loss at {loss}: {bound}");
                assert!(bound.is_finite() && relaxation.path(&chain).is_some(), "{visit}, {loss}");
            }
        }
    }

    #[test]
    fn rewards_of_many_visits_stay_countable() {
        let layers = vec![(0, 1); 120];
        for reward in [1e3, 1e12, 1e15, 1e18] {
            let prices = Prices { visit: vec![-reward, 0.0], ..Prices::zero(2) };
            let (chain, relaxation) = relaxation(&question(&[9, 9], &layers), &prices);
            assert!(relaxation.bound / chain.scale <= 120.0, "{reward}: {}", relaxation.bound);
            let least = relaxation.rest.iter().chain(&relaxation.arriving).min();
            assert!(least.is_some_and(|&least| (-NONE..=NONE).contains(&least)), "{least:?}");
        }
    }

    #[test]
    fn without_a_way_in_or_out_there_is_no_path_whatever_a_visit_earns() {
        let times = [Some(edgeplan_problem::Nanos::ZERO), None];
        let mut question = question(&[0, 1], &[(1, 1)]);
        for (from, to) in [(0, 1), (1, 0)] {
            for (pair, time) in question.models[0].messages[0].time.iter_mut().enumerate() {
                *time = times[usize::from(pair == from * 2 + to)];
            }
            let prices = Prices { visit: vec![0.0, -1e12], ..Prices::zero(2) };
            let (chain, relaxation) = relaxation(&question, &prices);
            assert_eq!(relaxation.bound, f64::INFINITY);
            assert_eq!(relaxation.path(&chain), None);
        }
    }

    #[test]
    fn prices_of_sums_that_are_exact_are_taken_as_they_are() {
        let question = question(&[1, 1], &[(1, 5), (1, 7)]);
        let prices = Prices { visit: vec![3.0, -4.0], ..Prices::zero(2) };
        assert_eq!(relaxation(&question, &prices).1.prices, prices);
    }
}

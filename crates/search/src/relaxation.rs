//! The Lagrangian relaxation: quality, limited time and "each device at most once" are priced; what
//! is left is a shortest path over (layer, device, devices remembered, memory left to the run).

use multiversion::multiversion;

use crate::chain::{Chain, Choice};
use crate::grid::Grid;
use crate::neighbours::Neighbours;

/// Prices of what is relaxed, in scaled cost.
#[derive(Debug, Clone, Default)]
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

impl Prices {
    pub(crate) fn zero(devices: usize) -> Self {
        Self { loss: 0.0, time: 0.0, visit: vec![0.0; devices], bytes: vec![0.0; devices] }
    }

    /// The priced cost of resources, rounded down.
    pub(crate) fn resources(&self, loss: u64, time: u64) -> f64 {
        (self.loss * loss as f64).floor() + (self.time * time as f64).floor()
    }

    /// The priced cost of a choice's resources on a device, rounded down.
    pub(crate) fn choice(&self, device: usize, choice: &Choice) -> f64 {
        let bytes = (self.bytes[device] * choice.bytes as f64).floor();
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
}

/// The value tables of one set of prices.
#[derive(Debug, Clone)]
pub(crate) struct Relaxation {
    pub(crate) prices: Prices,
    pub(crate) grids: Vec<Grid>,
    pub(crate) neighbours: Neighbours,
    /// Prices of all that is allowed, to be subtracted.
    pub(crate) budget: f64,
    width: usize,
    /// `[layer][row][step]`: least priced cost of all later layers and the way out.
    rest: Vec<f64>,
    /// `[layer][row]`: least priced cost from this layer on, arriving here with the device's whole
    /// memory; without the arrival itself.
    arriving: Vec<f64>,
    /// `[layer * devices + device][choice]`: cost with priced resources.
    priced: Vec<Vec<f64>>,
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
        let width = grids.iter().map(|grid| grid.width).max().unwrap_or(0);
        let rows = chain.layers * neighbours.rows();
        Self {
            prices: Prices::zero(chain.devices),
            grids,
            budget: 0.0,
            width,
            rest: vec![f64::INFINITY; rows * width],
            arriving: vec![f64::INFINITY; rows],
            priced: chain.choices.iter().map(|choices| vec![0.0; choices.len()]).collect(),
            reached: reached(chain, &neighbours),
            bound: 0.0,
            neighbours,
        }
    }

    /// Steps of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Values that filling the tables computes.
    pub(crate) fn work(&self, chain: &Chain) -> u64 {
        let place = |(place, choices): (usize, &Vec<Choice>)| {
            choices.len() * self.neighbours.subsets(place % chain.devices)
        };
        let rows: usize = chain.choices.iter().enumerate().map(place).sum();
        (rows * self.width) as u64
    }

    /// Values that the tables hold.
    pub(crate) fn values(&self) -> usize {
        self.rest.len()
    }

    fn index(&self, place: Place) -> usize {
        place.layer * self.neighbours.rows() + self.neighbours.row(place.device, place.subset)
    }

    /// Least priced cost of what follows a place, by step.
    pub(crate) fn row(&self, place: Place) -> &[f64] {
        let index = self.index(place);
        &self.rest[index * self.width..(index + 1) * self.width]
    }

    /// Least priced cost of a layer and all later ones, arriving on a device.
    pub(crate) fn arriving(&self, place: Place) -> f64 {
        self.arriving[self.index(place)]
    }

    pub(crate) fn priced(&self, place: usize, choice: usize) -> f64 {
        self.priced[place][choice]
    }

    /// Fills the tables for new prices, last layer first.
    ///
    /// # Complexity
    /// O(layers * rows * (options * steps + devices)), rows being devices times remembered subsets.
    pub(crate) fn solve(&mut self, chain: &Chain, prices: &Prices) {
        self.prices.clone_from(prices);
        self.budget = prices.budget(chain);
        for (place, choices) in chain.choices.iter().enumerate() {
            for (choice, priced) in choices.iter().zip(&mut self.priced[place]) {
                *priced = choice.cost + prices.choice(place % chain.devices, choice);
            }
        }
        for layer in (0..chain.layers).rev() {
            for device in 0..chain.devices {
                for subset in 0..self.neighbours.subsets(device) {
                    self.fill(chain, Place { layer, device, subset });
                }
            }
        }
        let first = (0..chain.devices).map(|device| self.starting(chain, device));
        self.bound = first.fold(f64::INFINITY, f64::min) - self.budget;
    }

    /// Priced cost of the best path that starts on a device.
    fn starting(&self, chain: &Chain, device: usize) -> f64 {
        self.entering(chain, device) + self.arriving(Place { layer: 0, device, subset: 0 })
    }

    /// Priced cost of the way in.
    pub(crate) fn entering(&self, chain: &Chain, device: usize) -> f64 {
        chain.enter[device].map_or(f64::INFINITY, |hop| self.arrive(hop.cost, hop.time, device))
    }

    /// Priced cost of a message to a device and of the visit.
    pub(crate) fn arrive(&self, cost: f64, time: u64, device: usize) -> f64 {
        cost + self.prices.resources(0, time) + self.prices.visit[device]
    }

    /// Priced cost of what follows a move away after a place, and where to.
    fn moving(&self, chain: &Chain, place: Place) -> (f64, Place) {
        let mut best = (f64::INFINITY, place);
        for hop in &chain.hops[chain.at(place.layer, place.device)] {
            let Some(subset) = self.neighbours.next(place.device, hop.to, place.subset) else {
                continue;
            };
            let next = Place { layer: place.layer + 1, device: hop.to, subset };
            let cost = self.arrive(hop.cost, hop.time, hop.to) + self.arriving(next);
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

    fn fill(&mut self, chain: &Chain, place: Place) {
        let Place { layer, device, .. } = place;
        let (index, at) = (self.index(place), chain.at(layer, device));
        self.arriving[index] = f64::INFINITY;
        if !self.reached[index] {
            return;
        }
        let last = layer + 1 == chain.layers;
        let otherwise = match last {
            true => self.leaving(chain, device),
            false => self.moving(chain, place).0,
        };
        let grid = &self.grids[device];
        let (width, first) = (grid.width, grid.first(layer));
        let (here, later) = self.rest[index * self.width..].split_at_mut(self.width);
        let here = &mut here[..width];
        here[..first].fill(f64::INFINITY);
        here[first..].fill(otherwise);
        if !last {
            let start = (self.neighbours.rows() - 1) * self.width;
            let next_row = &later[start..start + width];
            let shifts = grid.shift[layer + 1].iter();
            for (&shift, &cost) in shifts.zip(&self.priced[at + chain.devices]) {
                lower(&mut here[first..], first, next_row, shift, cost);
            }
        }
        let room = &chain.room[device];
        let best = chain.choices[at].iter().zip(&self.priced[at]).map(|(choice, priced)| {
            priced
                + self.rest
                    [index * self.width + grid.step(layer, room.whole() - room.taken(choice))]
        });
        self.arriving[index] = best.fold(f64::INFINITY, f64::min);
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
        let first = (0..chain.devices)
            .min_by(|&a, &b| self.starting(chain, a).total_cmp(&self.starting(chain, b)))?;
        let mut path = Path::with_capacity(chain.layers);
        let mut place = Place { layer: 0, device: first, subset: 0 };
        let (choice, mut step) = self.arrival(chain, place)?;
        path.push((first, choice));
        while place.layer + 1 < chain.layers {
            let (moving, to) = self.moving(chain, place);
            let (choice, next) = match self.staying(chain, place, step) {
                Some((cost, choice, next)) if cost <= moving => {
                    place.layer += 1;
                    (choice, next)
                }
                _ => {
                    place = to;
                    self.arrival(chain, to)?
                }
            };
            step = next;
            path.push((place.device, choice));
        }
        Some(path)
    }

    /// The best choice on arriving, and the step after it.
    fn arrival(&self, chain: &Chain, place: Place) -> Option<(usize, usize)> {
        let (at, grid) = (chain.at(place.layer, place.device), &self.grids[place.device]);
        let room = &chain.room[place.device];
        let after = |choice: &Choice| grid.step(place.layer, room.whole() - room.taken(choice));
        let row = self.row(place);
        let choices = chain.choices[at].iter().zip(&self.priced[at]).enumerate();
        let best = choices.map(|(index, (choice, priced))| {
            let step = after(choice);
            (priced + row[step], index, step)
        });
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0))?;
        best.0.is_finite().then_some((best.1, best.2))
    }

    /// The best way to stay after a place: cost, choice, and the step after it.
    fn staying(&self, chain: &Chain, place: Place, step: usize) -> Option<(f64, usize, usize)> {
        let next = Place { layer: place.layer + 1, ..place };
        let (grid, row) = (&self.grids[place.device], self.row(next));
        let priced = &self.priced[chain.at(next.layer, next.device)];
        let shifts = grid.shift[next.layer].iter().zip(priced).enumerate();
        let options = shifts.filter_map(|(index, (&shift, priced))| {
            let to = usize::try_from(step as i64 - shift).ok()?.min(grid.width - 1);
            Some((priced + row[to], index, to))
        });
        options.min_by(|a, b| a.0.total_cmp(&b.0))
    }
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

/// `here[i] = min(here[i], cost + next[i + offset - shift])`; the last step stands for all beyond.
fn lower(here: &mut [f64], offset: usize, next: &[f64], shift: i64, cost: f64) {
    let from = offset as i64 - shift;
    let skip = usize::try_from(-from).unwrap_or(0);
    let source = &next[usize::try_from(from).unwrap_or(0).min(next.len())..];
    let Some(here) = here.get_mut(skip..) else { return };
    let common = here.len().min(source.len());
    lower_all(&mut here[..common], &source[..common], cost);
    let beyond = next[next.len() - 1] + cost;
    for value in &mut here[common..] {
        *value = value.min(beyond);
    }
}

/// `here[i] = min(here[i], cost + next[i])`: where nearly all time goes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn lower_all(here: &mut [f64], next: &[f64], cost: f64) {
    for (value, &after) in here.iter_mut().zip(next) {
        let candidate = after + cost;
        *value = if candidate < *value { candidate } else { *value };
    }
}

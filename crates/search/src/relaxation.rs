//! The Lagrangian relaxation: quality, limited time and "each device at most once" are priced; what
//! is left is a shortest path over (layer, device, memory left to the run).

use crate::chain::{Chain, Choice};
use crate::grid::Grid;

/// Prices of what is relaxed, in scaled cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prices {
    /// Per unit of loss.
    pub(crate) loss: f64,
    /// Per nanosecond of a request, where it is limited besides the objective.
    pub(crate) time: f64,
    /// Per arrival on a device, whole numbers.
    pub(crate) visit: Vec<f64>,
}

impl Prices {
    pub(crate) fn zero(devices: usize) -> Self {
        Self { loss: 0.0, time: 0.0, visit: vec![0.0; devices] }
    }

    /// The priced cost of resources, rounded down.
    pub(crate) fn resources(&self, loss: u64, time: u64) -> f64 {
        (self.loss * loss as f64).floor() + (self.time * time as f64).floor()
    }

    /// What the relaxation gives back: the prices of all that is allowed, rounded up.
    pub(crate) fn budget(&self, chain: &Chain) -> f64 {
        let priced =
            |price: f64, amount: f64| if price > 0.0 { (price * amount).ceil() } else { 0.0 };
        let time = priced(self.time, chain.time_max.map_or(0.0, |max| max as f64));
        priced(self.loss, chain.loss_max as f64) + time + self.visit.iter().sum::<f64>()
    }
}

/// The value tables of one set of prices.
#[derive(Debug, Clone)]
pub(crate) struct Relaxation {
    pub(crate) prices: Prices,
    pub(crate) grids: Vec<Grid>,
    /// Prices of all that is allowed, to be subtracted.
    pub(crate) budget: f64,
    width: usize,
    /// `[layer][device][step]`: least priced cost of all later layers and the way out.
    rest: Vec<f64>,
    /// `[layer][device]`: least priced cost from this layer on, arriving here with the device's
    /// whole memory; without the arrival itself.
    arriving: Vec<f64>,
    /// `[layer][device][choice]`: cost with priced resources.
    priced: Vec<Vec<f64>>,
    /// No plan costs less, in scaled units.
    pub(crate) bound: f64,
}

/// A path of the relaxation: device and index of the choice, by layer.
pub(crate) type Path = Vec<(usize, usize)>;

impl Relaxation {
    pub(crate) fn new(chain: &Chain, grids: Vec<Grid>) -> Self {
        let width = grids.iter().map(|grid| grid.width).max().unwrap_or(0);
        let places = chain.layers * chain.devices;
        Self {
            prices: Prices::zero(chain.devices),
            grids,
            budget: 0.0,
            width,
            rest: vec![f64::INFINITY; places * width],
            arriving: vec![f64::INFINITY; places],
            priced: chain.choices.iter().map(|choices| vec![0.0; choices.len()]).collect(),
            bound: 0.0,
        }
    }

    pub(crate) fn row(&self, place: usize) -> &[f64] {
        &self.rest[place * self.width..(place + 1) * self.width]
    }

    /// Least priced cost of what follows `layer` on `device` with that many bytes left to the run.
    pub(crate) fn rest(&self, chain: &Chain, layer: usize, device: usize, left: u64) -> f64 {
        let place = chain.at(layer, device);
        self.rest[place * self.width + self.grids[device].step(layer, left)]
    }

    pub(crate) fn arriving(&self, place: usize) -> f64 {
        self.arriving[place]
    }

    pub(crate) fn priced(&self, place: usize, choice: usize) -> f64 {
        self.priced[place][choice]
    }

    /// Fills the tables for new prices, last layer first.
    ///
    /// # Complexity
    /// O(layers * devices * (options * steps + devices)).
    pub(crate) fn solve(&mut self, chain: &Chain, prices: &Prices) {
        self.prices.clone_from(prices);
        self.budget = prices.budget(chain);
        for (place, choices) in chain.choices.iter().enumerate() {
            for (choice, priced) in choices.iter().zip(&mut self.priced[place]) {
                *priced = choice.cost + prices.resources(choice.loss, choice.time);
            }
        }
        for layer in (0..chain.layers).rev() {
            for device in 0..chain.devices {
                self.fill(chain, layer, device);
            }
        }
        let first = |device: usize| self.entering(chain, device) + self.arriving[device];
        let least = (0..chain.devices).map(first).fold(f64::INFINITY, f64::min);
        self.bound = least - self.budget;
    }

    /// Priced cost of the way in.
    pub(crate) fn entering(&self, chain: &Chain, device: usize) -> f64 {
        chain.enter[device].map_or(f64::INFINITY, |hop| self.arrive(hop.cost, hop.time, device))
    }

    /// Priced cost of a message to a device and of the visit.
    pub(crate) fn arrive(&self, cost: f64, time: u64, device: usize) -> f64 {
        cost + self.prices.resources(0, time) + self.prices.visit[device]
    }

    /// Priced cost of what follows a move away after `layer`, and where to.
    fn moving(&self, chain: &Chain, layer: usize, device: usize) -> (f64, usize) {
        let mut best = (f64::INFINITY, device);
        for hop in &chain.hops[chain.at(layer, device)] {
            let after = self.arriving[chain.at(layer + 1, hop.to)];
            let cost = self.arrive(hop.cost, hop.time, hop.to) + after;
            if cost < best.0 {
                best = (cost, hop.to);
            }
        }
        best
    }

    fn leaving(&self, chain: &Chain, device: usize) -> f64 {
        chain.leave[device]
            .map_or(f64::INFINITY, |hop| hop.cost + self.prices.resources(0, hop.time))
    }

    fn fill(&mut self, chain: &Chain, layer: usize, device: usize) {
        let place = chain.at(layer, device);
        self.arriving[place] = f64::INFINITY;
        if chain.choices[place].is_empty() {
            return;
        }
        let last = layer + 1 == chain.layers;
        let otherwise = match last {
            true => self.leaving(chain, device),
            false => self.moving(chain, layer, device).0,
        };
        let grid = &self.grids[device];
        let (width, first) = (self.width, grid.first(layer));
        let (here, later) = self.rest[place * width..].split_at_mut(width);
        let (here, width) = (&mut here[..grid.width], grid.width);
        here[..first].fill(f64::INFINITY);
        here[first..].fill(otherwise);
        if !last {
            let next = place + chain.devices;
            let start = (chain.devices - 1) * self.width;
            let next_row = &later[start..start + width];
            let shifts = grid.shift[layer + 1].iter();
            for (&shift, &cost) in shifts.zip(&self.priced[next]) {
                lower(&mut here[first..], first, next_row, shift, cost);
            }
        }
        let room = chain.room[device].bytes;
        let best = chain.choices[place].iter().zip(&self.priced[place]).map(|(choice, priced)| {
            priced + self.rest[place * self.width + grid.step(layer, room - choice.bytes)]
        });
        self.arriving[place] = best.fold(f64::INFINITY, f64::min);
    }

    /// The path that attains the bound.
    pub(crate) fn path(&self, chain: &Chain) -> Option<Path> {
        let first = (0..chain.devices).min_by(|&a, &b| {
            let total = |d: usize| self.entering(chain, d) + self.arriving[d];
            total(a).total_cmp(&total(b))
        })?;
        let mut path = Path::with_capacity(chain.layers);
        let (choice, mut step) = self.arrival(chain, 0, first)?;
        path.push((first, choice));
        for layer in 0..chain.layers - 1 {
            let (device, _) = path[layer];
            let stay = self.staying(chain, layer, device, step);
            let (moving, to) = self.moving(chain, layer, device);
            let (device, choice) = match stay {
                Some((cost, choice, next)) if cost <= moving => {
                    step = next;
                    (device, choice)
                }
                _ => {
                    let (choice, next) = self.arrival(chain, layer + 1, to)?;
                    step = next;
                    (to, choice)
                }
            };
            path.push((device, choice));
        }
        Some(path)
    }

    /// The best choice on arriving, and the step after it.
    fn arrival(&self, chain: &Chain, layer: usize, device: usize) -> Option<(usize, usize)> {
        let (place, grid) = (chain.at(layer, device), &self.grids[device]);
        let room = chain.room[device].bytes;
        let after = |choice: &Choice| grid.step(layer, room - choice.bytes);
        let cost = |index: usize, choice: &Choice| {
            self.priced[place][index] + self.row(place)[after(choice)]
        };
        let choices = chain.choices[place].iter().enumerate();
        let best = choices.map(|(index, choice)| (cost(index, choice), index, after(choice)));
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0))?;
        best.0.is_finite().then_some((best.1, best.2))
    }

    /// The best way to stay after `layer`: cost, choice, and the step after it.
    fn staying(
        &self,
        chain: &Chain,
        layer: usize,
        device: usize,
        step: usize,
    ) -> Option<(f64, usize, usize)> {
        let (next, grid) = (chain.at(layer + 1, device), &self.grids[device]);
        let options = grid.shift[layer + 1].iter().enumerate().filter_map(|(index, &shift)| {
            let to = step as i64 - shift;
            let to = usize::try_from(to).ok()?.min(grid.width - 1);
            Some((self.priced[next][index] + self.row(next)[to], index, to))
        });
        options.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// `here[i] = min(here[i], cost + next[i + offset - shift])`, the last step standing for all beyond.
fn lower(here: &mut [f64], offset: usize, next: &[f64], shift: i64, cost: f64) {
    let from = offset as i64 - shift;
    let skip = usize::try_from(-from).unwrap_or(0);
    let source = &next[usize::try_from(from).unwrap_or(0).min(next.len())..];
    let Some(here) = here.get_mut(skip..) else { return };
    let common = here.len().min(source.len());
    for (value, &after) in here[..common].iter_mut().zip(source) {
        let candidate = after + cost;
        *value = if candidate < *value { candidate } else { *value };
    }
    let beyond = next[next.len() - 1] + cost;
    for value in &mut here[common..] {
        *value = value.min(beyond);
    }
}

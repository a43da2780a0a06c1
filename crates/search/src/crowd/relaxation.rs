//! Paths over all devices, which may come back to any device: memory and loss are priced, not kept.
//!
//! Costs are whole numbers in `f64` below 2^50; a priced cost is rounded down by more than what
//! products can be off, and prices are at most [`PRICES_MAX`] together. So the cheapest path costs
//! at most what a plan does and that much more, its sum is exact, and the bound holds.

use edgeplan_problem::deployment::Deployment;
use multiversion::multiversion;

use crate::chain::{Builder, COST_MAX, Choice, Measure};

/// What everything that there is may cost.
pub(super) const PRICES_MAX: f64 = COST_MAX / 8.0;

/// All devices' ways through the models.
pub(super) struct Relaxation {
    networks: Vec<Network>,
    /// Bytes for layers, by device.
    room: Vec<f64>,
}

/// The ways through one model.
struct Network {
    layers: usize,
    /// `choices[layer * devices + device]`.
    choices: Vec<Vec<Choice>>,
    /// Cost of a message to the next layer's device, `[kind][from * devices + to]`; none between
    /// layers on one device.
    hops: Vec<Vec<f64>>,
    /// The kind of message after a layer.
    kind: Vec<usize>,
    enter: Vec<f64>,
    leave: Vec<f64>,
    loss_max: Option<f64>,
}

/// What memory and loss cost, in units of the objective for all there is of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prices {
    /// By device.
    pub(super) memory: Vec<f64>,
    /// By model.
    pub(super) loss: Vec<f64>,
}

/// A cheapest path of every model.
pub(super) struct Relaxed {
    /// No plan costs less.
    pub(super) bound: i128,
    /// What the paths take of a device's memory and of a model's loss, as shares, less one.
    pub(super) excess: Prices,
}

impl Relaxation {
    /// For costs of that kind.
    pub(super) fn new(deployment: &Deployment, cost: Measure) -> Self {
        let networks = deployment.models.iter().map(|model| {
            let builder = Builder::new(deployment, model, cost, None);
            Network::new(&builder, model.layers.len(), deployment.devices.len())
        });
        let networks = networks.collect();
        let room = deployment.device_ids().map(|device| {
            let bytes = match &deployment.models[..] {
                [model] => deployment.room(device, model).map_or(0, |bytes| bytes.0),
                _ => {
                    let device = deployment.device(device);
                    device.memory.0.saturating_sub(device.overhead.0)
                }
            };
            // Nothing fits where there is no byte.
            bytes.max(1) as f64
        });
        Self { networks, room: room.collect() }
    }

    /// More than any plan costs.
    pub(super) fn cost_max(&self) -> f64 {
        self.networks.iter().map(Network::cost_max).sum()
    }

    pub(super) fn free(&self) -> Prices {
        Prices { memory: vec![0.0; self.room.len()], loss: vec![0.0; self.networks.len()] }
    }

    /// The cheapest paths at these prices; none if some model has no path at all.
    pub(super) fn relaxed(&self, prices: &Prices) -> Option<Relaxed> {
        let mut bound = -prices.constant();
        let mut excess = self.free();
        for (model, network) in self.networks.iter().enumerate() {
            let costs = self.costs(model, prices);
            let ahead = network.ahead(&costs);
            let (last, cost) = least(network.arrivals(&ahead))?;
            bound += cost as i128;
            for (layer, device) in network.path(&costs, &ahead, last).into_iter().enumerate() {
                let choice = self.cheapest(model, layer * self.room.len() + device, prices)?.1;
                excess.memory[device] += choice.bytes as f64 / self.room[device];
                if let Some(most) = network.loss_max {
                    excess.loss[model] += choice.loss as f64 / most.max(1.0);
                }
            }
        }
        excess.memory.iter_mut().chain(&mut excess.loss).for_each(|share| *share -= 1.0);
        Some(Relaxed { bound, excess })
    }

    /// By device: no plan that uses it costs less at these prices.
    pub(super) fn through(&self, prices: &Prices) -> Vec<i128> {
        let devices = self.room.len();
        let mut through = vec![i128::MAX; devices];
        let mut least_of_all = -prices.constant();
        let mut best: Vec<(Vec<f64>, f64)> = Vec::new();
        for (model, network) in self.networks.iter().enumerate() {
            let costs = self.costs(model, prices);
            let (ahead, behind) = (network.ahead(&costs), network.behind(&costs));
            let over = |device: usize| {
                let layers = (0..network.layers).map(|layer| layer * devices + device);
                layers.map(|place| ahead[place] + behind[place]).fold(f64::INFINITY, f64::min)
            };
            let by_device: Vec<f64> = (0..devices).map(over).collect();
            let cheapest = by_device.iter().copied().fold(f64::INFINITY, f64::min);
            least_of_all += if cheapest.is_finite() { cheapest as i128 } else { 0 };
            best.push((by_device, cheapest));
        }
        for (by_device, cheapest) in best {
            for (device, cost) in by_device.into_iter().enumerate().filter(|(_, c)| c.is_finite()) {
                let more = (cost - cheapest) as i128;
                through[device] = through[device].min(least_of_all + more);
            }
        }
        through
    }

    /// The least priced cost of each place of a model.
    fn costs(&self, model: usize, prices: &Prices) -> Vec<f64> {
        let places = 0..self.networks[model].choices.len();
        let cost = |place| self.cheapest(model, place, prices).map_or(f64::INFINITY, |(c, _)| c);
        places.map(cost).collect()
    }

    /// The cheapest choice of a place, and its priced cost.
    fn cheapest(&self, model: usize, place: usize, prices: &Prices) -> Option<(f64, &Choice)> {
        let network = &self.networks[model];
        let device = place % self.room.len();
        let byte = prices.memory[device] / self.room[device];
        let loss = network.loss_max.map_or(0.0, |most| prices.loss[model] / most.max(1.0));
        let priced = |choice: &Choice| {
            let extra = byte * choice.bytes as f64 + loss * choice.loss as f64;
            // Two products and two quotients of numbers below 2^50 are off by less than a half.
            choice.cost + (extra - 1.0).floor().max(0.0)
        };
        let choices = network.choices[place].iter().map(|choice| (priced(choice), choice));
        choices.min_by(|(a, _), (b, _)| a.total_cmp(b))
    }
}

impl Prices {
    /// What everything that there is costs: at least the sum.
    fn constant(&self) -> i128 {
        self.memory.iter().chain(&self.loss).map(|price| price.ceil() as i128).sum()
    }
}

impl Network {
    fn new(builder: &Builder<'_>, layers: usize, devices: usize) -> Self {
        let places = || (0..layers).flat_map(|l| (0..devices).map(move |d| (l, d)));
        let choices = places().map(|(l, d)| builder.choices(l, d, builder.room(d))).collect();
        let (mut kinds, mut hops): (Vec<usize>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        let mut kind = Vec::with_capacity(layers);
        for layer in 0..layers.saturating_sub(1) {
            let output = builder.model.layers[layer].output;
            let known = kinds.iter().position(|&known| known == output);
            kind.push(known.unwrap_or_else(|| {
                let pairs = (0..devices * devices).map(|pair| (pair / devices, pair % devices));
                let cost = |(from, to)| match from == to {
                    true => 0.0,
                    false => cost_of(builder.hop(layer, from, to)),
                };
                kinds.push(output);
                hops.push(pairs.map(cost).collect());
                kinds.len() - 1
            }));
        }
        Self {
            layers,
            choices,
            hops,
            kind,
            enter: (0..devices).map(|device| cost_of(builder.ingress(device))).collect(),
            leave: (0..devices).map(|device| cost_of(builder.egress(device))).collect(),
            loss_max: builder.model.loss_max.map(|loss| loss.0 as f64),
        }
    }

    fn cost_max(&self) -> f64 {
        let most = |costs: &[f64]| {
            costs.iter().copied().filter(|cost| cost.is_finite()).fold(0.0, f64::max)
        };
        let devices = self.enter.len();
        let choices = self
            .choices
            .chunks(devices)
            .map(|layer| layer.iter().flatten().map(|choice| choice.cost).fold(0.0, f64::max));
        let hops: Vec<f64> = self.hops.iter().map(|hops| most(hops)).collect();
        let hops: f64 = self.kind.iter().map(|&kind| hops[kind]).sum();
        choices.sum::<f64>() + hops + most(&self.enter) + most(&self.leave)
    }

    /// By place: the least cost from the source up to its layer, which is there.
    fn ahead(&self, costs: &[f64]) -> Vec<f64> {
        let devices = self.enter.len();
        let mut ahead = vec![f64::INFINITY; costs.len()];
        for device in 0..devices {
            ahead[device] = self.enter[device] + costs[device];
        }
        for layer in 1..self.layers {
            let (before, here) = ahead.split_at_mut(layer * devices);
            let (before, here) = (&before[(layer - 1) * devices..], &mut here[..devices]);
            let hops = &self.hops[self.kind[layer - 1]];
            for (from, &cost) in before.iter().enumerate().filter(|(_, cost)| cost.is_finite()) {
                lower(here, cost, &hops[from * devices..(from + 1) * devices]);
            }
            for (sum, cost) in here.iter_mut().zip(&costs[layer * devices..]) {
                *sum += cost;
            }
        }
        ahead
    }

    /// By place: the least cost from there to the source, without its layer.
    fn behind(&self, costs: &[f64]) -> Vec<f64> {
        let devices = self.enter.len();
        let mut behind = vec![f64::INFINITY; costs.len()];
        behind[(self.layers - 1) * devices..].copy_from_slice(&self.leave);
        for layer in (0..self.layers - 1).rev() {
            let next = (layer + 1) * devices..(layer + 2) * devices;
            let onward: Vec<f64> =
                behind[next.clone()].iter().zip(&costs[next]).map(|(a, b)| a + b).collect();
            let hops = &self.hops[self.kind[layer]];
            for from in 0..devices {
                let row = &hops[from * devices..(from + 1) * devices];
                behind[layer * devices + from] = least_sum(&onward, row);
            }
        }
        behind
    }

    /// Costs of whole paths, by the last layer's device.
    fn arrivals<'a>(&'a self, ahead: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let last = &ahead[(self.layers - 1) * self.enter.len()..];
        last.iter().zip(&self.leave).map(|(a, b)| a + b)
    }

    /// The devices of a cheapest path that ends on that one.
    fn path(&self, costs: &[f64], ahead: &[f64], last: usize) -> Vec<usize> {
        let devices = self.enter.len();
        let mut path = vec![last];
        let mut at = last;
        for layer in (1..self.layers).rev() {
            let hops = &self.hops[self.kind[layer - 1]];
            let before = &ahead[(layer - 1) * devices..layer * devices];
            let arrived = ahead[layer * devices + at] - costs[layer * devices + at];
            let sums = before.iter().enumerate().map(|(from, a)| a + hops[from * devices + at]);
            at = sums.enumerate().find(|&(_, sum)| sum == arrived).map_or(at, |(from, _)| from);
            path.push(at);
        }
        path.reverse();
        path
    }
}

fn cost_of(hop: Option<crate::chain::Hop>) -> f64 {
    hop.map_or(f64::INFINITY, |hop| hop.cost)
}

/// The least of all, and where it is; none if all are infinite.
fn least(costs: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    let least = costs.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
    least.filter(|(_, cost)| cost.is_finite())
}

/// Lowers every sum to `cost` and what is added to it.
#[multiversion(targets("x86_64+avx2", "x86_64+avx512f"))]
fn lower(sums: &mut [f64], cost: f64, added: &[f64]) {
    for (sum, added) in sums.iter_mut().zip(added) {
        let other = cost + added;
        *sum = if other < *sum { other } else { *sum };
    }
}

/// The least sum of two numbers at one place.
#[multiversion(targets("x86_64+avx2", "x86_64+avx512f"))]
fn least_sum(one: &[f64], other: &[f64]) -> f64 {
    // Eight at a time, so that they are compared side by side.
    let mut least = [f64::INFINITY; 8];
    for (one, other) in one.chunks(8).zip(other.chunks(8)) {
        for ((least, one), other) in least.iter_mut().zip(one).zip(other) {
            let sum = one + other;
            *least = if sum < *least { sum } else { *least };
        }
    }
    least.into_iter().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::Problem as _;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn no_prices_claim_more_than_the_best_plan_costs() {
        let mut random_numbers = Pcg64Mcg::seed_from_u64(1);
        let mut tight = 0;
        for seed in 0..40 {
            let family = Random { layers: 5, devices: 3, formats: 2, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let Some((best, plan)) = question.brute_force() else { continue };
            let relaxation = Relaxation::new(&question, Measure::Latency);
            for _ in 0..20 {
                let mut prices = relaxation.free();
                for price in prices.memory.iter_mut().chain(&mut prices.loss) {
                    *price = random_numbers.random_range(0.0..0.3) * best.as_f64();
                }
                let bound = relaxation.relaxed(&prices).expect("there is a plan").bound;
                assert!(bound <= i128::from(best.0), "seed {seed}: {bound} above {best:?}");
                tight += u32::from(bound * 2 > i128::from(best.0));
                let through = relaxation.through(&prices);
                for assigned in plan.models.iter().flatten() {
                    let over = through[assigned.device.index()];
                    assert!(over <= i128::from(best.0), "seed {seed}: {over} above {best:?}");
                }
                assert_eq!(through.iter().min(), Some(&bound));
                assert!(question.evaluate(&plan).is_feasible());
            }
        }
        assert!(tight > 0, "every bound is less than half of the best cost");
    }
}

//! From counts to a plan: the devices in an order that makes the counted passages, then layers of
//! one class after the other exchange their places, so that time and loss are least.
//!
//! Between layers of other classes that keep their places, each layer of a class costs by itself:
//! its messages to and from its neighbours, and what it loses. Which of them lies where, as many in
//! each place as are counted, is a transport problem.

use edgeplan_mip::Variable;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, Model, OptionId};

use super::layout::{Counted, Layout};
use super::trail::{self, Made};
use super::transport;

/// Prices of loss that are tried, each a quarter of the one before, and rounds at each.
const PRICES: u32 = 8;
const ROUNDS: u32 = 3;
/// The first price, in the longest message for a thousandth of what is allowed.
const FIRST: u64 = 64;
/// A message that has no way.
const NO_WAY: u64 = 1 << 40;

/// A plan made of counts.
#[derive(Debug, Clone)]
pub(super) struct Arranged {
    pub(super) plan: Vec<Assignment>,
    /// What plans that take as long as the counts say lose too much, at least as far as is known.
    pub(super) excess: u64,
}

/// A plan with the counts of a vector; it may lose too much. None if no chain makes its passages.
pub(super) fn plan(instance: &Deployment, layout: &Layout, values: &[f64]) -> Option<Arranged> {
    let whole = |variable: Variable| values[variable.index()].round() as u64;
    let times =
        |step: &super::layout::Step| Made { passage: step.passage, times: whole(step.variable) };
    let made: Vec<Made> = layout.steps.iter().map(times).filter(|made| made.times > 0).collect();
    let start = layout.starts.iter().position(|&start| whole(start) == 1)?;
    let of_layer = &layout.classes.of_layer;
    let devices = trail::devices(of_layer, &made, DeviceId(start as u16), &layout.hosts)?;
    let mut draft = Draft {
        instance,
        model: &instance.models[0],
        layout,
        spots: devices.iter().map(|&device| Assignment { device, option: OptionId(0) }).collect(),
    };
    draft.take_options(&whole)?;
    Some(draft.settled())
}

#[derive(Clone)]
struct Draft<'a> {
    instance: &'a Deployment,
    model: &'a Model,
    layout: &'a Layout,
    spots: Vec<Assignment>,
}

/// Another option of a layer.
#[derive(Debug, Clone, Copy)]
struct Finer {
    layer: usize,
    option: OptionId,
    device: usize,
    /// What it takes more.
    bytes: i128,
    /// Time for a unit of loss.
    rate: f64,
}

/// What a nanosecond of messages and a unit of loss weigh.
#[derive(Debug, Clone, Copy)]
struct Weights {
    time: u64,
    loss: u64,
}

impl Draft<'_> {
    /// Options on every device, as many as are counted there; none where the devices have other
    /// numbers of layers than are counted.
    fn take_options(&mut self, whole: &dyn Fn(Variable) -> u64) -> Option<()> {
        for held in &self.layout.held {
            let here = |counted: &&Counted| {
                (counted.spot.class, counted.spot.device) == (held.class, held.device)
            };
            let counted: Vec<&Counted> = self.layout.counted.iter().filter(here).collect();
            let counts: Vec<u64> = counted.iter().map(|counted| whole(counted.variable)).collect();
            let layers = self.layout.classes.layers[held.class].iter().copied();
            let layers: Vec<usize> =
                layers.filter(|&layer| self.spots[layer].device == held.device).collect();
            if counts.iter().sum::<u64>() != layers.len() as u64 {
                return None;
            }
            let loss =
                |layer: usize, option: usize| self.loss_at(layer, counted[option].spot.option);
            let taken = transport::least_loss(&layers, &counts, &loss);
            for (&layer, option) in layers.iter().zip(taken) {
                self.spots[layer].option = counted[option].spot.option;
            }
        }
        Some(())
    }

    fn loss_at(&self, layer: usize, option: OptionId) -> u64 {
        self.model.layers[layer].options[option.index()].loss.0
    }

    fn loss(&self) -> u64 {
        let spots = self.spots.iter().enumerate();
        spots.map(|(layer, spot)| self.loss_at(layer, spot.option)).sum()
    }

    /// Time of all messages.
    fn time(&self) -> u64 {
        let spots = self.spots.windows(2).enumerate();
        let hops = spots.map(|(layer, pair)| self.hop(layer, pair[0].device, pair[1].device));
        let last = self.spots.len() - 1;
        hops.sum::<u64>() + self.enter(self.spots[0].device) + self.leave(self.spots[last].device)
    }

    fn hop(&self, layer: usize, from: DeviceId, to: DeviceId) -> u64 {
        self.instance.transfer(self.model, layer, from, to).map_or(NO_WAY, |time| time.0)
    }

    fn enter(&self, device: DeviceId) -> u64 {
        self.instance.enter(self.model, device).map_or(NO_WAY, |time| time.0)
    }

    fn leave(&self, device: DeviceId) -> u64 {
        self.instance.leave(self.model, device).map_or(NO_WAY, |time| time.0)
    }

    /// The quickest draft found that loses no more than is allowed, or the one that loses least.
    fn settled(mut self) -> Arranged {
        let budget = self.model.loss_max.map_or(u64::MAX, |most| most.0);
        let quickest = self.time();
        let over = |draft: &Self| draft.loss().saturating_sub(budget);
        let mut best = self.clone();
        let mut excess = over(&best);
        let longest = self.model.messages.iter().flat_map(|message| &message.time);
        let longest = longest.flatten().max().map_or(1, |time| time.0.max(1));
        let mut weights = Weights { time: budget / 1000 + 1, loss: longest.saturating_mul(FIRST) };
        for _ in 0..PRICES {
            if over(&best) == 0 && best.time() <= quickest || self.model.loss_max.is_none() {
                break;
            }
            for _ in 0..ROUNDS {
                let before = self.spots.clone();
                self.exchange(weights);
                if (over(&self), self.time()) < (over(&best), best.time()) {
                    best = self.clone();
                }
                if self.time() <= quickest {
                    excess = excess.min(over(&self));
                }
                if self.spots == before {
                    break;
                }
            }
            weights.loss = (weights.loss / 4).max(1);
        }
        best.store_finer(budget);
        Arranged { plan: best.spots, excess }
    }

    /// Where too much is lost: other options on the same devices, as long as they fit, least time
    /// for what is saved first.
    fn store_finer(&mut self, budget: u64) {
        let mut room: Vec<u64> = self
            .instance
            .device_ids()
            .map(|id| self.instance.room(id, self.model).map_or(0, |room| room.0))
            .collect();
        for (layer, at) in self.spots.iter().enumerate() {
            let left = &mut room[at.device.index()];
            *left = left.saturating_sub(self.model.bytes(layer, at.option).0);
        }
        while self.loss() > budget {
            let over = self.loss() - budget;
            let finer = (0..self.spots.len()).flat_map(|layer| self.finer(layer, over));
            let fits = finer.filter(|finer| finer.bytes <= i128::from(room[finer.device]));
            let Some(best) = fits.min_by(|a, b| a.rate.total_cmp(&b.rate)) else { return };
            room[best.device] = (i128::from(room[best.device]) - best.bytes) as u64;
            self.spots[best.layer].option = best.option;
        }
    }

    /// Options of a layer where it lies that lose less, and their rate for what is `over`.
    fn finer(&self, layer: usize, over: u64) -> impl Iterator<Item = Finer> {
        let at = self.spots[layer];
        let (model, lost) = (self.model, self.loss_at(layer, at.option));
        let time = move |option| model.compute(layer, at.device, option).map(|time| time.0 as f64);
        let bytes = move |option| i128::from(model.bytes(layer, option).0);
        model.option_ids(layer).filter_map(move |option| {
            let saved = lost.checked_sub(self.loss_at(layer, option)).filter(|&saved| saved > 0)?;
            let longer = (time(option)? - time(at.option)?).max(0.0);
            let rate = longer / saved.min(over).max(1) as f64;
            let bytes = bytes(option) - bytes(at.option);
            Some(Finer { layer, option, device: at.device.index(), bytes, rate })
        })
    }

    /// Exchanges the places of the layers of one class after the other, on each host.
    fn exchange(&mut self, weights: Weights) {
        let hosts = self.layout.entered.len();
        for class in (0..self.layout.classes.layers.len()).rev() {
            for host in 0..hosts {
                let here =
                    |&layer: &usize| self.layout.hosts[self.spots[layer].device.index()] == host;
                let layers = self.layout.classes.layers[class].iter().copied();
                let layers: Vec<usize> = layers.filter(here).collect();
                // Layers that follow one another depend on one another.
                let is_apart = layers.windows(2).all(|pair| pair[0] + 1 < pair[1]);
                for parity in if is_apart { 0..1 } else { 0..2 } {
                    let apart = |&layer: &usize| is_apart || layer % 2 == parity;
                    let layers: Vec<usize> = layers.iter().copied().filter(apart).collect();
                    self.transport(&layers, weights);
                }
            }
        }
    }

    /// Gives layers that are not neighbours each other's places at the least weight.
    fn transport(&mut self, layers: &[usize], weights: Weights) {
        let mut places: Vec<Assignment> = layers.iter().map(|&layer| self.spots[layer]).collect();
        places.sort_unstable();
        let mut counts: Vec<u64> = Vec::new();
        for run in places.chunk_by(|a, b| a == b) {
            counts.push(run.len() as u64);
        }
        places.dedup();
        if places.len() < 2 {
            return;
        }
        let weight = |layer: usize, place: usize| {
            let at = places[place];
            let time = self.time_at(layer, at.device).saturating_mul(weights.time);
            let loss = self.loss_at(layer, at.option).saturating_mul(weights.loss);
            time.saturating_add(loss).min(u64::MAX >> 4)
        };
        let weighed: Vec<Vec<u64>> = layers
            .iter()
            .map(|&layer| (0..places.len()).map(|place| weight(layer, place)).collect())
            .collect();
        let all: Vec<usize> = (0..layers.len()).collect();
        let taken = transport::least_loss(&all, &counts, &|at, place| weighed[at][place]);
        for (&layer, place) in layers.iter().zip(taken) {
            self.spots[layer] = places[place];
        }
    }

    /// Time of a layer's messages, were it on that device.
    fn time_at(&self, layer: usize, device: DeviceId) -> u64 {
        let before = match layer {
            0 => self.enter(device),
            _ => self.hop(layer - 1, self.spots[layer - 1].device, device),
        };
        let after = match self.spots.get(layer + 1) {
            None => self.leave(device),
            Some(next) => self.hop(layer, device, next.device),
        };
        before + after
    }
}

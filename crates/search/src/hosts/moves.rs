//! A plan in the making, and what single changes do to it.

use std::ops::RangeInclusive;

use edgeplan_problem::deployment::Assignment;

use super::network::{Network, id};
use super::rows::{Path, hop_cost};
use crate::chain::Choice;

/// Where a layer lies and how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) device: usize,
    /// Index of the choice.
    pub(super) choice: usize,
}

/// A change of one layer, within its host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) layer: usize,
    pub(super) to: Spot,
    /// What it adds to the cost, scaled.
    pub(super) cost: f64,
}

/// What moves that do the same have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    class: usize,
    from: Spot,
    to: Spot,
    /// Devices of the layers before and after.
    neighbours: [Option<usize>; 2],
}

/// What layers take of a device.
#[derive(Debug, Clone, Copy)]
struct Load {
    bytes: u64,
    time: u64,
}

impl Load {
    const NONE: Self = Self { bytes: 0, time: 0 };

    fn of(choice: &Choice) -> Self {
        Self { bytes: choice.bytes, time: choice.time }
    }
}

/// A move and what it changes of what is limited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) step: Move,
    loss: i128,
    /// Where the layer was and where it is.
    devices: [usize; 2],
    less: Load,
    more: Load,
}

/// A plan, feasible or not.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    network: &'a Network<'a>,
    spots: Vec<Spot>,
    /// Scaled.
    cost: f64,
    loss: u64,
    /// By device.
    bytes: Vec<u64>,
    time: Vec<u64>,
    /// The border that was moved last.
    border: Option<Border>,
}

/// The border of a host's run.
#[derive(Debug, Clone, Copy)]
struct Border {
    /// A layer of the block that was moved.
    layer: usize,
    /// The host that it was moved to.
    host: usize,
    /// Whether that host comes after the one that it was moved from.
    forward: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(network: &'a Network<'a>, path: &[Assignment]) -> Self {
        let chain = network.chain;
        let spot = |(layer, at): (usize, &Assignment)| {
            let device = at.device.index();
            let mut choices = chain.choices[chain.at(layer, device)].iter();
            let choice = choices.position(|choice| choice.option == at.option);
            Spot { device, choice: choice.expect("a path of this chain") }
        };
        let spots: Vec<Spot> = path.iter().enumerate().map(spot).collect();
        let (bytes, time) = (vec![0; chain.devices], vec![0; chain.devices]);
        let cost = Path::of(network, path.to_vec()).cost;
        let mut draft = Self { network, spots, cost, loss: 0, bytes, time, border: None };
        for layer in 0..chain.layers {
            let spot = draft.spots[layer];
            let choice = *draft.choice(layer, spot);
            draft.loss += choice.loss;
            draft.bytes[spot.device] += choice.bytes;
            draft.time[spot.device] += choice.time;
        }
        draft
    }

    pub(super) fn layers(&self) -> usize {
        self.spots.len()
    }

    pub(super) fn assignments(&self) -> Vec<Assignment> {
        let of = |(layer, &spot): (usize, &Spot)| Assignment {
            device: id(spot.device),
            option: self.choice(layer, spot).option,
        };
        self.spots.iter().enumerate().map(of).collect()
    }

    fn choice(&self, layer: usize, spot: Spot) -> &'a Choice {
        &self.network.chain.choices[self.network.chain.at(layer, spot.device)][spot.choice]
    }

    /// How much is used beyond what is allowed, each in shares of what is allowed.
    pub(super) fn excess(&self) -> f64 {
        let chain = self.network.chain;
        let devices = (0..chain.devices).map(|device| self.over(device, Load::NONE, Load::NONE));
        devices.sum::<f64>() + self.over_loss(0, 0)
    }

    /// What a move changes of that.
    pub(super) fn excess_of(&self, step: &Move) -> f64 {
        let from = self.spots[step.layer];
        let (old, new) = (self.choice(step.layer, from), self.choice(step.layer, step.to));
        let change = |device: usize| {
            let less = if device == from.device { Load::of(old) } else { Load::NONE };
            let more = if device == step.to.device { Load::of(new) } else { Load::NONE };
            self.over(device, less, more) - self.over(device, Load::NONE, Load::NONE)
        };
        let there = if step.to.device == from.device { 0.0 } else { change(step.to.device) };
        change(from.device) + there + self.over_loss(old.loss, new.loss) - self.over_loss(0, 0)
    }

    /// Bytes beyond all memory of a host, in shares of it, summed over hosts.
    pub(super) fn excess_of_hosts(&self) -> f64 {
        let over = |members: &Vec<usize>| {
            let room = |&device: &usize| self.network.chain.room[device].bytes;
            let bytes: u64 = members.iter().map(|&device| self.bytes[device]).sum();
            let room: u64 = members.iter().map(room).sum();
            bytes.saturating_sub(room) as f64 / room.max(1) as f64
        };
        self.network.members.iter().map(over).sum()
    }

    /// Moves that may make less of what is too much: from devices that are too full, or of any
    /// layer where too much is lost.
    pub(super) fn mending_moves(&self) -> Vec<Move> {
        let is_lossy = self.over_loss(0, 0) > 0.0;
        let devices = 0..self.network.chain.devices;
        let is_full: Vec<bool> =
            devices.map(|device| self.over(device, Load::NONE, Load::NONE) > 0.0).collect();
        let mends = |layer: usize| is_lossy || is_full[self.spots[layer].device];
        (0..self.layers()).filter(|&layer| mends(layer)).flat_map(|l| self.moves_of(l)).collect()
    }

    /// Bytes and time beyond a device's limits, after layers have left it and others have come.
    fn over(&self, device: usize, less: Load, more: Load) -> f64 {
        let room = &self.network.chain.room[device];
        let bytes = self.bytes[device] - less.bytes + more.bytes;
        let time = self.time[device] - less.time + more.time;
        let of_bytes = bytes.saturating_sub(room.bytes) as f64 / room.bytes.max(1) as f64;
        let of_time = room
            .time
            .get()
            .map_or(0.0, |most| time.saturating_sub(most) as f64 / most.max(1) as f64);
        of_bytes + of_time
    }

    fn over_loss(&self, less: u64, more: u64) -> f64 {
        let Some(most) = self.network.chain.loss_max.get() else { return 0.0 };
        (self.loss - less + more).saturating_sub(most) as f64 / most.max(1) as f64
    }

    /// All changes of one layer that are ways of the chain.
    pub(super) fn moves(&self) -> Vec<Move> {
        (0..self.layers()).flat_map(|layer| self.moves_of(layer)).collect()
    }

    fn moves_of(&self, layer: usize) -> impl Iterator<Item = Move> {
        let (network, from) = (self.network, self.spots[layer]);
        let members = network.members[network.host[from.device]].iter();
        let spots = members.flat_map(move |&device| {
            let choices = network.chain.choices[network.chain.at(layer, device)].len();
            (0..choices).map(move |choice| Spot { device, choice })
        });
        spots.filter(move |&to| to != from).filter_map(move |to| self.priced(layer, to))
    }

    /// A change of one layer and what it costs; nothing where a message has no way.
    pub(super) fn priced(&self, layer: usize, to: Spot) -> Option<Move> {
        let from = self.spots[layer];
        let mut cost = self.choice(layer, to).cost - self.choice(layer, from).cost;
        if to.device != from.device {
            cost += self.ways(layer, to.device)? - self.ways(layer, from.device)?;
        }
        cost.is_finite().then_some(Move { layer, to, cost })
    }

    /// Cost of the messages before and after a layer, were it on that device.
    fn ways(&self, layer: usize, device: usize) -> Option<f64> {
        let (network, chain) = (self.network, self.network.chain);
        let hop = |layer: usize, from: usize, to: usize| match from == to {
            true => 0.0,
            false => hop_cost(network, layer, from, to),
        };
        let before = match layer {
            0 => chain.ingress[device]?.cost,
            _ => hop(layer - 1, self.spots[layer - 1].device, device),
        };
        let after = match self.spots.get(layer + 1) {
            None => chain.egress[device]?.cost,
            Some(next) => hop(layer, device, next.device),
        };
        Some(before + after)
    }

    pub(super) fn apply(&mut self, step: &Move) {
        let from = self.spots[step.layer];
        let (old, new) = (self.choice(step.layer, from), self.choice(step.layer, step.to));
        self.loss = self.loss - old.loss + new.loss;
        self.bytes[from.device] -= old.bytes;
        self.time[from.device] -= old.time;
        self.bytes[step.to.device] += new.bytes;
        self.time[step.to.device] += new.time;
        self.spots[step.layer] = step.to;
        self.cost += step.cost;
    }

    /// Scaled cost, feasible or not.
    pub(super) fn cost(&self) -> f64 {
        self.cost
    }

    /// A move with what it changes.
    pub(super) fn effect(&self, step: Move) -> Effect {
        let from = self.spots[step.layer];
        let (old, new) = (self.choice(step.layer, from), self.choice(step.layer, step.to));
        Effect {
            step,
            loss: i128::from(new.loss) - i128::from(old.loss),
            devices: [from.device, step.to.device],
            less: Load::of(old),
            more: Load::of(new),
        }
    }

    /// Whether a plan that fits still fits after some changes of different layers.
    pub(super) fn fits_after(&self, changes: &[&Effect]) -> bool {
        let chain = self.network.chain;
        let loss = changes.iter().map(|change| change.loss).sum::<i128>() + i128::from(self.loss);
        if chain.loss_max.get().is_some_and(|most| loss > i128::from(most)) {
            return false;
        }
        changes.iter().map(|change| change.devices[1]).all(|device| {
            let (mut bytes, mut time) =
                (i128::from(self.bytes[device]), i128::from(self.time[device]));
            for change in changes {
                let [from, to] = change.devices;
                if to == device {
                    bytes += i128::from(change.more.bytes);
                    time += i128::from(change.more.time);
                }
                if from == device {
                    bytes -= i128::from(change.less.bytes);
                    time -= i128::from(change.less.time);
                }
            }
            let room = &chain.room[device];
            bytes <= i128::from(room.bytes)
                && room.time.get().is_none_or(|most| time <= i128::from(most))
        })
    }

    /// What a move adds to the loss.
    pub(super) fn loss_of(&self, step: &Move) -> i64 {
        let from = self.spots[step.layer];
        let (old, new) = (self.choice(step.layer, from), self.choice(step.layer, step.to));
        new.loss as i64 - old.loss as i64
    }

    fn host(&self, layer: usize) -> usize {
        self.network.host[self.spots[layer].device]
    }

    /// The layers of a block.
    fn block(&self, layer: usize) -> RangeInclusive<usize> {
        let joined = &self.network.joined;
        let first = (0..=layer).rev().find(|&at| !joined[at]).unwrap_or(0);
        let last = (layer + 1..self.layers()).find(|&at| !joined[at]).unwrap_or(self.layers()) - 1;
        first..=last
    }

    /// All plans with the first or last block of a host's run on another host: that of the run
    /// beside it, or one that holds nothing.
    pub(super) fn with_moved_blocks(&self) -> Vec<Self> {
        let hosts: Vec<usize> = (0..self.layers()).map(|layer| self.host(layer)).collect();
        let unused: Vec<usize> =
            (0..self.network.hosts()).filter(|host| !hosts.contains(host)).collect();
        let mut moved = Vec::new();
        for layer in 0..hosts.len() {
            let before = layer.checked_sub(1).map(|before| hosts[before]);
            let after = hosts.get(layer + 1).copied();
            for (beside, forward) in [(before, false), (after, true)] {
                if beside == Some(hosts[layer]) {
                    continue;
                }
                for host in beside.into_iter().chain(unused.iter().copied()) {
                    let draft = self.with_block_at(self.block(layer), host);
                    let border = Some(Border { layer, host, forward });
                    moved.extend(draft.map(|draft| Self { border, ..draft }));
                }
            }
        }
        moved
    }

    /// The plan with one more block moved over the border that was moved last.
    pub(super) fn moved_on(&self) -> Option<Self> {
        let Border { layer, host, forward } = self.border?;
        let block = self.block(layer);
        let next = if forward { block.start().checked_sub(1)? } else { block.end() + 1 };
        if next >= self.layers() || self.host(next) == host {
            return None;
        }
        let draft = self.with_block_at(self.block(next), host)?;
        Some(Self { border: Some(Border { layer: next, host, forward }), ..draft })
    }

    /// The plan with a block on another host, each part where the nearest layer of its class lies
    /// there, or else where it is cheapest; none where a part cannot be there.
    fn with_block_at(&self, block: RangeInclusive<usize>, host: usize) -> Option<Self> {
        let (network, chain) = (self.network, self.network.chain);
        let mut spots = self.spots.clone();
        for (layer, spot) in spots.iter_mut().enumerate().take(block.end() + 1).skip(*block.start())
        {
            let same = |&other: &usize| {
                network.class[other] == network.class[layer] && self.host(other) == host
            };
            let nearest = (0..self.layers()).filter(same).min_by_key(|&at| at.abs_diff(layer));
            let copied = nearest.and_then(|at| {
                let device = self.spots[at].device;
                let option = self.choice(at, self.spots[at]).option;
                let mut choices = chain.choices[chain.at(layer, device)].iter();
                let choice = choices.position(|choice| choice.option == option)?;
                Some(Spot { device, choice })
            });
            let everywhere = network.members[host].iter().flat_map(|&device| {
                let choices = chain.choices[chain.at(layer, device)].len();
                (0..choices).map(move |choice| Spot { device, choice })
            });
            let cost = |spot: &Spot| self.choice(layer, *spot).cost;
            let cheapest = everywhere.min_by(|a, b| cost(a).total_cmp(&cost(b)));
            *spot = copied.or(cheapest)?;
        }
        let at = |(layer, &spot): (usize, &Spot)| Assignment {
            device: id(spot.device),
            option: self.choice(layer, spot).option,
        };
        let moved: Vec<Assignment> = spots.iter().enumerate().map(at).collect();
        let draft = Self::new(network, &moved);
        draft.cost.is_finite().then_some(draft)
    }

    /// What moves that do the same, but for the loss, have in common: layers of one class, from and
    /// to the same spots, between neighbours on the same devices.
    pub(super) fn kind(&self, step: &Move) -> Kind {
        let neighbour = |layer: Option<usize>| {
            layer.and_then(|layer| self.spots.get(layer)).map(|spot| spot.device)
        };
        let (before, after) = (step.layer.checked_sub(1), step.layer.checked_add(1));
        let class = self.network.class[step.layer];
        let (from, to) = (self.spots[step.layer], step.to);
        Kind { class, from, to, neighbours: [neighbour(before), neighbour(after)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::cases;
    use crate::hosts::tests::grouped;

    #[test]
    fn a_move_changes_what_it_is_priced_at() {
        let (mut tried, mut pairs) = (0, 0);
        for seed in 0..60 {
            let instance = grouped(seed);
            let Some((_, plan)) = instance.brute_force() else { continue };
            let Some(chains) = cases(&instance) else { continue };
            let network = Network::new(&chains[0], &instance);
            let draft = Draft::new(&network, &plan.models[0]);
            for step in draft.moves() {
                let mut moved = draft.clone();
                moved.apply(&step);
                let fresh = Draft::new(&network, &moved.assignments());
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
                assert!(near(moved.cost(), fresh.cost()), "seed {seed}: {step:?}");
                let excess = draft.excess() + draft.excess_of(&step);
                assert!(near(excess, fresh.excess()), "seed {seed}: {step:?}");
                let fits = draft.fits_after(&[&draft.effect(step)]);
                assert_eq!(fits, fresh.excess() == 0.0, "seed {seed}: {step:?}");
                tried += 1;
                for other in draft.moves().into_iter().filter(|other| other.layer != step.layer) {
                    let mut both = moved.clone();
                    both.apply(&other);
                    let fits = draft.fits_after(&[&draft.effect(step), &draft.effect(other)]);
                    assert_eq!(fits, both.excess() == 0.0, "seed {seed}: {step:?}, {other:?}");
                    pairs += u32::from(fits);
                }
            }
        }
        assert!(tried > 100 && pairs > 40, "{tried}, {pairs}");
    }
}

//! The relaxation: one pass over (device, remembered devices, memory left), last layer first.

use edgeplan_problem::deployment::{Deployment, Model, Objective, OptionId};
use edgeplan_problem::{Cost, Nanos};

use crate::grid::{Grid, width};
use crate::scale::{Scale, id};
use crate::{Certificate, NONE};

/// The relaxation that a certificate names. Its numbers are allowed.
pub(crate) struct Relaxation<'a> {
    instance: &'a Deployment,
    model: &'a Model,
    scale: Scale<'a>,
    certificate: &'a Certificate,
    grids: Vec<Grid>,
    /// `[from * devices + to]`: what a path remembers on `to` after it came from `from`.
    moves: Vec<Move>,
}

/// What remains of a remembered subset after a move to another device, or host.
pub(crate) struct Move {
    /// The bit of that device among what is remembered: where it is set, the move is forbidden.
    forbidden: usize,
    /// What is remembered for certain: where the path came from.
    left: usize,
    /// Bits before and after the move of what may be remembered on both.
    carried: Vec<(usize, usize)>,
}

/// The table: what follows the current layer.
struct Table {
    /// By device, by remembered subset, by step: the cost after the layer.
    rest: Vec<Vec<Vec<i128>>>,
    /// By device, by remembered subset: the cost from the layer on, arriving there.
    arriving: Vec<Vec<i128>>,
}

impl<'a> Relaxation<'a> {
    pub(crate) fn new(instance: &'a Deployment, certificate: &'a Certificate) -> Self {
        let (model, devices) = (&instance.models[0], instance.devices.len());
        let grids = instance.device_ids().map(|id| {
            let room = instance.room(id, model).unwrap_or_default().0;
            let (unit, reference) = (&certificate.unit, &certificate.reference);
            Grid::new(room, unit[id.index()], &reference[id.index()])
        });
        let grids = grids.collect();
        let pairs = (0..devices).flat_map(|from| (0..devices).map(move |to| (from, to)));
        let moves = pairs.map(|(from, to)| Move::new(&certificate.remembered, from, to)).collect();
        let scale = Scale::new(instance, certificate.scale_bits);
        Self { instance, model, scale, certificate, grids, moves }
    }

    /// No plan costs less.
    pub(crate) fn bound(&self) -> Cost {
        let mut table = self.empty();
        for layer in (0..self.model.layers.len()).rev() {
            self.step(layer, &mut table);
        }
        let starts = (0..self.instance.devices.len()).filter_map(|device| {
            let time = self.instance.enter(self.model, id(device));
            Some(self.arrive(time, device)? + table.arriving[device][0])
        });
        let least = starts.min().unwrap_or(NONE);
        if least >= NONE {
            return Cost::MAX;
        }
        let visits = self.certificate.visit_price.iter().map(|&price| i128::from(price));
        let loss = self.scale.allowed_loss(self.certificate.loss_price);
        self.scale.bound(least, visits.sum::<i128>() + loss)
    }

    /// A table as it is after the last layer: of the right size, and nothing in it.
    fn empty(&self) -> Table {
        let rows = |device: usize| {
            let room = self.instance.room(id(device), self.model).unwrap_or_default().0;
            // What is allowed fits.
            let width = width(room, self.certificate.unit[device]) as usize;
            vec![vec![NONE; width]; 1 << self.certificate.remembered[device].len()]
        };
        let rest: Vec<_> = (0..self.instance.devices.len()).map(rows).collect();
        let arriving = rest.iter().map(|rows| vec![NONE; rows.len()]).collect();
        Table { rest, arriving }
    }

    /// From the table of the next layer to that of this one.
    fn step(&self, layer: usize, table: &mut Table) {
        let last = layer + 1 == self.model.layers.len();
        for (device, rows) in table.rest.iter_mut().enumerate() {
            let grid = &self.grids[device];
            let stays: Vec<(i128, i128)> = match last {
                true => Vec::new(),
                false => {
                    let options = self.options(layer + 1, device);
                    let shift = |(cost, bytes)| (cost, grid.shift(layer + 1, bytes));
                    options.map(shift).collect()
                }
            };
            let hops = if last { Vec::new() } else { self.hops(layer, device) };
            for (subset, row) in rows.iter_mut().enumerate() {
                let away = match last {
                    true => self.scale.leave(device),
                    false => self.away(device, subset, &hops, &table.arriving),
                };
                *row = after(row, grid.first(layer), away, &stays);
            }
        }
        let arrive = |(device, rows): (usize, &Vec<Vec<i128>>)| {
            let starts = self
                .options(layer, device)
                .filter_map(|(cost, bytes)| Some((cost, self.grids[device].start(layer, bytes)?)));
            let starts: Vec<(i128, usize)> = starts.collect();
            let least = |row: &Vec<i128>| {
                let costs = starts.iter().map(|&(cost, step)| cost + row[step]);
                costs.min().unwrap_or(NONE).min(NONE)
            };
            rows.iter().map(least).collect()
        };
        table.arriving = table.rest.iter().enumerate().map(arrive).collect();
    }

    /// Cost and target of the moves away from a device after a layer, the visit included.
    fn hops(&self, layer: usize, from: usize) -> Vec<(i128, usize)> {
        let hop = |to: usize| {
            let time = self.instance.transfer(self.model, layer, id(from), id(to));
            Some((self.arrive(time, to)?, to))
        };
        (0..self.instance.devices.len()).filter(|&to| to != from).filter_map(hop).collect()
    }

    /// The least cost of moving on from a device.
    fn away(
        &self,
        from: usize,
        subset: usize,
        hops: &[(i128, usize)],
        arriving: &[Vec<i128>],
    ) -> i128 {
        let devices = self.instance.devices.len();
        let moved = hops.iter().filter_map(|&(cost, to)| {
            Some(cost + arriving[to][self.moves[from * devices + to].after(subset)?])
        });
        moved.min().unwrap_or(NONE).min(NONE)
    }

    /// Priced cost and bytes of the options of a layer that a device can run and hold.
    fn options(&self, layer: usize, device: usize) -> impl Iterator<Item = (i128, u64)> {
        let room = self.instance.room(id(device), self.model);
        let priced = move |option: OptionId| {
            let time = self.model.compute(layer, id(device), option)?;
            let spec = &self.model.layers[layer];
            let bytes = spec.options[option.index()].bytes + spec.kv;
            let cost = match self.instance.objective {
                Objective::Memory => self.scale.scaled(bytes.0.into()),
                Objective::Latency | Objective::Bottleneck => self.scale.timed(time),
            };
            let loss = self.scale.lost(layer, option, self.certificate.loss_price);
            room.is_some_and(|room| bytes <= room).then_some((cost + loss, bytes.0))
        };
        self.model.option_ids(layer).filter_map(priced)
    }

    /// Cost of a message that takes that time and leads to a device, the visit included; none where
    /// there is no way.
    fn arrive(&self, time: Option<Nanos>, device: usize) -> Option<i128> {
        let time = time?;
        let fixed = self.instance.devices[device].overhead + self.model.activation;
        let cost = match self.instance.objective {
            Objective::Memory => self.scale.scaled(fixed.0.into()),
            Objective::Latency | Objective::Bottleneck => self.scale.timed(time),
        };
        Some(cost + i128::from(self.certificate.visit_price[device]))
    }
}

impl Move {
    pub(crate) fn new(remembered: &[Vec<usize>], from: usize, to: usize) -> Self {
        let bit = |set: &[usize], device: usize| set.iter().position(|&other| other == device);
        let flag = |position: Option<usize>| position.map_or(0, |bit| 1 << bit);
        let (known, wanted) = (&remembered[from], &remembered[to]);
        let carried = wanted
            .iter()
            .enumerate()
            .filter_map(|(after, &device)| Some((1 << bit(known, device)?, 1 << after)));
        Self {
            forbidden: flag(bit(known, to)),
            left: flag(bit(wanted, from)),
            carried: carried.collect(),
        }
    }

    /// What is remembered after the move; none if it is forbidden.
    pub(crate) fn after(&self, subset: usize) -> Option<usize> {
        let kept = self.carried.iter().filter(|&&(before, _)| subset & before != 0);
        (subset & self.forbidden == 0).then(|| kept.fold(self.left, |after, &(_, bit)| after | bit))
    }
}

/// A row after a layer, by step: the cheapest of moving away and staying for the next layer, whose
/// row is `next`.
fn after(next: &[i128], first: usize, away: i128, stays: &[(i128, i128)]) -> Vec<i128> {
    let width = next.len();
    let mut row = vec![NONE; width];
    row[first..].fill(away);
    for &(cost, shift) in stays {
        // Beyond the width all shifts are alike.
        let shift = shift.clamp(-(width as i128), width as i128) as isize;
        // Steps below lead to less than nothing.
        let from = first.max(usize::try_from(shift).unwrap_or(0));
        let to = from.saturating_add_signed(-shift).min(width);
        let (near, beyond) = row[from..].split_at_mut((width - from).min(width - to));
        for (value, rest) in near.iter_mut().zip(&next[to..]) {
            *value = (*value).min(cost + rest);
        }
        // The last step stands for all beyond: no more than all memory can be left.
        let all = cost + next[width - 1];
        beyond.iter_mut().for_each(|value| *value = (*value).min(all));
    }
    row.iter_mut().for_each(|value| *value = (*value).min(NONE));
    row
}

//! The shortest path at given prices: over layers, devices, and the hosts that are remembered.

use edgeplan_problem::deployment::Assignment;

use super::network::{Network, id};
use super::rows::Prices;
use crate::dual::ng_sets::NgSets;

/// The best choice of a place, priced.
#[derive(Debug, Clone, Copy)]
struct Placed {
    cost: f64,
    choice: u32,
}

const NOWHERE: Placed = Placed { cost: f64::INFINITY, choice: 0 };

/// A host and a remembered subset.
#[derive(Debug)]
struct Row {
    host: usize,
    /// Its first state.
    first: usize,
    onward: Vec<Onto>,
}

/// A host that may be entered, and the first state there.
#[derive(Debug)]
struct Onto {
    host: usize,
    first: usize,
}

/// The values of one set of prices.
#[derive(Debug)]
pub(super) struct Tables<'a> {
    network: &'a Network<'a>,
    pub(super) ng_sets: NgSets,
    /// By row of hosts and remembered subsets: its first state; a state is a row and a device.
    first: Vec<usize>,
    states: usize,
    rows: Vec<Row>,
    /// By state: the value of the next layer there, its host entered.
    arriving: Vec<f64>,
    /// `[layer * devices + device]`.
    placed: Vec<Placed>,
    /// `[layer * states + state]`: least priced cost of this layer, there, and all later ones.
    value: Vec<f64>,
    /// By choice: whether it may not be taken; none where all may.
    barred: Option<&'a [bool]>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(
        network: &'a Network<'a>,
        ng_sets: NgSets,
        barred: Option<&'a [bool]>,
    ) -> Self {
        let mut first = Vec::with_capacity(ng_sets.rows());
        let mut states = 0;
        for (host, members) in network.members.iter().enumerate() {
            for _ in 0..ng_sets.subsets(host) {
                first.push(states);
                states += members.len();
            }
        }
        let mut rows = Vec::with_capacity(first.len());
        for host in 0..network.hosts() {
            for subset in 0..ng_sets.subsets(host) {
                let others = (0..network.hosts()).filter(|&to| to != host);
                let onward = others.filter_map(|to| {
                    let subset = ng_sets.next(host, to, subset)?;
                    Some(Onto { host: to, first: first[ng_sets.row(to, subset)] })
                });
                let onward = onward.collect();
                rows.push(Row { host, first: first[ng_sets.row(host, subset)], onward });
            }
        }
        let chain = network.chain;
        Self {
            network,
            ng_sets,
            first,
            states,
            rows,
            arriving: vec![f64::INFINITY; states],
            placed: vec![NOWHERE; chain.layers * chain.devices],
            value: vec![f64::INFINITY; chain.layers * states],
            barred,
        }
    }

    /// Fills the tables, last layer first; the least priced cost of a path, infinite if there is
    /// none.
    ///
    /// # Complexity
    /// O(layers * (choices + states * devices))
    pub(super) fn fill(&mut self, prices: &Prices) -> f64 {
        let chain = self.network.chain;
        for layer in 0..chain.layers {
            self.place(layer, prices);
        }
        for layer in (0..chain.layers).rev() {
            self.fill_layer(layer, prices);
        }
        let starts = (0..chain.devices).map(|device| self.starting(device, prices));
        starts.fold(f64::INFINITY, f64::min) - prices.budget
    }

    fn fill_layer(&mut self, layer: usize, prices: &Prices) {
        let (network, chain) = (self.network, self.network.chain);
        let is_last = layer + 1 == chain.layers;
        let (now, next) = self.value[layer * self.states..].split_at_mut(self.states);
        let next = if is_last { &[][..] } else { &next[..self.states] };
        if !is_last {
            for row in &self.rows {
                let states = row.first..row.first + network.members[row.host].len();
                let arriving = self.arriving[states.clone()].iter_mut();
                arriving.zip(&next[states]).for_each(|(arriving, value)| {
                    *arriving = value + prices.enter[row.host];
                });
            }
        }
        let messages = &network.messages[network.messages_of[layer]];
        for row in &self.rows {
            let members = &network.members[row.host];
            for (index, &device) in members.iter().enumerate() {
                let here = self.placed[chain.at(layer, device)].cost;
                let mut best = f64::INFINITY;
                if is_last {
                    best = chain.egress[device].map_or(f64::INFINITY, |hop| hop.cost);
                } else if here < f64::INFINITY {
                    let ways = &messages[device * chain.devices..(device + 1) * chain.devices];
                    for (&to, value) in members.iter().zip(&next[row.first..]) {
                        best = best.min(ways[to] + value);
                    }
                    for onward in &row.onward {
                        let members = &network.members[onward.host];
                        for (&to, value) in members.iter().zip(&self.arriving[onward.first..]) {
                            best = best.min(ways[to] + value);
                        }
                    }
                }
                now[row.first + index] = here + best;
            }
        }
    }

    fn state(&self, host: usize, subset: usize, device: usize) -> usize {
        self.first[self.ng_sets.row(host, subset)] + self.network.local[device]
    }

    /// Priced cost of the best path that starts on a device.
    fn starting(&self, device: usize, prices: &Prices) -> f64 {
        let host = self.network.host[device];
        let Some(hop) = self.network.chain.ingress[device] else { return f64::INFINITY };
        hop.cost + prices.enter[host] + self.value[self.state(host, 0, device)]
    }

    /// The best choice of a layer on every device.
    fn place(&mut self, layer: usize, prices: &Prices) {
        let (network, chain) = (self.network, self.network.chain);
        let twin = network.twin[layer];
        if twin < layer && self.barred.is_none() {
            let from = chain.at(twin, 0);
            self.placed.copy_within(from..from + chain.devices, chain.at(layer, 0));
            return;
        }
        for device in 0..chain.devices {
            let place = chain.at(layer, device);
            let kind = network.class[layer] * chain.devices + device;
            let of_options = &prices.options[kind];
            let first = network.first_choice[place];
            let (bytes, time) = (prices.bytes[device], prices.time[device]);
            let mut best = NOWHERE;
            for (index, of) in
                network.amounts[first..network.first_choice[place + 1]].iter().enumerate()
            {
                if self.barred.is_some_and(|barred| barred[first + index]) {
                    continue;
                }
                // Rounded down: a bound holds whatever a plan uses of what is priced.
                let uses = prices.loss * of.loss + bytes * of.bytes + time * of.time;
                let priced = of_options.get(of.option).copied().unwrap_or(0.0);
                let cost = of.cost + uses as i64 as f64 + priced;
                if cost < best.cost {
                    best = Placed { cost, choice: index as u32 };
                }
            }
            best.cost += prices.layer[kind];
            self.placed[place] = best;
        }
    }

    /// The cheapest way to go on after a layer.
    fn after(&self, layer: usize, subset: usize, device: usize, prices: &Prices) -> Onward {
        let (network, chain) = (self.network, self.network.chain);
        if layer + 1 == chain.layers {
            let cost = chain.egress[device].map_or(f64::INFINITY, |hop| hop.cost);
            return Onward { cost, to: None };
        }
        let host = network.host[device];
        let next = &self.value[(layer + 1) * self.states..(layer + 2) * self.states];
        let stay = next[self.state(host, subset, device)];
        let mut best = Onward { cost: stay, to: Some((subset, device)) };
        for hop in &chain.hops[chain.at(layer, device)] {
            let to = network.host[hop.to];
            let (subset, cost) = match to == host {
                true => (subset, hop.cost),
                false => match self.ng_sets.next(host, to, subset) {
                    Some(subset) => (subset, hop.cost + prices.enter[to]),
                    None => continue,
                },
            };
            let cost = cost + next[self.state(to, subset, hop.to)];
            if cost < best.cost {
                best = Onward { cost, to: Some((subset, hop.to)) };
            }
        }
        best
    }

    /// The path that attains the least priced cost; none if there is no path.
    pub(super) fn path(&self, prices: &Prices) -> Option<Vec<Assignment>> {
        let chain = self.network.chain;
        let start =
            |&a: &usize, &b: &usize| self.starting(a, prices).total_cmp(&self.starting(b, prices));
        let first = (0..chain.devices).min_by(start)?;
        if self.starting(first, prices).is_infinite() {
            return None;
        }
        let (mut subset, mut device) = (0, first);
        let mut path = Vec::with_capacity(chain.layers);
        for layer in 0..chain.layers {
            let place = chain.at(layer, device);
            let choice = &chain.choices[place][self.placed[place].choice as usize];
            path.push(Assignment { device: id(device), option: choice.option });
            if let Some(next) = self.after(layer, subset, device, prices).to {
                (subset, device) = next;
            }
        }
        Some(path)
    }
}

/// The cheapest way to go on, and where to: remembered subset and device.
struct Onward {
    cost: f64,
    to: Option<(usize, usize)>,
}

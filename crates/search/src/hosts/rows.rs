//! What is priced: loss, memory and time of devices, visits of hosts, and counts of layers.

use edgeplan_problem::deployment::{Assignment, OptionId};

use rustc_hash::FxHashMap;

use super::network::Network;
use crate::chain::COST_MAX;
use crate::tuning::TUNING;

/// Layers on a device: of a class, in one option or in any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) class: usize,
    pub(super) device: usize,
    pub(super) option: Option<OptionId>,
}

/// A priced constraint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Row {
    /// Loss of all layers.
    Loss { allowed: u64 },
    /// Bytes on a device, allowed each time that its host is entered.
    Bytes { device: usize, allowed: u64 },
    /// Compute time on a device, the same.
    Time { device: usize, allowed: u64 },
    /// A host is entered once at most.
    Visit { host: usize },
    /// At most so many.
    AtMost { key: Key, count: u64 },
    /// At least so many.
    AtLeast { key: Key, count: u64 },
}

/// A relaxed path, its cost and what it uses.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) assignments: Vec<Assignment>,
    /// Scaled cost, nothing priced.
    pub(super) cost: f64,
    loss: u64,
    /// By device.
    bytes: Vec<u64>,
    time: Vec<u64>,
    /// By host: times that it is entered.
    pub(super) entered: Vec<u64>,
    /// Layers of a class on a device, in an option and in any.
    counts: FxHashMap<Key, u64>,
}

impl Path {
    /// What a path costs and uses.
    pub(super) fn of(network: &Network<'_>, assignments: Vec<Assignment>) -> Self {
        let chain = network.chain;
        let (mut loss, mut cost) = (0, 0.0);
        let (mut bytes, mut time) = (vec![0; chain.devices], vec![0; chain.devices]);
        let mut entered = vec![0; network.hosts()];
        let mut counts: FxHashMap<Key, u64> = FxHashMap::default();
        let mut before: Option<usize> = None;
        for (layer, &at) in assignments.iter().enumerate() {
            let device = at.device.index();
            let choice = chain.choice(layer, at).expect("a path of this chain");
            loss += choice.loss;
            cost += choice.cost;
            bytes[device] += choice.bytes;
            time[device] += choice.time;
            match before {
                None => cost += chain.ingress[device].map_or(0.0, |hop| hop.cost),
                Some(from) if from != device => cost += hop_cost(network, layer - 1, from, device),
                Some(_) => {}
            }
            if before.is_none_or(|from| network.host[from] != network.host[device]) {
                entered[network.host[device]] += 1;
            }
            before = Some(device);
            for option in [None, Some(at.option)] {
                *counts.entry(Key { class: network.class[layer], device, option }).or_default() +=
                    1;
            }
        }
        cost += before.and_then(|last| chain.egress[last]).map_or(0.0, |hop| hop.cost);
        Self { assignments, cost, loss, bytes, time, entered, counts }
    }

    /// How much of a row it uses beyond what is allowed.
    pub(super) fn excess(&self, network: &Network<'_>, row: &Row) -> f64 {
        let over =
            |used: u64, allowed: u64, times: u64| used as f64 - allowed as f64 * times as f64;
        let entered = |device: usize| self.entered[network.host[device]];
        match *row {
            Row::Loss { allowed } => over(self.loss, allowed, 1),
            Row::Bytes { device, allowed } => over(self.bytes[device], allowed, entered(device)),
            Row::Time { device, allowed } => over(self.time[device], allowed, entered(device)),
            Row::Visit { host } => self.entered[host] as f64 - 1.0,
            Row::AtMost { ref key, count } => self.count(key) as f64 - count as f64,
            Row::AtLeast { ref key, count } => count as f64 - self.count(key) as f64,
        }
    }

    fn count(&self, key: &Key) -> u64 {
        self.counts.get(key).copied().unwrap_or(0)
    }

    /// Whether it enters no host twice.
    pub(super) fn is_contiguous(&self) -> bool {
        self.entered.iter().all(|&times| times <= 1)
    }
}

/// Cost of the message after a layer; a path of the chain has it.
pub(super) fn hop_cost(network: &Network<'_>, layer: usize, from: usize, to: usize) -> f64 {
    let hops = &network.chain.hops[network.chain.at(layer, from)];
    hops.iter().find(|hop| hop.to == to).map_or(f64::INFINITY, |hop| hop.cost)
}

impl Row {
    /// The amount that a unit of price is divided by.
    pub(super) fn size(&self, network: &Network<'_>) -> f64 {
        match *self {
            Self::Loss { allowed } | Self::Bytes { allowed, .. } | Self::Time { allowed, .. } => {
                (allowed as f64).max(1.0)
            }
            Self::Visit { .. } => 1.0,
            Self::AtMost { .. } | Self::AtLeast { .. } => network.chain.layers as f64,
        }
    }
}

/// The rows that every node has.
pub(super) fn base_rows(network: &Network<'_>) -> Vec<Row> {
    let chain = network.chain;
    let loss = chain.loss_max.get().map(|allowed| Row::Loss { allowed });
    let bytes = chain.room.iter().enumerate();
    let bytes = bytes.map(|(device, room)| Row::Bytes { device, allowed: room.bytes });
    let time =
        chain.room.iter().enumerate().filter_map(|(device, room)| {
            room.time.get().map(|allowed| Row::Time { device, allowed })
        });
    let visits = (0..network.hosts()).map(|host| Row::Visit { host });
    let visits = visits.filter(|_| network.hosts() > TUNING.hosts.remembered_max);
    loss.into_iter().chain(bytes).chain(time).chain(visits).collect()
}

/// Sums of all prices of what is allowed stay below this, so that sums are exact.
const PRICED_MAX: f64 = 2.0 * COST_MAX;

/// Prices of rows, by what they are multiplied with.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    /// By row: what the bundle asked for, scaled down where sums would not be exact.
    pub(super) of_rows: Vec<f64>,
    pub(super) loss: f64,
    /// By device.
    pub(super) bytes: Vec<f64>,
    pub(super) time: Vec<f64>,
    /// By host: what entering it costs, its devices' allowances given back.
    pub(super) enter: Vec<f64>,
    /// `[class * devices + device]`: of any option.
    pub(super) layer: Vec<f64>,
    /// The same, of the first options; nothing of those after them.
    pub(super) options: Vec<Vec<f64>>,
    /// What is given back once.
    pub(super) budget: f64,
}

impl Prices {
    /// The prices of rows as the tables take them: whole numbers where they are counted.
    ///
    /// A bound holds at any prices, so that prices whose sums would not be exact are lowered.
    pub(super) fn new(network: &Network<'_>, rows: &[Row], asked: &[f64]) -> Self {
        let amount = |row: &Row| match *row {
            Row::Loss { allowed } | Row::Bytes { allowed, .. } | Row::Time { allowed, .. } => {
                (allowed as f64).max(1.0)
            }
            Row::Visit { .. } => network.chain.layers as f64,
            Row::AtMost { count, .. } | Row::AtLeast { count, .. } => {
                (count as f64).max(network.chain.layers as f64)
            }
        };
        let sum: f64 = rows.iter().zip(asked).map(|(row, price)| amount(row) * price).sum();
        let part = if sum.is_finite() { (PRICED_MAX / sum.max(1.0)).min(1.0) } else { 0.0 };
        let chain = network.chain;
        let places = network.classes * chain.devices;
        let mut prices = Self {
            of_rows: Vec::with_capacity(rows.len()),
            loss: 0.0,
            bytes: vec![0.0; chain.devices],
            time: vec![0.0; chain.devices],
            enter: vec![0.0; network.hosts()],
            layer: vec![0.0; places],
            options: vec![Vec::new(); places],
            budget: 0.0,
        };
        for (row, asked) in rows.iter().zip(asked) {
            prices.add(network, row, if part < 1.0 { asked * part } else { *asked });
        }
        prices
    }

    fn add(&mut self, network: &Network<'_>, row: &Row, price: f64) {
        let price = match row {
            Row::Loss { .. } | Row::Bytes { .. } | Row::Time { .. } => price,
            Row::Visit { .. } | Row::AtMost { .. } | Row::AtLeast { .. } => price.floor(),
        };
        self.of_rows.push(price);
        let back = |allowed: u64| (price * allowed as f64).ceil();
        match *row {
            Row::Loss { allowed } => {
                self.loss = price;
                self.budget += back(allowed);
            }
            Row::Bytes { device, allowed } => {
                self.bytes[device] = price;
                self.enter[network.host[device]] -= back(allowed);
            }
            Row::Time { device, allowed } => {
                self.time[device] = price;
                self.enter[network.host[device]] -= back(allowed);
            }
            Row::Visit { host } => {
                self.enter[host] += price;
                self.budget += price;
            }
            Row::AtMost { key, count } => {
                self.price(network, key, price);
                self.budget += price * count as f64;
            }
            Row::AtLeast { key, count } => {
                self.price(network, key, -price);
                self.budget -= price * count as f64;
            }
        }
    }

    fn price(&mut self, network: &Network<'_>, key: Key, price: f64) {
        let place = key.class * network.chain.devices + key.device;
        let Some(option) = key.option else {
            self.layer[place] += price;
            return;
        };
        let of_options = &mut self.options[place];
        let size = of_options.len().max(option.index() + 1);
        of_options.resize(size, 0.0);
        of_options[option.index()] += price;
    }
}

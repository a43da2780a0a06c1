//! Splitting a node: a count that the relaxed paths mix is at most this, or at least one more;
//! where no count is mixed, a layer lies there or not.

use std::rc::Rc;

use edgeplan_problem::deployment::Assignment;
use rustc_hash::FxHashMap;

use super::dual::{Solved, Weighted};
use super::network::{Network, id};
use super::rows::{Key, Row};
use crate::dual::ng_sets::NgSets;
use crate::tuning::TUNING;

/// A part of all plans.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// No plan in it costs less, scaled.
    pub(super) bound: f64,
    pub(super) depth: u32,
    /// Counts that are decided.
    pub(super) counts: Vec<Row>,
    /// By choice, counted over all places: whether it may not be taken; none where all may.
    pub(super) barred: Option<Rc<[bool]>>,
    /// Prices to begin with, by row.
    pub(super) prices: Vec<f64>,
    /// Paths that are known.
    pub(super) paths: Vec<Weighted>,
    pub(super) ng_sets: NgSets,
    /// The decision that it came of.
    pub(super) origin: Option<Origin>,
}

/// A count that was split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    key: Key,
    is_above: bool,
    /// From the mixture's count to the nearest one that is still allowed.
    distance: f64,
    /// The bound before.
    bound: f64,
}

/// Where plans like one lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Near {
    /// By layer: on that host, or on one that is so few layers away.
    Hosts(Vec<usize>),
    /// By layer: on that device, in any option.
    Devices(Vec<usize>),
}

impl Near {
    /// On one host borders between devices are everywhere: of four open questions of one host two
    /// were proven with the devices of the best plan kept, and none with devices two or four layers
    /// away.
    pub(super) fn of(network: &Network<'_>, plan: &[Assignment]) -> Self {
        let devices = plan.iter().map(|at| at.device.index());
        match network.hosts() {
            1 => Self::Devices(devices.collect()),
            _ => Self::Hosts(devices.map(|device| network.host[device]).collect()),
        }
    }

    fn holds(&self, network: &Network<'_>, layer: usize, device: usize) -> bool {
        match self {
            Self::Devices(devices) => devices[layer] == device,
            Self::Hosts(hosts) => {
                let reach = TUNING.hosts.near_layers;
                let from = layer.saturating_sub(reach);
                let around = &hosts[from..(layer + reach + 1).min(hosts.len())];
                around.contains(&network.host[device])
            }
        }
    }
}

/// What splitting counts has gained so far: the rise of the bound for a whole layer.
#[derive(Debug, Default)]
pub(super) struct Gains {
    /// By key, below and above: sum and number.
    by_key: FxHashMap<Key, [Mean; 2]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

impl Gains {
    /// Notes what a decision has gained.
    pub(super) fn note(&mut self, origin: Origin, bound: f64) {
        let gain = (bound.min(2.0 * origin.bound.max(1.0)) - origin.bound).max(0.0);
        let means = self.by_key.entry(origin.key).or_default();
        means[usize::from(origin.is_above)].add(gain / origin.distance.max(1e-3));
    }

    /// What splitting a count there is worth; unknown sides gain as much as its layers' costs
    /// differ.
    fn score(&self, network: &Network<'_>, key: &Key, count: f64) -> f64 {
        let means = self.by_key.get(key).copied().unwrap_or_default();
        let below = count - count.floor();
        let unknown = network.stakes[key.class * network.chain.devices + key.device]
            [usize::from(key.option.is_some())];
        let gain = |side: usize, distance: f64| means[side].get().unwrap_or(unknown) * distance;
        let (down, up) = (gain(0, below), gain(1, 1.0 - below));
        down.min(up) + down.max(up) / 6.0
    }
}

impl Node {
    /// All plans.
    pub(super) fn root(network: &Network<'_>) -> Self {
        Self {
            bound: 0.0,
            depth: 0,
            counts: Vec::new(),
            barred: None,
            prices: Vec::new(),
            paths: Vec::new(),
            origin: None,
            ng_sets: match network.hosts() <= TUNING.hosts.remembered_max {
                true => NgSets::full(network.hosts()),
                false => NgSets::empty(network.hosts()),
            },
        }
    }

    /// Those plans of it that are near a place.
    pub(super) fn near(&self, network: &Network<'_>, near: &Near) -> Self {
        let mut barred = Vec::with_capacity(network.amounts.len());
        for layer in 0..network.chain.layers {
            for device in 0..network.chain.devices {
                let place = network.chain.at(layer, device);
                let choices = network.chain.choices[place].len();
                barred.extend(std::iter::repeat_n(!near.holds(network, layer, device), choices));
            }
        }
        Self { barred: Some(barred.into()), ..self.clone() }
    }

    /// Whether both halves of a split between a number and the next one are smaller than the node.
    fn can_split(&self, key: &Key, most: u64) -> bool {
        self.counts.iter().all(|row| match row {
            Row::AtMost { key: other, count } if other == key => most < *count,
            Row::AtLeast { key: other, count } if other == key => most >= *count,
            _ => true,
        })
    }

    /// The node without some choices, by class of their layer; the paths that took them leave.
    fn without(
        &self,
        network: &Network<'_>,
        forbidden: &dyn Fn(usize, Assignment) -> bool,
    ) -> Self {
        let chain = network.chain;
        let count = network.first_choice[chain.choices.len()];
        let mut barred =
            self.barred.as_deref().map_or_else(|| vec![false; count], <[bool]>::to_vec);
        for (place, choices) in chain.choices.iter().enumerate() {
            let (layer, device) = (place / chain.devices, place % chain.devices);
            for (index, choice) in choices.iter().enumerate() {
                let at = Assignment { device: id(device), option: choice.option };
                barred[network.first_choice[place] + index] |= forbidden(network.class[layer], at);
            }
        }
        let allowed = |part: &&Weighted| {
            let mut layers = part.path.assignments.iter().enumerate();
            layers.all(|(layer, &at)| !forbidden(network.class[layer], at))
        };
        let paths = self.paths.iter().filter(allowed).cloned().collect();
        Self { paths, barred: Some(barred.into()), ..self.clone() }
    }

    /// Adds a decision on a count; a sharper one replaces one of the same kind.
    fn decide(&mut self, row: Row) {
        let same = |other: &Row| match (other, &row) {
            (Row::AtMost { key: a, .. }, Row::AtMost { key: b, .. })
            | (Row::AtLeast { key: a, .. }, Row::AtLeast { key: b, .. }) => a == b,
            _ => false,
        };
        match self.counts.iter().position(same) {
            Some(index) => self.counts[index] = row,
            None => self.counts.push(row),
        }
    }
}

/// The children of a node; none where nothing is left to decide.
pub(super) fn split(
    network: &Network<'_>,
    node: Node,
    solved: Solved,
    gains: &Gains,
) -> Option<Vec<Node>> {
    let Solved { bound, prices, mixture, ng_sets } = solved;
    let depth = node.depth + 1;
    let child = Node { bound, depth, prices, ng_sets, origin: None, ..node };
    let child = Node { paths: mixture.clone(), ..child };
    match mixed_count(network, &child, &mixture, gains) {
        Some(Mixed { key, count }) => Some(by_count(network, &child, key, count)),
        None => by_layer(network, &child, &mixture),
    }
}

fn by_count(network: &Network<'_>, child: &Node, key: Key, count: f64) -> Vec<Node> {
    let most = count.floor() as u64;
    let mut rows = [Row::AtMost { key, count: most }, Row::AtLeast { key, count: most + 1 }];
    // The nearer side last, which is searched first.
    if count - count.floor() < 0.5 {
        rows.reverse();
    }
    let decided = rows.map(|row| {
        let is_above = matches!(row, Row::AtLeast { .. });
        let distance = if is_above { count.floor() + 1.0 - count } else { count - count.floor() };
        let mut node = match forbidden(network, &row) {
            Some(forbidden) => child.without(network, &forbidden),
            None => {
                let mut node = child.clone();
                // Of a row that is replaced the price is a good guess.
                node.decide(row);
                node
            }
        };
        node.origin = Some(Origin { key, is_above, distance, bound: child.bound });
        node
    });
    decided.into()
}

/// What a decided count forbids, where anything follows for certain: no layer of the class
/// there, or none elsewhere.
fn forbidden(network: &Network<'_>, row: &Row) -> Option<impl Fn(usize, Assignment) -> bool> {
    let (key, there) = match *row {
        Row::AtMost { key, count: 0 } => (key, true),
        Row::AtLeast { key, count } if count as usize == network.size(key.class) => (key, false),
        _ => return None,
    };
    Some(move |class: usize, at: Assignment| {
        let is_there =
            at.device.index() == key.device && key.option.is_none_or(|option| option == at.option);
        class == key.class && is_there == there
    })
}

/// A count that is not whole in the mixture.
struct Mixed {
    key: Key,
    count: f64,
}

/// The count that is furthest from whole: of layers on a device first, then in an option there.
/// Where all are nearly whole, only those of layers that are the same in everything: of others the
/// mixture says which ones lie there, not how many.
fn mixed_count(
    network: &Network<'_>,
    node: &Node,
    mixture: &[Weighted],
    gains: &Gains,
) -> Option<Mixed> {
    let mut counts: FxHashMap<Key, f64> = FxHashMap::default();
    for Weighted { path, share } in mixture {
        for (layer, at) in path.assignments.iter().enumerate() {
            let (class, device) = (network.class[layer], at.device.index());
            for option in [None, Some(at.option)] {
                *counts.entry(Key { class, device, option }).or_default() += share;
            }
        }
    }
    let distance = |count: f64| (count - count.floor()).min(count.ceil() - count);
    let furthest = |least: f64| {
        let far = counts.iter().filter(|&(key, &count)| {
            distance(count) > least
                && (least >= TUNING.hosts.whole || network.is_uniform[key.class])
                && node.can_split(key, count.floor() as u64)
        });
        let scored = far.map(|(key, count)| (key, count, gains.score(network, key, *count)));
        scored.max_by(|(a, _, x), (b, _, y)| x.total_cmp(y).then_with(|| b.cmp(a)))
    };
    let (key, count, _) = [TUNING.hosts.whole, EXACT].into_iter().find_map(furthest)?;
    Some(Mixed { key: *key, count: *count })
}

/// Counts nearer to a whole number than this are whole: the master is solved about as exactly.
const EXACT: f64 = 1e-5;

/// Splits on the first layer that is not decided: the choice that most of the mixture takes, or any
/// other one. None where every layer has one choice: the only path is then the only plan, which was
/// offered.
fn by_layer(network: &Network<'_>, child: &Node, mixture: &[Weighted]) -> Option<Vec<Node>> {
    let chain = network.chain;
    let count = *network.first_choice.last()?;
    let all: Rc<[bool]> = child.barred.clone().unwrap_or_else(|| vec![false; count].into());
    let of_layer = |layer: usize| {
        let from = network.first_choice[chain.at(layer, 0)];
        from..network.first_choice[chain.at(layer + 1, 0)]
    };
    let shares = |layer: usize| {
        let mut shares: FxHashMap<(usize, u16), f64> = FxHashMap::default();
        for Weighted { path, share } in mixture {
            let at = path.assignments[layer];
            *shares.entry((at.device.index(), at.option.0)).or_default() += share;
        }
        let mut shares: Vec<_> = shares.into_iter().collect();
        shares.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
        shares
    };
    let is_open = |layer: &usize| of_layer(*layer).filter(|&choice| !all[choice]).count() > 1;
    let layer = (0..chain.layers).filter(is_open).min_by(|&a, &b| {
        let largest = |layer: usize| shares(layer).first().map_or(1.0, |(_, share)| *share);
        largest(a).total_cmp(&largest(b))
    })?;
    let ((device, option), _) = *shares(layer).first()?;
    let place = chain.at(layer, device);
    let index = chain.choices[place].iter().position(|choice| choice.option.0 == option)?;
    let taken = network.first_choice[place] + index;
    let (mut with, mut without) = (all.to_vec(), all.to_vec());
    of_layer(layer).for_each(|choice| with[choice] = choice != taken);
    without[taken] = true;
    let node = |barred: Vec<bool>| {
        let allows = |part: &&Weighted| {
            let at = part.path.assignments[layer];
            let choices = &chain.choices[chain.at(layer, at.device.index())];
            let index = choices.iter().position(|choice| choice.option == at.option);
            let first = network.first_choice[chain.at(layer, at.device.index())];
            index.is_some_and(|index| !barred[first + index])
        };
        let paths = child.paths.iter().filter(allows).cloned().collect();
        Node { paths, barred: Some(barred.into()), ..child.clone() }
    };
    Some(vec![node(without), node(with)])
}

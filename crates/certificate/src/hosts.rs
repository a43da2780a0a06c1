//! Certificates over hosts: one model on machines of several devices.
//!
//! Inside of a host a path may return to a device, so that what a device holds is no run of layers:
//! its memory is priced, as the loss is.
//!
//! **Theorem.** Let `P` be a feasible plan of one model in contiguous placement, whose objective is
//! latency. Take any loss price `p >= 0`, any price `b[d] >= 0` of a byte on each device, any visit
//! prices `v[h] >= 0` of hosts and any remembered sets. Then the cost of `P` is at least
//!
//! ```text
//! min over paths of (cost + p * loss + sum over layers of b[d] * bytes
//!                    + sum over entries of hosts of (v[h] - sum over d of h of b[d] * room[d]))
//!     - p * loss_max - sum over h of v[h]
//! ```
//!
//! where a path walks the layers in order over any devices of a host, enters another host with the
//! first layer of a block only, and does not enter a host that it remembers.
//!
//! 1. *Memory.* `P` enters each host once at most. What it then holds on a device is at most the
//!    room that the entry gave back; of a host that it does not enter it holds nothing.
//! 2. *Loss, visits, remembered sets, limits that are left out* as for paths over devices.
//! 3. *Shared tensors* count where no earlier layer can have stored them.

use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, Objective, OptionId, Placement};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{SCALE_BITS_MAX, is_strange, not_above, settled};
use crate::relaxation::Move;
use crate::scale::{CAP, Scale, capped, id};
use crate::size::{WORK_MAX, within};
use crate::{LOSS_PARTS, NONE, Rejected};

/// A claim that no plan of one model over hosts costs less, by prices of memory.
///
/// Hosts are counted in the order of their first devices; a device without a host is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostCertificate {
    /// No plan costs less, in nanoseconds.
    pub lower_bound: Cost,
    /// Prices are whole numbers of this part of a nanosecond: 2^-`scale_bits`.
    pub scale_bits: u32,
    /// Price of a unit of loss, in 2^-20 of that.
    pub loss_price: u64,
    /// By device: price of a byte, in 2^-20 of that.
    pub byte_price: Vec<u64>,
    /// By host: price of every visit but the first.
    pub visit_price: Vec<u64>,
    /// By host: the other hosts that a relaxed path remembers while it is there.
    pub remembered: Vec<Vec<usize>>,
}

/// What entering hosts may give back in all: as much as one number of a path may be.
const GIVEN_BACK_MAX: i128 = CAP;
/// Table values in all, of 16 bytes.
const VALUES_MAX: u128 = 1 << 22;

/// Checks a certificate over hosts and returns what it proves, at least what it claims. `known` is
/// the cost of a plan that `evaluate()` found feasible, if there is one.
///
/// # Errors
/// When it proves less, nothing at all, or more than the known plan costs; when checking it would
/// take more memory or time than is allowed.
///
/// # Complexity
/// O(layers * (options + states * devices)) time and O(states) memory, states being devices times
/// remembered subsets of their hosts.
pub fn check_hosts(
    instance: &Deployment,
    certificate: &HostCertificate,
    known: Option<Cost>,
) -> Result<Cost, Rejected> {
    supported(instance)?;
    let hosts = instance.host_by_device();
    shaped(certificate, &hosts)?;
    allowed(instance, certificate, &hosts)?;
    instance.clone().checked().map_err(|invalid| Rejected::Instance(invalid.to_string()))?;
    not_above(certificate.lower_bound, known)?;
    let proven = Relaxation::new(instance, certificate, hosts)?.bound();
    settled(certificate.lower_bound, proven, known)
}

fn supported(instance: &Deployment) -> Result<(), Rejected> {
    let unsupported = |text| Err(Rejected::Unsupported(text));
    if instance.models.len() != 1 {
        return unsupported("only one model on hosts can be checked");
    }
    if instance.placement != Placement::Contiguous {
        return unsupported("only contiguous placement on hosts can be checked");
    }
    if instance.objective != Objective::Latency {
        return unsupported("only the latency of a model on hosts can be checked");
    }
    Ok(())
}

/// Whether the certificate's lists are those of an instance of that size.
fn shaped(certificate: &HostCertificate, hosts: &[usize]) -> Result<(), Rejected> {
    let malformed = |text| Err(Rejected::Malformed(text));
    let count = hosts.iter().max().map_or(0, |last| last + 1);
    let HostCertificate { byte_price, visit_price, remembered, .. } = certificate;
    if byte_price.len() != hosts.len() {
        return malformed("not as many prices of bytes as devices");
    }
    if visit_price.len() != count || remembered.len() != count {
        return malformed("not as many entries as hosts");
    }
    if certificate.scale_bits > SCALE_BITS_MAX {
        return malformed("a scale of more than 40 bits");
    }
    if is_strange(remembered) {
        return malformed("a host remembers itself, an unknown one, one twice, or more than 16");
    }
    Ok(())
}

/// Refuses what would take more memory or time than is allowed.
fn allowed(
    instance: &Deployment,
    certificate: &HostCertificate,
    hosts: &[usize],
) -> Result<(), Rejected> {
    let layers = &instance.models[0].layers;
    let subsets = |&host: &usize| 1u128 << certificate.remembered[host].len();
    // Fewer than 2^16 devices of 2^16 subsets: no sum overflows.
    let states = hosts.iter().map(subsets).sum::<u128>();
    let options = layers.iter().map(|layer| layer.options.len() as u128).sum::<u128>();
    let devices = hosts.len() as u128;
    let moves = (layers.len() as u128).saturating_mul(states * devices);
    within("table values", states, VALUES_MAX)?;
    within("operations", moves.saturating_add(options.saturating_mul(devices)), WORK_MAX)
}

/// The relaxation that a certificate names. Its numbers are allowed.
struct Relaxation<'a> {
    scale: Scale<'a>,
    certificate: &'a HostCertificate,
    /// By device: its host.
    hosts: Vec<usize>,
    /// By host: its devices.
    members: Vec<Vec<usize>>,
    /// `[from * hosts + to]`: what a path remembers on `to` after it came from `from`.
    moves: Vec<Move>,
    /// By host: what entering it costs, the prices of all its memory given back.
    enter: Vec<i128>,
    /// By layer, by option: bytes of the shared tensor that no earlier layer can have stored.
    first_shared: Vec<Vec<u64>>,
}

/// By host, by remembered subset, by device of the host: the least cost from a layer on.
type Table = Vec<Vec<Vec<i128>>>;

impl<'a> Relaxation<'a> {
    fn new(
        instance: &'a Deployment,
        certificate: &'a HostCertificate,
        hosts: Vec<usize>,
    ) -> Result<Self, Rejected> {
        let scale = Scale::new(instance, certificate.scale_bits);
        let count = certificate.visit_price.len();
        let mut members = vec![Vec::new(); count];
        for (device, &host) in hosts.iter().enumerate() {
            members[host].push(device);
        }
        let given_back = |devices: &Vec<usize>| -> i128 {
            let worth = |&device: &usize| {
                let room = instance.room(id(device), scale.model).unwrap_or_default().0;
                let price = u128::from(certificate.byte_price[device]);
                // Below 2^62 * 2^64 / 2^20, rounded up.
                (u128::from(room) * price).div_ceil(LOSS_PARTS.into()) as i128
            };
            devices.iter().map(worth).sum()
        };
        let given_back: Vec<i128> = members.iter().map(given_back).collect();
        if given_back.iter().sum::<i128>() > GIVEN_BACK_MAX {
            return Err(Rejected::Malformed("prices of bytes that no cost is worth"));
        }
        let enter = certificate.visit_price.iter().zip(&given_back);
        let enter = enter.map(|(&visit, back)| i128::from(visit) - back).collect();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let moves = pairs.map(|(from, to)| Move::new(&certificate.remembered, from, to)).collect();
        let first_shared = first_shared(instance);
        Ok(Self { scale, certificate, hosts, members, moves, enter, first_shared })
    }

    /// No plan costs less.
    fn bound(&self) -> Cost {
        let layers = self.scale.model.layers.len();
        let mut table = self.at_layer(layers - 1, None);
        for layer in (0..layers - 1).rev() {
            table = self.at_layer(layer, Some(&table));
        }
        let starts = self.hosts.iter().enumerate().filter_map(|(device, &host)| {
            let time = self.scale.instance.enter(self.scale.model, id(device))?;
            let local = self.members[host].iter().position(|&member| member == device)?;
            Some(self.scale.timed(time) + self.enter[host] + table[host][0][local])
        });
        let least = starts.min().unwrap_or(NONE);
        // Fewer than 2^32 numbers of at most 2^80 were taken off what cannot be.
        if least > NONE / 2 {
            return Cost::MAX;
        }
        let visits = self.certificate.visit_price.iter().map(|&price| i128::from(price));
        let allowed = visits.sum::<i128>() + self.scale.allowed_loss(self.certificate.loss_price);
        self.scale.bound(least, allowed)
    }

    /// The table of a layer, from that of the next one; none after the last.
    fn at_layer(&self, layer: usize, next: Option<&Table>) -> Table {
        let mut table = Vec::with_capacity(self.members.len());
        let here: Vec<i128> =
            (0..self.hosts.len()).map(|device| self.least(layer, device)).collect();
        for (host, members) in self.members.iter().enumerate() {
            let subsets = 0..1usize << self.certificate.remembered[host].len();
            let row = |subset: usize| -> Vec<i128> {
                let cost = |&device: &usize| {
                    let onward = match next {
                        None => self.scale.leave(device),
                        Some(next) => self.onward(layer, device, subset, next),
                    };
                    (here[device] + onward).min(NONE)
                };
                members.iter().map(cost).collect()
            };
            table.push(subsets.map(row).collect());
        }
        table
    }

    /// The least cost after a layer on a device.
    fn onward(&self, layer: usize, device: usize, subset: usize, next: &Table) -> i128 {
        let Scale { instance, model, .. } = self.scale;
        let from = self.hosts[device];
        let stays = model.layers[layer + 1].joined;
        let mut least = NONE;
        for (to, members) in self.members.iter().enumerate().filter(|&(to, _)| to == from || !stays)
        {
            let (after, entered) = match to == from {
                true => (subset, 0),
                false => match self.moves[from * self.members.len() + to].after(subset) {
                    Some(after) => (after, self.enter[to]),
                    None => continue,
                },
            };
            for (&other, rest) in members.iter().zip(&next[to][after]) {
                let way = match other == device {
                    true => Some(0),
                    false => instance
                        .transfer(model, layer, id(device), id(other))
                        .map(|time| self.scale.timed(time)),
                };
                least = way.map_or(least, |way| least.min(way + entered + rest));
            }
        }
        least
    }

    /// The least priced cost of a layer on a device that can run and hold it.
    fn least(&self, layer: usize, device: usize) -> i128 {
        let Scale { instance, model, .. } = self.scale;
        let room = instance.room(id(device), model);
        let priced = |option: OptionId| {
            let time = model.compute(layer, id(device), option)?;
            let spec = &model.layers[layer];
            let own = spec.options[option.index()].bytes + spec.kv;
            let bytes = own.0 + self.first_shared[layer][option.index()];
            let held = u128::from(bytes) * u128::from(self.certificate.byte_price[device]);
            let cost = self.scale.timed(time)
                + capped(held / u128::from(LOSS_PARTS))
                + self.scale.lost(layer, option, self.certificate.loss_price);
            room.is_some_and(|room| bytes <= room.0).then_some(cost)
        };
        model.option_ids(layer).filter_map(priced).min().unwrap_or(NONE)
    }
}

/// By layer, by option: bytes of its shared tensor where no earlier layer has an option with it.
fn first_shared(instance: &Deployment) -> Vec<Vec<u64>> {
    let model = &instance.models[0];
    let mut stored = vec![false; model.shared.len()];
    let mut bytes = Vec::with_capacity(model.layers.len());
    for layer in &model.layers {
        let shared = layer.options.iter().map(|option| option.shared);
        let of_option = shared.clone().map(|shared| match shared {
            Some(shared) if !stored[shared] => model.shared[shared].0,
            _ => 0,
        });
        bytes.push(of_option.collect());
        shared.flatten().for_each(|shared| stored[shared] = true);
    }
    bytes
}

//! A path between those of a mixture: every host holds about as many layers as on average, and of
//! each class about as many on each device in each option.
//!
//! One path of a mixture uses a memory twice and another one not at all; on average they keep to
//! it, and so does, nearly, what has the average's counts.

use edgeplan_problem::deployment::Assignment;
use rustc_hash::FxHashMap;

use super::dual::Weighted;
use super::network::Network;

/// The path between those of a mixture; none of an empty one.
pub(super) fn average(network: &Network<'_>, mixture: &[Weighted]) -> Option<Vec<Assignment>> {
    let hosts = hosts_by_layer(network, mixture)?;
    let mut path = vec![None; hosts.len()];
    for class in 0..network.classes {
        for host in 0..network.hosts() {
            let here = |&layer: &usize| network.class[layer] == class && hosts[layer] == host;
            let layers: Vec<usize> = (0..hosts.len()).filter(here).collect();
            if !layers.is_empty() {
                spread(network, mixture, &layers, host, &mut path);
            }
        }
    }
    path.into_iter().collect()
}

/// The host of every layer: in the order of the heaviest path, each as many blocks as on average.
fn hosts_by_layer(network: &Network<'_>, mixture: &[Weighted]) -> Option<Vec<usize>> {
    let layers = mixture.first()?.path.assignments.len();
    let host = |at: &Assignment| network.host[at.device.index()];
    let mut order: Vec<usize> = mixture[0].path.assignments.iter().map(host).collect();
    order.dedup();
    let mut wanted = vec![0.0; network.hosts()];
    for Weighted { path, share } in mixture {
        path.assignments.iter().for_each(|at| wanted[host(at)] += share);
    }
    let all: f64 = order.iter().map(|&host| wanted[host]).sum();
    let mut ends = Vec::with_capacity(order.len());
    let mut sum = 0.0;
    for &host in &order {
        sum += wanted[host] / all * layers as f64;
        ends.push(sum);
    }
    let mut hosts = Vec::with_capacity(layers);
    while hosts.len() < layers {
        let first = hosts.len();
        let after = (first + 1..layers).find(|&layer| !network.joined[layer]).unwrap_or(layers);
        let middle = (first + after) as f64 / 2.0;
        let at = ends.iter().position(|&end| middle <= end).unwrap_or(order.len() - 1);
        hosts.extend(std::iter::repeat_n(order[at], after - first));
    }
    Some(hosts)
}

/// Places layers of a class on a host: as many on each device in each option as on average, those
/// layers there that are there most.
fn spread(
    network: &Network<'_>,
    mixture: &[Weighted],
    layers: &[usize],
    host: usize,
    path: &mut [Option<Assignment>],
) {
    let class = network.class[layers[0]];
    let mut shares: FxHashMap<Assignment, f64> = FxHashMap::default();
    let mut liked: FxHashMap<(usize, Assignment), f64> = FxHashMap::default();
    for Weighted { path, share } in mixture {
        for (layer, &at) in path.assignments.iter().enumerate() {
            if network.class[layer] == class && network.host[at.device.index()] == host {
                *shares.entry(at).or_default() += share;
                *liked.entry((layer, at)).or_default() += share;
            }
        }
    }
    let mut shares: Vec<(Assignment, f64)> = shares.into_iter().collect();
    shares.sort_by_key(|(at, _)| *at);
    let all: f64 = shares.iter().map(|(_, share)| share).sum();
    // Largest remainders.
    let exact = |share: f64| share / all * layers.len() as f64;
    let mut counts: Vec<(Assignment, usize, f64)> = shares
        .iter()
        .map(|&(at, share)| (at, exact(share) as usize, exact(share).fract()))
        .collect();
    let given: usize = counts.iter().map(|(_, count, _)| count).sum();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|&a, &b| counts[b].2.total_cmp(&counts[a].2).then(a.cmp(&b)));
    // Rounding down leaves less than one layer for each.
    for &index in order.iter().take(layers.len().saturating_sub(given)) {
        counts[index].1 += 1;
    }
    let can = |layer: usize, at: Assignment| network.chain.choice(layer, at).is_some();
    let mut wishes: Vec<(f64, usize, usize)> = Vec::new();
    for &layer in layers {
        for (index, &(at, ..)) in counts.iter().enumerate() {
            let wish = liked.get(&(layer, at)).copied().unwrap_or(0.0);
            wishes.extend(can(layer, at).then_some((wish, layer, index)));
        }
    }
    wishes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    for (_, layer, index) in wishes {
        if path[layer].is_none() && counts[index].1 > 0 {
            counts[index].1 -= 1;
            path[layer] = Some(counts[index].0);
        }
    }
}

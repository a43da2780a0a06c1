//! A certificate of the root's bound over hosts, for a checker that shares no code with this crate.

use edgeplan_certificate::{HostCertificate, LOSS_PARTS, Rejected, check_hosts};
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Run};

use super::branching::Node;
use super::dual::{Ascent, Solved};
use super::network::{Network, PRICE_BITS};
use super::rows::{Row, base_rows};
use crate::certify::unlimited;
use crate::chain::{Chain, Measure};

/// Prices stay below this.
const PRICE_MAX: f64 = (1u64 << 62) as f64;

/// Why an instance with hosts of several devices has no certificate; none if it has one.
pub(crate) fn uncertified(instance: &Deployment) -> Option<&'static str> {
    if instance.models.len() != 1 {
        return Some("several models on hosts of several devices have no certificate");
    }
    if instance.placement != Placement::Contiguous {
        return Some("free placement on hosts of several devices has no certificate");
    }
    let latency = instance.objective == Objective::Latency;
    (!latency).then_some("on hosts of several devices only a latency has a certificate")
}

/// Climbs the relaxation of the whole instance, as far as time allows or until it shows `known`,
/// and writes down its prices; the claim is what the checker says that they prove.
///
/// # Errors
/// What the checker refuses.
pub(crate) fn certify(
    run: &mut Run<'_, Deployment>,
    known: Option<Cost>,
) -> Result<HostCertificate, Rejected> {
    let instance = run.problem();
    let chain = whole(instance);
    let network = Network::new(&chain, instance);
    let node = Node::root(&network);
    let most = known.map_or(f64::MAX, |cost| cost.as_f64() * chain.scale).min(chain.cost_max);
    let climbed = Ascent::of(&network, &node).maximise(&mut |_| {
        run.count("passes", 1);
        // Whatever was reached is enough once time is over.
        Ok(if run.check().is_ok() { most } else { f64::NEG_INFINITY })
    });
    let certificate = written(&network, &climbed.expect("no event stops it"));
    let lower_bound = check_hosts(instance, &certificate, None)?;
    Ok(HostCertificate { lower_bound, ..certificate })
}

/// The chain without the limits that the checker does not know, and with shared tensors where they
/// are stored first: its plans are at least as many, and none is dearer.
fn whole(instance: &Deployment) -> Chain {
    let mut chain = Chain::new(&unlimited(instance), Measure::Latency, None).coarser(PRICE_BITS);
    let shared: Vec<u64> = chain.shared.iter().map(|shared| shared.bytes).collect();
    let mut stored = vec![false; shared.len()];
    for layer in 0..chain.layers {
        let mut used = vec![false; shared.len()];
        for device in 0..chain.devices {
            let place = chain.at(layer, device);
            for choice in &mut chain.choices[place] {
                let Some(tensor) = choice.shared.take().map(usize::from) else { continue };
                used[tensor] = true;
                choice.bytes += if stored[tensor] { 0 } else { shared[tensor] };
            }
        }
        stored.iter_mut().zip(used).for_each(|(stored, used)| *stored |= used);
    }
    chain
}

/// What proves the bound of a climb at nearly its prices.
fn written(network: &Network<'_>, solved: &Solved) -> HostCertificate {
    let chain = network.chain;
    let whole = |price: f64| price.clamp(0.0, PRICE_MAX) as u64;
    let fine = |price: f64| whole((price * LOSS_PARTS as f64).round());
    let mut certificate = HostCertificate {
        lower_bound: Cost::ZERO,
        scale_bits: chain.scale.log2() as u32,
        loss_price: 0,
        byte_price: vec![0; chain.devices],
        visit_price: vec![0; network.hosts()],
        remembered: solved.ng_sets.sets().to_vec(),
    };
    for (row, &price) in base_rows(network).iter().zip(&solved.prices) {
        match *row {
            Row::Loss { .. } => certificate.loss_price = fine(price),
            Row::Bytes { device, .. } => certificate.byte_price[device] = fine(price),
            Row::Visit { host } => certificate.visit_price[host] = whole(price),
            Row::Time { .. } | Row::AtMost { .. } | Row::AtLeast { .. } => {}
        }
    }
    certificate
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use edgeplan_families::{Hosts, hosts};
    use edgeplan_problem::{Bytes, Limits, Silent};

    use super::*;
    use crate::hosts::tests::grouped;

    fn certified(instance: &Deployment, limits: Limits<'_>) -> HostCertificate {
        let mut observer = Silent;
        let mut run = Run::new(instance, limits, &mut observer);
        certify(&mut run, None).expect("the checker takes what it is given")
    }

    #[test]
    fn what_is_certified_is_true_and_mostly_not_nothing() {
        let (mut near, mut impossible) = (0, 0);
        for seed in 0..120 {
            let instance = grouped(seed);
            let claim = certified(&instance, Limits::default());
            let proven = check_hosts(&instance, &claim, None);
            assert_eq!(proven.as_ref(), Ok(&claim.lower_bound), "seed {seed}");
            match instance.brute_force() {
                Some((best, _)) => {
                    assert!(claim.lower_bound <= best, "seed {seed}: {}", claim.lower_bound);
                    near += u32::from(claim.lower_bound.as_f64() > 0.5 * best.as_f64());
                }
                None => impossible += u32::from(claim.lower_bound == Cost::MAX),
            }
        }
        assert!(near > 40 && impossible > 0, "{near}, {impossible}");
    }

    #[test]
    fn a_shared_tensor_counts_where_it_is_stored_first() {
        let mut counted = 0;
        for seed in 0..60 {
            let mut tied = grouped(seed);
            // What the least option of the first layer takes is a tensor that the last one needs.
            let model = &mut tied.models[0];
            let least = model.layers[0].options.iter().map(|option| option.bytes).min();
            model.shared = vec![least.expect("a layer has an option")];
            for option in &mut model.layers[0].options {
                option.bytes = option.bytes.saturating_sub(model.shared[0]);
                option.shared = Some(0);
            }
            let last = model.layers.len() - 1;
            model.layers[last].options.iter_mut().for_each(|option| option.shared = Some(0));
            let tied = tied.checked().expect("the instance makes sense");
            let Some((best, _)) = tied.brute_force() else { continue };
            let bound = certified(&tied, Limits::default()).lower_bound;
            assert!(bound <= best, "seed {seed}: {bound} of {best}");
            let mut free = tied.clone();
            free.models[0].shared[0] = Bytes::ZERO;
            counted += u32::from(bound > certified(&free, Limits::default()).lower_bound);
        }
        assert!(counted > 5, "{counted}");
    }

    #[test]
    fn a_bound_of_a_machine_is_within_a_percent_and_there_at_any_time() {
        let family = Hosts { hosts: 1, devices: 3, blocks: 32, ..Hosts::default() };
        let instance = hosts(&family).expect("no file is asked for");
        let whole = certified(&instance, Limits::default()).lower_bound;
        let solver = crate::ChainSearch::default();
        let time = Some(Duration::from_secs(2));
        let limits = Limits { time, ..Limits::default() };
        let found = edgeplan_problem::solve(&instance, &solver, limits, &mut Silent);
        let cost = found.cost().expect("there is a plan");
        assert!(whole <= cost && whole.as_f64() > 0.99 * cost.as_f64(), "{whole} of {cost}");
        // Less time, less of a bound, but one that holds.
        let limits = Limits { time: Some(Duration::ZERO), ..Limits::default() };
        assert!(certified(&instance, limits).lower_bound <= whole);
    }
}

//! The question whose plans also pay for their moves: a share of the move time in every request.
//!
//! A move takes as long as its busiest lane. Any mean of the lanes' times is no longer than that,
//! and a mean is a sum over layers: added to the compute times, divided by the number of requests,
//! it makes a question whose lower bound holds for the time of requests and moves together.

use std::collections::BTreeMap;

use edgeplan_machines::cluster::Way;
use edgeplan_problem::deployment::{Deployment, DeviceId, Model, OptionId};
use edgeplan_problem::{Bytes, Nanos};

use super::moves::{Held, Network, nanos, takes};

/// How the lanes of a move are priced.
pub(super) enum Prices<'a> {
    /// Every transfer as if it were alone, one after another: never less than the move takes, so a
    /// plan that keeps the limits here keeps them.
    OneByOne,
    /// The mean over lanes, each with a weight: never more than the move takes. Limits on times
    /// are lifted, because compute times have a share of the move.
    Mean(&'a BTreeMap<String, u64>),
}

impl Prices<'_> {
    /// What a transfer adds to every one of so many requests.
    fn share(&self, way: &Way, bytes: Bytes, requests: u64) -> Nanos {
        let bytes = u128::from(bytes.0);
        let requests = u128::from(requests.max(1));
        match self {
            Self::OneByOne => {
                let slowest = way.lanes.iter().map(|lane| takes(bytes, lane.bandwidth)).max();
                nanos((slowest.unwrap_or(0) + u128::from(way.latency.0)).div_ceil(requests))
            }
            Self::Mean(weights) => {
                let all = u128::from(weights.values().sum::<u64>().max(1));
                let weighted = way.lanes.iter().map(|lane| {
                    let weight = u128::from(weights.get(&lane.name).copied().unwrap_or(0));
                    // Rounded down: the bound must not be above the truth.
                    let time = bytes.saturating_mul(8_000_000_000);
                    weight.saturating_mul(time / u128::from(lane.bandwidth.0.max(1)))
                });
                let sum = weighted.fold(0u128, u128::saturating_add);
                nanos(sum / all.saturating_mul(requests))
            }
        }
    }
}

/// The question after the events, with a share of the moves in its compute times.
pub(super) fn amortised(
    held: &Held<'_>,
    network: &mut Network<'_>,
    prices: &Prices<'_>,
    requests: u64,
) -> Deployment {
    let mut question = held.now.clone();
    if matches!(prices, Prices::Mean(_)) {
        (question.latency_max, question.bottleneck_max) = (None, None);
        question.devices.iter_mut().for_each(|device| device.compute_max = None);
    }
    for (index, model) in held.now.models.iter().enumerate() {
        let users = users(model);
        // A round has `weight` requests of this model, each of which pays.
        let rounds = requests.saturating_mul(u64::from(model.weight));
        for (place, layer) in model.layers.iter().enumerate() {
            for (number, option) in layer.options.iter().enumerate() {
                let id = OptionId(u16::try_from(number).unwrap_or(u16::MAX));
                let compute = &mut question.models[index].layers[place].options[number].compute;
                for (to, time) in held.now.device_ids().zip(compute) {
                    if time.is_none() {
                        continue;
                    }
                    let mut transfers: Vec<(DeviceId, Bytes)> = Vec::new();
                    if !held.has(index, place, (to, id)) {
                        transfers.push((held.sender(index, place, id), option.bytes));
                    }
                    let sender =
                        option.shared.and_then(|tensor| held.shared_sender(index, tensor, to));
                    if let (Some(sender), Some(tensor)) = (sender, option.shared) {
                        // Stored once, however many of its layers lie here.
                        let parts = match prices {
                            Prices::OneByOne => 1,
                            Prices::Mean(_) => users[tensor].max(1),
                        };
                        transfers.push((sender, Bytes(model.shared[tensor].0 / parts)));
                    }
                    for (from, bytes) in transfers {
                        if from != to && bytes > Bytes::ZERO {
                            let way = network.way(from, to);
                            let share = way.map(|way| prices.share(way, bytes, rounds));
                            *time = time.zip(share).map(|(time, share)| time + share);
                        }
                    }
                }
            }
        }
    }
    question
}

/// By shared tensor: layers that may use it.
fn users(model: &Model) -> Vec<u64> {
    let uses = |tensor: usize| {
        let names = |layer: &&edgeplan_problem::deployment::Layer| {
            layer.options.iter().any(|option| option.shared == Some(tensor))
        };
        model.layers.iter().filter(names).count() as u64
    };
    (0..model.shared.len()).map(uses).collect()
}

#[cfg(test)]
mod tests {
    use edgeplan_files::quantity::Bandwidth;
    use edgeplan_machines::cluster::Lane;

    use super::*;

    #[test]
    fn a_mean_is_no_more_than_a_move_and_one_by_one_no_less() {
        let lane =
            |name: &str, bandwidth| Lane { name: name.to_owned(), bandwidth: Bandwidth(bandwidth) };
        let way = Way { latency: Nanos(3), lanes: vec![lane("slow", 8_000), lane("fast", 80_000)] };
        // 1000 bytes take 1 s on the slow lane, 0.1 s on the fast one.
        let one_by_one = Prices::OneByOne.share(&way, Bytes(1000), 10);
        assert_eq!(one_by_one, Nanos(100_000_001));
        let weights = |slow, fast| BTreeMap::from([("slow".into(), slow), ("fast".into(), fast)]);
        let mean = |weights| Prices::Mean(&weights).share(&way, Bytes(1000), 10);
        assert_eq!(mean(weights(1, 0)), Nanos(100_000_000));
        assert_eq!(mean(weights(1, 1)), Nanos(55_000_000));
        assert_eq!(mean(weights(0, 0)), Nanos(0));
        assert_eq!(mean(BTreeMap::from([("other".into(), 1)])), Nanos(0));
    }
}

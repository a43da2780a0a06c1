//! Runs of consecutive layers, and how many of them a device's memory takes.

use std::collections::BTreeSet;

use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, Mix, Plan};
use edgeplan_problem::{Bytes, Nanos};

/// How many layers each device takes, in chain order. They sum to the layers of the model.
pub(crate) type Counts = Vec<(DeviceId, usize)>;

/// The plan that those counts mean.
pub(crate) fn plan(mix: &Mix, counts: &Counts) -> Plan {
    let devices = counts.iter().flat_map(|&(device, count)| std::iter::repeat_n(device, count));
    let layers = devices.zip(mix).map(|(device, &option)| Assignment { device, option });
    Plan::single(layers.collect())
}

/// Time of the whole chain on one device; `None` if it cannot run some layer. Pins do not count.
pub(crate) fn chain_time(instance: &Deployment, mix: &Mix, device: DeviceId) -> Option<Nanos> {
    let layers = instance.models[0].layers.iter().zip(mix);
    layers.map(|(layer, option)| layer.options[option.index()].compute[device.index()]).sum()
}

/// How many layers from `first` on fit a device's memory and may run there.
pub(crate) fn fitting(instance: &Deployment, mix: &Mix, device: DeviceId, first: usize) -> usize {
    let model = &instance.models[0];
    let Some(room) = instance.room(device, model) else { return 0 };
    let (mut used, mut shared) = (Bytes::ZERO, BTreeSet::new());
    for (layer, &choice) in mix.iter().enumerate().skip(first) {
        let option = &model.layers[layer].options[choice.index()];
        used += model.layers[layer].kv + option.bytes;
        if let Some(id) = option.shared.filter(|&id| shared.insert(id)) {
            used += model.shared[id];
        }
        if used > room || model.compute(layer, device, choice).is_none() {
            return layer - first;
        }
    }
    model.layers.len() - first
}

/// Splits `layers` in proportion to `shares`, largest remainders first; zero shares get none.
pub(crate) fn proportional(layers: usize, shares: &[u64]) -> Vec<usize> {
    let total: u128 = shares.iter().map(|&share| u128::from(share)).sum();
    if total == 0 {
        return vec![0; shares.len()];
    }
    let exact = |share: u64| u128::from(share) * layers as u128;
    let mut counts: Vec<usize> =
        shares.iter().map(|&share| (exact(share) / total) as usize).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(exact(shares[index]) % total));
    let missing = layers - counts.iter().sum::<usize>();
    for &index in order.iter().take(missing) {
        counts[index] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_the_layers() {
        assert_eq!(proportional(34, &[1, 1]), [17, 17]);
        assert_eq!(proportional(10, &[2, 1, 1]), [5, 3, 2]);
        assert_eq!(proportional(3, &[0, 5]), [0, 3]);
        assert_eq!(proportional(3, &[0]), [0]);
    }
}

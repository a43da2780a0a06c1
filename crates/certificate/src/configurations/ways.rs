//! The cheapest way of a model through the devices, under prices.

use edgeplan_problem::deployment::{DeviceId, Model, Objective};

use super::check::{Priced, none_above};
use crate::NONE;

/// The least that the messages of a model cost, prices of beginnings and ends taken off; at least
/// [`NONE`] where there is no way.
///
/// O(layers * devices^2).
pub(super) fn cheapest(priced: &Priced<'_>, index: usize) -> i128 {
    let (model, source) = (&priced.instance.models[index], priced.instance.source);
    let (begin, end) = (&priced.certificate.begin[index], &priced.certificate.end[index]);
    let devices: Vec<DeviceId> = priced.instance.device_ids().collect();
    let opens =
        |layer: usize, device: DeviceId| priced.options(index, layer, device).next().is_some();
    let arrive = |cost: i128, layer: usize, device: DeviceId| match opens(layer, device) {
        true => none_above(cost - i128::from(begin[layer][device.index()])),
        false => NONE,
    };
    let enter = |&to: &DeviceId| arrive(message(priced, index, model.enter, (source, to)), 0, to);
    let mut here: Vec<i128> = devices.iter().map(enter).collect();
    for layer in 1..model.layers.len() {
        let output = model.layers[layer - 1].output;
        let reach = |&to: &DeviceId| {
            let hops = devices.iter().filter(|&&from| from != to).map(|&from| {
                let left = here[from.index()] - i128::from(end[layer - 1][from.index()]);
                left + message(priced, index, output, (from, to))
            });
            let arriving = arrive(hops.min().unwrap_or(NONE).min(NONE), layer, to);
            let staying = if opens(layer, to) { here[to.index()] } else { NONE };
            arriving.min(staying)
        };
        here = devices.iter().map(reach).collect();
    }
    let last = model.layers.len() - 1;
    let leave = |&from: &DeviceId| {
        let left = here[from.index()] - i128::from(end[last][from.index()]);
        none_above(left + message(priced, index, model.leave, (from, source)))
    };
    devices.iter().map(leave).min().unwrap_or(NONE)
}

/// What a message costs at these prices; [`NONE`] where there is no way, or where it alone breaks a
/// limit.
fn message(priced: &Priced<'_>, index: usize, kind: usize, ends: (DeviceId, DeviceId)) -> i128 {
    let ((from, to), instance) = (ends, priced.instance);
    if from == to {
        return 0;
    }
    let model: &Model = &instance.models[index];
    let sent = &model.messages[kind];
    let Some(time) = sent.time[from.index() * instance.devices.len() + to.index()] else {
        return NONE;
    };
    let weighted = u128::from(time.0) * u128::from(model.weight);
    let bytes = u128::from(sent.bytes.0) * u128::from(model.weight);
    let traffic_max = instance.device(from).traffic_max;
    let breaks = priced.sending_max.is_some_and(|limit| weighted > limit.into())
        || traffic_max.is_some_and(|limit| bytes > limit.0.into())
        || instance.latency_max.is_some_and(|limit| time > limit);
    if breaks {
        return NONE;
    }
    let certificate = priced.certificate;
    let own = match instance.objective {
        Objective::Latency => priced.scaled(weighted),
        Objective::Bottleneck | Objective::Memory => 0,
    };
    own + priced.paid(certificate.sending_price[from.index()], weighted)
        + priced.paid(certificate.latency_price[index], time.0.into())
        + priced.paid(certificate.traffic_price[from.index()], bytes)
}

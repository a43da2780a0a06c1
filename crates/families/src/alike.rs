//! Differences taken away: what a question is like with identical devices, or identical blocks.

use edgeplan_problem::deployment::{Deployment, Layer, Message};
use edgeplan_problem::{Bytes, Loss, Nanos};

/// The same question with identical devices: each has the mean memory, takes the mean time of every
/// option that all devices can run, and is a mean message away from every other one. Pins, hosts,
/// overheads and limits stay.
pub fn alike_devices(mut instance: Deployment) -> Deployment {
    let count = instance.devices.len() as u64;
    let memory: u64 = instance.devices.iter().map(|device| device.memory.0 / count).sum();
    for device in &mut instance.devices {
        device.memory = Bytes(memory);
    }
    for model in &mut instance.models {
        for option in model.layers.iter_mut().flat_map(|layer| &mut layer.options) {
            if let Some(time) = mean(option.compute.iter().copied()) {
                option.compute.fill(Some(time));
            }
        }
        model.messages.iter_mut().for_each(|message| level(message, count as usize));
    }
    instance
}

/// One time between any two devices.
fn level(message: &mut Message, devices: usize) {
    let own = |pair: usize| pair.is_multiple_of(devices + 1);
    let between = message.time.iter().enumerate().filter(|(pair, _)| !own(*pair));
    let Some(time) = mean(between.map(|(_, time)| *time)) else { return };
    for (pair, place) in message.time.iter_mut().enumerate() {
        *place = Some(if own(pair) { Nanos::ZERO } else { time });
    }
}

/// The mean of times; none where one is missing, or there is none.
fn mean(times: impl Iterator<Item = Option<Nanos>>) -> Option<Nanos> {
    let times: Vec<Nanos> = times.collect::<Option<_>>()?;
    let sum: u128 = times.iter().map(|time| u128::from(time.0)).sum();
    let count = times.len() as u128;
    (count > 0).then(|| Nanos((sum / count.max(1)) as u64))
}

/// The same question with identical layers: the options of every layer of a model have the mean
/// bytes, losses and times of all its layers, as far as these have as many options. Pins and
/// budgets stay.
pub fn alike_layers(mut instance: Deployment) -> Deployment {
    for model in &mut instance.models {
        let options = model.layers.iter().map(|layer| layer.options.len()).min().unwrap_or(0);
        for option in 0..options {
            let count = model.layers.len() as u64;
            let own = |layer: &Layer| {
                let option = &layer.options[option];
                (option.bytes.0 / count, option.loss.0 / count)
            };
            let (bytes, loss) = model
                .layers
                .iter()
                .map(own)
                .fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
            let times: Vec<Option<Nanos>> = (0..instance.devices.len())
                .map(|device| mean(model.layers.iter().map(|l| l.options[option].compute[device])))
                .collect();
            for layer in &mut model.layers {
                let option = &mut layer.options[option];
                (option.bytes, option.loss) = (Bytes(bytes), Loss(loss));
                option.compute.clone_from(&times);
            }
        }
    }
    instance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Random, random};

    #[test]
    fn nothing_is_left_to_tell_devices_or_layers_by() {
        let drawn = random(&Random { layers: 7, devices: 3, ..Random::default() });
        let devices = alike_devices(drawn.clone()).checked().unwrap();
        assert!(devices.devices.iter().all(|device| device.memory == devices.devices[0].memory));
        let all = |instance: &Deployment| instance.devices.iter().map(|d| d.memory.0).sum::<u64>();
        assert!(all(&drawn) - all(&devices) < 9, "{} {}", all(&drawn), all(&devices));
        for layer in &devices.models[0].layers {
            let times = &layer.options[0].compute;
            assert!(times.iter().all(|time| *time == times[0]));
        }
        let time = &devices.models[0].messages[0].time;
        assert_eq!((time[0], time[1], time[8]), (Some(Nanos::ZERO), time[5], Some(Nanos::ZERO)));
        let layers = alike_layers(drawn.clone()).checked().unwrap();
        let first = &layers.models[0].layers[0];
        assert!(layers.models[0].layers.iter().all(|layer| layer.options == first.options));
        assert_eq!((first.pin, layers.devices), (drawn.models[0].layers[0].pin, drawn.devices));
    }
}

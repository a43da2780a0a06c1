//! The same question without some of its devices.

use edgeplan_problem::deployment::{Deployment, DeviceId};

/// The instance without these devices; devices behind them move up. A layer that is pinned to one
/// of them has no device left.
///
/// # Errors
/// When the source leaves, or every device does.
pub fn without_devices(instance: &Deployment, gone: &[DeviceId]) -> Result<Deployment, String> {
    if gone.contains(&instance.source) {
        let source = &instance.device(instance.source).name;
        return Err(format!("requests enter at {source}; a question without it is another one"));
    }
    let stays: Vec<DeviceId> = instance.device_ids().filter(|id| !gone.contains(id)).collect();
    let place = |id: DeviceId| {
        let place = stays.iter().position(|&other| other == id);
        place.map(|place| DeviceId(u16::try_from(place).unwrap_or(u16::MAX)))
    };
    let mut left = instance.clone();
    left.source = place(instance.source).ok_or_else(|| "no device is left".to_owned())?;
    left.devices = stays.iter().map(|&id| instance.device(id).clone()).collect();
    for model in &mut left.models {
        for message in &mut model.messages {
            let row = |&from: &DeviceId| {
                let start = from.index() * instance.devices.len();
                let time = &message.time;
                stays.iter().map(move |to| time[start + to.index()])
            };
            message.time = stays.iter().flat_map(row).collect();
        }
        for layer in &mut model.layers {
            let lost = layer.pin.is_some_and(|pin| gone.contains(&pin));
            layer.pin = layer.pin.and_then(place);
            for option in &mut layer.options {
                let time = |id: &DeviceId| option.compute[id.index()].filter(|_| !lost);
                option.compute = stays.iter().map(time).collect();
            }
        }
    }
    Ok(left)
}

//! A question about some of its devices, and its plans as plans of the whole.

use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, Layer, LayerOption, Message, Model, Plan,
};

/// A question with fewer devices.
pub(super) struct Part {
    pub(super) deployment: Deployment,
    /// What each of its devices is in the whole.
    devices: Vec<DeviceId>,
}

impl Part {
    /// Of these devices, in order, among them the source and whatever a layer is pinned to.
    pub(super) fn of(whole: &Deployment, devices: Vec<DeviceId>) -> Self {
        let place = |device: DeviceId| {
            let found = devices.binary_search(&device);
            DeviceId(found.expect("the source and pins are among them") as u16)
        };
        let models = whole.models.iter().map(|model| Model {
            layers: model.layers.iter().map(|layer| narrowed(layer, &devices, place)).collect(),
            messages: (model.messages.iter())
                .map(|message| Message {
                    bytes: message.bytes,
                    time: times(message, &devices, whole.devices.len()),
                })
                .collect(),
            ..model.clone()
        });
        let deployment = Deployment {
            source: place(whole.source),
            devices: devices.iter().map(|&device| whole.device(device).clone()).collect(),
            models: models.collect(),
            name: whole.name.clone(),
            hosts: whole.hosts.clone(),
            ..*whole
        };
        Self { deployment, devices }
    }

    /// Its plan as one of the whole.
    pub(super) fn plan(&self, plan: &Plan) -> Plan {
        let place = |assigned: &Assignment| Assignment {
            device: self.devices[assigned.device.index()],
            option: assigned.option,
        };
        let models = plan.models.iter().map(|model| model.iter().map(place).collect());
        Plan { models: models.collect() }
    }
}

fn narrowed(layer: &Layer, devices: &[DeviceId], place: impl Fn(DeviceId) -> DeviceId) -> Layer {
    let options = layer.options.iter().map(|option| LayerOption {
        recipe: option.recipe.clone(),
        compute: devices.iter().map(|device| option.compute[device.index()]).collect(),
        ..*option
    });
    Layer {
        role: layer.role.clone(),
        options: options.collect(),
        pin: layer.pin.map(place),
        ..*layer
    }
}

fn times(
    message: &Message,
    devices: &[DeviceId],
    count: usize,
) -> Vec<Option<edgeplan_problem::Nanos>> {
    let row = |from: &DeviceId| from.index() * count;
    let times = devices
        .iter()
        .flat_map(|from| devices.iter().map(move |to| message.time[row(from) + to.index()]));
    times.collect()
}

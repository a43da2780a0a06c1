//! The limits of an instance, as things that can be read, set and lifted.

use edgeplan_problem::deployment::{Account, Deployment, DeviceId};
use edgeplan_problem::{Bytes, Loss, Nanos};

/// A limit of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Memory of a device, in bytes.
    Memory(DeviceId),
    /// Quality budget of a model, in nano-nats.
    Quality(usize),
    /// Time of one request, in nanoseconds.
    Latency,
    /// Cycle time, in nanoseconds.
    Bottleneck,
    /// Compute budget of a device, in nanoseconds per round.
    Compute(DeviceId),
    /// Traffic budget of a device, in bytes per round.
    Traffic(DeviceId),
}

impl Limit {
    /// Every limit that the instance sets.
    pub fn all(instance: &Deployment) -> Vec<Self> {
        let devices = |limit: fn(DeviceId) -> Self| instance.device_ids().map(limit);
        let models = (0..instance.models.len()).map(Self::Quality);
        let every = models
            .chain([Self::Latency, Self::Bottleneck])
            .chain(devices(Self::Compute))
            .chain(devices(Self::Traffic))
            .chain(devices(Self::Memory));
        every.filter(|limit| limit.value(instance).is_some()).collect()
    }

    /// Its value; `None` where the instance does not set it.
    pub fn value(self, instance: &Deployment) -> Option<u64> {
        match self {
            Self::Memory(device) => Some(instance.device(device).memory.0),
            Self::Quality(model) => instance.models[model].loss_max.map(|loss| loss.0),
            Self::Latency => instance.latency_max.map(|time| time.0),
            Self::Bottleneck => instance.bottleneck_max.map(|time| time.0),
            Self::Compute(device) => instance.device(device).compute_max.map(|time| time.0),
            Self::Traffic(device) => instance.device(device).traffic_max.map(|bytes| bytes.0),
        }
    }

    /// What a plan uses of it.
    pub fn used(self, account: &Account) -> u64 {
        let device = |id: DeviceId| &account.devices[id.index()];
        match self {
            Self::Memory(id) => device(id).memory().0,
            Self::Quality(model) => account.models[model].loss.0,
            Self::Latency => account.models.iter().map(|bill| bill.latency.0).max().unwrap_or(0),
            Self::Bottleneck => account.bottleneck.0,
            Self::Compute(id) => device(id).compute.0,
            Self::Traffic(id) => device(id).sent.0,
        }
    }

    /// The instance with that value of it.
    pub fn set(self, instance: &Deployment, value: u64) -> Deployment {
        let mut changed = instance.clone();
        match self {
            Self::Memory(id) => changed.devices[id.index()].memory = Bytes(value),
            Self::Quality(model) => changed.models[model].loss_max = Some(Loss(value)),
            Self::Latency => changed.latency_max = Some(Nanos(value)),
            Self::Bottleneck => changed.bottleneck_max = Some(Nanos(value)),
            Self::Compute(id) => changed.devices[id.index()].compute_max = Some(Nanos(value)),
            Self::Traffic(id) => changed.devices[id.index()].traffic_max = Some(Bytes(value)),
        }
        changed
    }

    /// The instance as if the limit did not exist.
    pub fn lift(self, instance: &Deployment) -> Deployment {
        let mut changed = instance.clone();
        match self {
            Self::Memory(id) => changed.devices[id.index()].memory = most_bytes(instance),
            Self::Quality(model) => changed.models[model].loss_max = None,
            Self::Latency => changed.latency_max = None,
            Self::Bottleneck => changed.bottleneck_max = None,
            Self::Compute(id) => changed.devices[id.index()].compute_max = None,
            Self::Traffic(id) => changed.devices[id.index()].traffic_max = None,
        }
        changed
    }

    /// What it limits, for people.
    pub fn name(self, instance: &Deployment) -> String {
        let device = |id: DeviceId| instance.device(id).name.as_str();
        match self {
            Self::Memory(id) => format!("memory of {}", device(id)),
            Self::Quality(model) => format!("quality budget of {}", instance.models[model].name),
            Self::Latency => "latency limit".into(),
            Self::Bottleneck => "bottleneck limit".into(),
            Self::Compute(id) => format!("compute budget of {}", device(id)),
            Self::Traffic(id) => format!("traffic budget of {}", device(id)),
        }
    }

    /// An amount of it, with its unit.
    pub fn amount(self, value: u64) -> String {
        match self {
            Self::Memory(_) | Self::Traffic(_) => Bytes(value).to_string(),
            Self::Quality(_) => Loss(value).to_string(),
            Self::Latency | Self::Bottleneck | Self::Compute(_) => Nanos(value).to_string(),
        }
    }
}

/// More bytes than any plan can put on one device.
fn most_bytes(instance: &Deployment) -> Bytes {
    let overhead: Bytes = instance.devices.iter().map(|device| device.overhead).sum();
    let model = |model: &edgeplan_problem::deployment::Model| {
        let largest = |layer: usize| model.option_ids(layer).map(|o| model.bytes(layer, o)).max();
        let layers: Bytes = (0..model.layers.len()).filter_map(largest).sum();
        layers + model.activation
    };
    overhead + instance.models.iter().map(model).sum::<Bytes>()
}

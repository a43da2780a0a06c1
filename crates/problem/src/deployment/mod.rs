//! Deployment: which device runs each layer, in which format.
//!
//! A model is a chain of layers; every layer has options (a quantization recipe each) with bytes,
//! loss and compute time per device. A plan gives each layer a device and an option. Sources:
//! EdgeShard (arXiv 2405.14371, sections III-IV) for devices, partition and the two objectives;
//! DILEMMA (arXiv 2503.01704) for layer-wise quantization under a quality budget.

mod account;
mod alike;
mod check;
mod enumerate;
mod mixes;
mod part;
mod plan;
mod violation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use account::{Account, DeviceAccount, ModelAccount, Stage, Visit};
pub use check::Invalid;
pub use mixes::{Mix, mixes};
pub use part::{LayerRole, Part, part_names};
pub use plan::{Assignment, Plan, Segment};
pub use violation::Violation;

use crate::id::id;
use crate::recipe::Recipe;
use crate::{Bytes, Cost, Loss, Nanos};

id! {
    /// Index of a device in [`Deployment::devices`].
    DeviceId(u16)
}

id! {
    /// Index of an option in [`Layer::options`].
    OptionId(u16)
}

id! {
    /// Index of a host in [`Deployment::hosts`].
    HostId(u16)
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Time of one request through the chain, return leg included; with several models the sum
    /// weighted by [`Model::weight`].
    Latency,
    /// The busiest device or sender per round of requests: a pipeline's cycle time.
    Bottleneck,
    /// Bytes in use over all devices.
    Memory,
}

impl Objective {
    /// A cost in the unit of this objective, for people: a time, or bytes.
    pub fn amount(self, cost: Cost) -> String {
        match self {
            Self::Latency | Self::Bottleneck => Nanos(cost.0).to_string(),
            Self::Memory => Bytes(cost.0).to_string(),
        }
    }
}

/// Where a model's layers may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// A device may be visited again (DILEMMA).
    Free,
    /// A model's chain enters each host at most once (every pipeline runtime); inside of a host any
    /// layer may lie on any device. A device without [`Device::host`] is a host of its own.
    Contiguous,
}

/// The question. Build it, then call [`Deployment::checked`]: everything else relies on that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// A name for people.
    pub name: String,
    /// What is minimised.
    pub objective: Objective,
    /// Where layers may lie.
    pub placement: Placement,
    /// Where requests start and end.
    pub source: DeviceId,
    /// Names of the hosts that have several devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The devices.
    pub devices: Vec<Device>,
    /// The models that share them.
    pub models: Vec<Model>,
    /// Every model's request must take no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_max: Option<Nanos>,
    /// The bottleneck must be no longer (a throughput floor).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bottleneck_max: Option<Nanos>,
}

/// A compute unit with a memory of its own: a GPU with VRAM, CPUs with RAM, a machine with unified
/// memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// A name for people, unique.
    pub name: String,
    /// Index into [`Deployment::hosts`]: the machine whose engine runs this device, together with
    /// the host's other devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// Bytes that weights, KV cache, activations and the overhead may use.
    pub memory: Bytes,
    /// Bytes that the runtime takes once if anything is placed here.
    #[serde(default)]
    pub overhead: Bytes,
    /// Most compute time per round of requests (DILEMMA's computation capacity).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_max: Option<Nanos>,
    /// Most bytes sent per round of requests (DILEMMA's communication capacity).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_max: Option<Bytes>,
}

/// A chain of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A name for people, unique.
    pub name: String,
    /// Requests of this model per round; multiplies its times and traffic.
    #[serde(default = "one")]
    pub weight: u32,
    /// The chain, first to last.
    pub layers: Vec<Layer>,
    /// The sum of the layers' losses must not be above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_max: Option<Loss>,
    /// Working buffers on every device that holds a layer of this model.
    #[serde(default)]
    pub activation: Bytes,
    /// Tensors that several layers need and a device stores once: bytes of each (tied embeddings,
    /// one entry per format).
    #[serde(default)]
    pub shared: Vec<Bytes>,
    /// The kinds of message that this model sends.
    pub messages: Vec<Message>,
    /// Index into `messages`: the prompt, from the source to the first layer's device.
    pub enter: usize,
    /// Index into `messages`: the answer, from the last layer's device to the source.
    pub leave: usize,
}

fn one() -> u32 {
    1
}

/// What moves between devices in one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Bytes in all.
    pub bytes: Bytes,
    /// Time by `[from][to]`, row-major over all devices; `None` where there is no way, zero on the
    /// diagonal.
    pub time: Vec<Option<Nanos>>,
}

/// One layer of a chain: embedding, block or head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// What it is; in files its name (`block 3`).
    #[serde(rename = "name")]
    pub role: LayerRole,
    /// The ways to store it; at least one.
    pub options: Vec<LayerOption>,
    /// KV cache for the workload's context.
    #[serde(default)]
    pub kv: Bytes,
    /// The only device that may hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<DeviceId>,
    /// Index into [`Model::messages`]: what goes to the next layer's device. Unused on the last.
    #[serde(default)]
    pub output: usize,
    /// Whether this layer and the one before are parts of one block, and lie on one host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
}

/// A way to store and run a layer: a recipe of formats per tensor class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerOption {
    /// How its tensors are stored.
    pub recipe: Recipe,
    /// Bytes of the weights that only this layer needs.
    pub bytes: Bytes,
    /// Index into [`Model::shared`]: weights stored once per device for all layers that name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<usize>,
    /// Quality lost by this choice.
    pub loss: Loss,
    /// Time of one request by device; `None` where the device cannot run it.
    pub compute: Vec<Option<Nanos>>,
}

impl Deployment {
    /// All devices' ids.
    pub fn device_ids(&self) -> impl DoubleEndedIterator<Item = DeviceId> + Clone + use<> {
        (0..self.devices.len()).map(|index| DeviceId(index as u16))
    }

    /// The device of that id.
    pub fn device(&self, id: DeviceId) -> &Device {
        &self.devices[id.index()]
    }

    /// Whether two devices belong to one host.
    pub fn share_host(&self, one: DeviceId, two: DeviceId) -> bool {
        let host = self.device(one).host;
        one == two || host.is_some() && host == self.device(two).host
    }

    /// Whether a device is a host of its own.
    pub fn is_alone(&self, device: DeviceId) -> bool {
        self.device_ids().all(|other| other == device || !self.share_host(device, other))
    }

    /// The name of a device's host; the device's own name where it names none.
    pub fn host_name(&self, device: DeviceId) -> &str {
        let device = self.device(device);
        device.host.map_or(&device.name, |host| &self.hosts[host.index()])
    }

    /// Hosts by device, counted from 0 in the order of their first devices; a device without
    /// [`Device::host`] is a host of its own.
    pub fn host_by_device(&self) -> Vec<usize> {
        let mut hosts: Vec<usize> = Vec::with_capacity(self.devices.len());
        let mut count = 0;
        for device in self.device_ids() {
            let mut before = self.device_ids().take(device.index());
            let host = before.find(|&other| self.share_host(other, device));
            hosts.push(host.map_or(count, |other| hosts[other.index()]));
            count += usize::from(host.is_none());
        }
        hosts
    }

    /// Whether the question speaks of hosts: some host has more than one device, or blocks have
    /// parts that lie on one host.
    pub fn has_hosts(&self) -> bool {
        let mut named: Vec<HostId> = self.devices.iter().filter_map(|device| device.host).collect();
        let devices = named.len();
        named.sort_unstable();
        named.dedup();
        let mut layers = self.models.iter().flat_map(|model| &model.layers);
        named.len() < devices || layers.any(|layer| layer.joined)
    }

    /// Bytes that the device has for layers of one model once its overhead and that model's
    /// activations are paid; `None` if not even those fit.
    pub fn room(&self, device: DeviceId, model: &Model) -> Option<Bytes> {
        let device = self.device(device);
        let fixed = device.overhead + model.activation;
        (fixed <= device.memory).then(|| device.memory - fixed)
    }

    /// Time to move the output of `model`'s `layer` between two devices.
    pub fn transfer(
        &self,
        model: &Model,
        layer: usize,
        from: DeviceId,
        to: DeviceId,
    ) -> Option<Nanos> {
        self.message_time(model, model.layers[layer].output, from, to)
    }

    /// Time from the source to the first layer's device.
    pub fn enter(&self, model: &Model, to: DeviceId) -> Option<Nanos> {
        self.message_time(model, model.enter, self.source, to)
    }

    /// Time from the last layer's device back to the source.
    pub fn leave(&self, model: &Model, from: DeviceId) -> Option<Nanos> {
        self.message_time(model, model.leave, from, self.source)
    }

    fn message_time(
        &self,
        model: &Model,
        message: usize,
        from: DeviceId,
        to: DeviceId,
    ) -> Option<Nanos> {
        model.messages[message].time[from.index() * self.devices.len() + to.index()]
    }
}

impl Model {
    /// Bytes of everything a plan of this model stores for `layer` with `option`, shared tensors
    /// included: exact for a device that holds one user of each shared tensor.
    pub fn bytes(&self, layer: usize, option: OptionId) -> Bytes {
        let layer = &self.layers[layer];
        let option = &layer.options[option.index()];
        let shared = option.shared.map_or(Bytes::ZERO, |shared| self.shared[shared]);
        layer.kv + option.bytes + shared
    }

    /// Time of one request in `layer`, or `None` where `device` may not or cannot run it so.
    pub fn compute(&self, layer: usize, device: DeviceId, option: OptionId) -> Option<Nanos> {
        let layer = &self.layers[layer];
        let allowed = layer.pin.is_none_or(|pin| pin == device);
        if allowed { layer.options[option.index()].compute[device.index()] } else { None }
    }

    /// All options' ids of a layer.
    pub fn option_ids(
        &self,
        layer: usize,
    ) -> impl DoubleEndedIterator<Item = OptionId> + Clone + use<> {
        (0..self.layers[layer].options.len()).map(|index| OptionId(index as u16))
    }
}

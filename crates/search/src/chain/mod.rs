//! One model's chain as arrays: what each layer costs on each device in each option, and each hop.
//!
//! Costs are whole numbers held in `f64` (exact below 2^53), multiplied by a power of two so that
//! rounding a multiplier's product down loses nothing that matters.

use edgeplan_problem::deployment::{Deployment, DeviceId, Model, OptionId, Placement};

/// Costs of plans stay below this, scaled or not: sums of them and of prices are exact.
pub(crate) const COST_MAX: f64 = (1u64 << 50) as f64;
/// An amount without a limit.
pub(crate) const UNLIMITED: u64 = u64::MAX;
/// No plan of a checked instance takes as much of anything: a limit of as much is none.
const ABSURD: u64 = 1 << 62;

/// The least of some limits.
fn least(limits: impl IntoIterator<Item = Option<u64>>) -> u64 {
    let limits = limits.into_iter().flatten();
    limits.min().filter(|&limit| limit < ABSURD).unwrap_or(UNLIMITED)
}

/// What one of so many requests may take of a limit on all.
fn of_one(limit: u64, weight: u32) -> u64 {
    if limit == UNLIMITED { UNLIMITED } else { limit / u64::from(weight) }
}

/// One usable way to hold a layer on a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) option: OptionId,
    /// What it adds to the objective for certain, scaled.
    pub(crate) cost: f64,
    /// Bytes that it takes of its device's memory for certain: weights and KV cache.
    pub(crate) bytes: u64,
    /// A tensor that the device stores once for all who need it.
    pub(crate) shared: Option<u8>,
    /// Quality lost.
    pub(crate) loss: u64,
    /// Compute time of one request.
    pub(crate) time: u64,
}

/// A step to another device after a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) to: usize,
    /// What it adds to the objective, the arrival on the new device included; scaled.
    pub(crate) cost: f64,
    /// Time that the message takes.
    pub(crate) time: u64,
    /// Bytes of the message.
    pub(crate) bytes: u64,
}

/// A tensor that several layers need and a device stores once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    pub(crate) bytes: u64,
    /// What storing it adds to the objective, scaled.
    pub(crate) cost: f64,
}

/// What a device offers to one run of layers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// Bytes for layers, once overhead and activations are paid.
    pub(crate) bytes: u64,
    /// Most compute time of the run, by one request; or [`UNLIMITED`].
    pub(crate) time: u64,
    /// Which of the two the tables follow; labels follow both.
    pub(crate) scarce: Scarce,
}

/// The resource of a run that ends first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scarce {
    #[default]
    Bytes,
    Time,
}

impl Room {
    /// How much of the scarce resource there is.
    pub(crate) fn whole(&self) -> u64 {
        match self.scarce {
            Scarce::Bytes => self.bytes,
            Scarce::Time => self.time,
        }
    }

    /// How much of it a choice takes.
    pub(crate) fn taken(&self, choice: &Choice) -> u64 {
        match self.scarce {
            Scarce::Bytes => choice.bytes,
            Scarce::Time => choice.time,
        }
    }
}

/// What a chain's costs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Time of a request.
    Latency,
    /// Bytes in use.
    Memory,
    /// Quality lost.
    Loss,
}

/// The chain of one model.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) layers: usize,
    pub(crate) devices: usize,
    /// One unit of the objective in scaled units.
    pub(crate) scale: f64,
    /// No plan costs more, scaled.
    pub(crate) most: f64,
    /// `choices[layer * devices + device]`.
    pub(crate) choices: Vec<Vec<Choice>>,
    /// `hops[layer * devices + device]`: where the chain can go after that layer.
    pub(crate) hops: Vec<Vec<Hop>>,
    /// The way in, by device of the first layer.
    pub(crate) enter: Vec<Option<Hop>>,
    /// The way out, by device of the last layer.
    pub(crate) leave: Vec<Option<Hop>>,
    pub(crate) room: Vec<Room>,
    /// Whether a device may be visited only once.
    pub(crate) once: bool,
    pub(crate) shared: Vec<Shared>,
    /// Where requests start, and what it may send in all: time and bytes of one request, each
    /// perhaps [`UNLIMITED`].
    pub(crate) source: usize,
    pub(crate) source_limit: (u64, u64),
    /// Most loss, or [`UNLIMITED`].
    pub(crate) loss_max: u64,
    /// Most time of a request, where it is limited besides the objective.
    pub(crate) time_max: Option<u64>,
    /// `class[device]`: the first device that is like it in everything.
    pub(crate) class: Vec<usize>,
    /// Devices that every plan of interest visits.
    pub(crate) required: Vec<bool>,
}

impl Chain {
    /// States the only model of an instance as arrays. `time_run_max` bounds compute of a run and
    /// each message, besides the instance's own limits.
    pub(crate) fn new(instance: &Deployment, cost: Measure, time_run_max: Option<u64>) -> Self {
        let builder = Builder { instance, model: &instance.models[0], cost, time_run_max };
        let mut chain = builder.chain();
        chain.rescale(scale(chain.most));
        chain
    }

    /// States every model of an instance as arrays, all on the same scale. Other models and further
    /// visits may share what a device needs once.
    pub(crate) fn all(instance: &Deployment, cost: Measure) -> Vec<Self> {
        let builder = |model| Builder { instance, model, cost, time_run_max: None };
        let mut chains: Vec<Self> =
            instance.models.iter().map(|model| builder(model).chain()).collect();
        // What devices need once is in no chain, and yet a part of plans' costs.
        let fixed = if cost == Measure::Memory { fixed(instance) } else { 0.0 };
        let scale = scale(chains.iter().map(|chain| chain.most).sum::<f64>() + fixed);
        for chain in &mut chains {
            chain.rescale(scale);
        }
        chains
    }

    /// More than any plan of the instance costs, in units of that cost.
    pub(crate) fn dearest(instance: &Deployment, cost: Measure) -> f64 {
        let builder = |model| Builder { instance, model, cost, time_run_max: None };
        let most = instance.models.iter().map(|model| builder(model).chain().most);
        most.sum::<f64>() + if cost == Measure::Memory { fixed(instance) } else { 0.0 }
    }

    /// Whether all layers together would fill a device's memory or its time first. Time that is
    /// not limited never ends, however few bytes there are to compare it with.
    fn scarce(&self, device: usize) -> Scarce {
        let room = self.room[device];
        if room.time == UNLIMITED {
            return Scarce::Bytes;
        }
        let least = |amount: fn(&Choice) -> u64| {
            let places = (0..self.layers).map(|layer| &self.choices[self.at(layer, device)]);
            places.filter_map(|choices| choices.iter().map(amount).min()).sum::<u64>() as f64
        };
        let bytes = least(|choice| choice.bytes) / room.bytes.max(1) as f64;
        let time = least(|choice| choice.time) / room.time.max(1) as f64;
        if time > bytes { Scarce::Time } else { Scarce::Bytes }
    }

    pub(crate) fn at(&self, layer: usize, device: usize) -> usize {
        layer * self.devices + device
    }

    /// Whether the source, where the chain does not start, may send this as well as the prompt.
    pub(crate) fn source_may_send(&self, first: usize, hop: &Hop) -> bool {
        let Some(enter) = self.enter[first] else { return false };
        enter.time + hop.time <= self.source_limit.0
            && enter.bytes + hop.bytes <= self.source_limit.1
    }

    /// Whether the only layers with a shared tensor are the first and the last.
    pub(crate) fn ends_share(&self) -> bool {
        let inner = self.devices..(self.layers - 1).max(1) * self.devices;
        let mut inner = self.choices[inner].iter().flatten();
        self.layers > 1 && !self.shared.is_empty() && inner.all(|choice| choice.shared.is_none())
    }

    /// The same chain with each shared tensor counted with each layer that needs it.
    pub(crate) fn with_shared_counted(&self) -> Self {
        let mut chain = self.clone();
        for (place, choices) in chain.choices.iter_mut().enumerate() {
            let room = self.room[place % self.devices].bytes;
            for choice in choices.iter_mut() {
                if let Some(shared) = choice.shared.take() {
                    choice.bytes += self.shared[usize::from(shared)].bytes;
                    choice.cost += self.shared[usize::from(shared)].cost;
                }
            }
            choices.retain(|choice| choice.bytes <= room);
        }
        chain
    }

    /// The chain on one device.
    pub(crate) fn only(&self, device: usize) -> Self {
        let mut chain = self.clone();
        for (place, choices) in chain.choices.iter_mut().enumerate() {
            if place % self.devices != device {
                choices.clear();
            }
        }
        chain.hops.iter_mut().for_each(Vec::clear);
        chain
    }

    fn rescale(&mut self, scale: f64) {
        self.scale = scale;
        self.most *= scale;
        for choice in self.choices.iter_mut().flatten() {
            choice.cost *= scale;
        }
        for shared in &mut self.shared {
            shared.cost *= scale;
        }
        let ends = self.enter.iter_mut().chain(&mut self.leave).flatten();
        for hop in self.hops.iter_mut().flatten().chain(ends) {
            hop.cost *= scale;
        }
    }
}

/// No plan costs more.
fn most(chain: &Chain) -> f64 {
    let layer = |layer: usize| {
        let places = layer * chain.devices..(layer + 1) * chain.devices;
        let choices = chain.choices[places.clone()].iter().flatten().map(|choice| choice.cost);
        let hops = chain.hops[places].iter().flatten().map(|hop| hop.cost);
        choices.fold(0.0, f64::max) + hops.fold(0.0, f64::max)
    };
    let ends = chain.enter.iter().chain(&chain.leave).flatten().map(|hop| hop.cost);
    let shared = chain.shared.iter().map(|shared| shared.cost).sum::<f64>();
    let shared = shared * chain.devices as f64;
    (0..chain.layers).map(layer).sum::<f64>() + 2.0 * ends.fold(0.0, f64::max) + shared
}

/// Bytes that all devices need once, with every model on each.
fn fixed(instance: &Deployment) -> f64 {
    let overheads: f64 = instance.devices.iter().map(|device| device.overhead.as_f64()).sum();
    let buffers: f64 = instance.models.iter().map(|model| model.activation.as_f64()).sum();
    overheads + buffers * instance.devices.len() as f64
}

/// The largest power of two that keeps every sum exact.
fn scale(most: f64) -> f64 {
    let exponent = (COST_MAX / most.max(1.0)).log2().floor().clamp(0.0, 40.0);
    exponent.exp2()
}

struct Builder<'a> {
    instance: &'a Deployment,
    model: &'a Model,
    cost: Measure,
    time_run_max: Option<u64>,
}

impl Builder<'_> {
    fn chain(&self) -> Chain {
        let (layers, devices) = (self.model.layers.len(), self.instance.devices.len());
        let places = || (0..layers).flat_map(|l| (0..devices).map(move |d| (l, d)));
        let room: Vec<Room> = (0..devices).map(|device| self.room(device)).collect();
        let choices: Vec<Vec<Choice>> =
            places().map(|(layer, device)| self.choices(layer, device, room[device])).collect();
        let present = |layer: usize, device: usize| !choices[layer * devices + device].is_empty();
        let hops = places().map(|(layer, from)| {
            if layer + 1 == layers || !present(layer, from) {
                return Vec::new();
            }
            let targets = (0..devices).filter(|&to| to != from && present(layer + 1, to));
            targets.filter_map(|to| self.hop(layer, from, to)).collect()
        });
        let hops = hops.collect();
        let enter = (0..devices).map(|device| self.enter(device)).collect();
        let leave = (0..devices).map(|device| self.leave(device)).collect();
        // A limit on the latency is one on the cost, where that is the latency.
        let latency = self.cost == Measure::Latency;
        let time_max = self.instance.latency_max.filter(|_| !latency).map(|limit| limit.0);
        let time_max = time_max.filter(|&limit| limit < ABSURD);
        let mut chain = Chain {
            layers,
            devices,
            scale: 1.0,
            most: 0.0,
            choices,
            hops,
            enter,
            leave,
            room,
            once: self.instance.placement == Placement::Contiguous,
            shared: self.model.shared.iter().map(|bytes| self.shared(bytes.0)).collect(),
            source: self.instance.source.index(),
            source_limit: self.sending_limit(self.instance.source.index()),
            loss_max: least([self.model.loss_max.map(|loss| loss.0)]),
            time_max,
            class: (0..devices).map(|device| self.class(device)).collect(),
            required: vec![false; devices],
        };
        for device in 0..devices {
            chain.room[device].scarce = chain.scarce(device);
        }
        chain.most = most(&chain);
        chain
    }

    /// Bytes and time that a run may use; nothing where not even the fixed parts fit.
    fn room(&self, device: usize) -> Room {
        let id = DeviceId(device as u16);
        let limits = [
            self.instance.device(id).compute_max.map(|limit| limit.0),
            self.instance.bottleneck_max.map(|limit| limit.0),
            self.time_run_max,
        ];
        let time = of_one(least(limits), self.model.weight);
        let bytes = self.instance.room(id, self.model).map_or(0, |bytes| bytes.0);
        Room { bytes, time, scarce: Scarce::Bytes }
    }

    /// The usable options of a layer on a device that no other one beats; the first of equals
    /// stays.
    fn choices(&self, layer: usize, device: usize, room: Room) -> Vec<Choice> {
        let id = DeviceId(device as u16);
        if self.instance.room(id, self.model).is_none() {
            return Vec::new();
        }
        let options = self.model.option_ids(layer).filter_map(|option| {
            let time = self.model.compute(layer, id, option)?.0;
            let stored = &self.model.layers[layer].options[option.index()];
            let bytes = (stored.bytes + self.model.layers[layer].kv).0;
            let loss = stored.loss.0;
            let shared = stored.shared.map(|shared| shared as u8);
            let cost = match self.cost {
                Measure::Latency => (time * u64::from(self.model.weight)) as f64,
                Measure::Memory => bytes as f64,
                Measure::Loss => loss as f64,
            };
            (bytes <= room.bytes && time <= room.time).then_some(Choice {
                option,
                cost,
                bytes,
                shared,
                loss,
                time,
            })
        });
        let mut options: Vec<Choice> = options.collect();
        options.sort_by_key(|choice| (choice.bytes, choice.time, choice.loss, choice.option));
        let mut kept: Vec<Choice> = Vec::new();
        for choice in options {
            let beaten = kept.iter().any(|k| {
                k.shared == choice.shared && k.time <= choice.time && k.loss <= choice.loss
            });
            if !beaten {
                kept.push(choice);
            }
        }
        kept
    }

    /// A message of the model, or nothing where there is no way or a limit forbids it.
    fn message(&self, message: usize, from: usize, to: usize) -> Option<Hop> {
        let devices = self.instance.devices.len();
        let message = &self.model.messages[message];
        let time = message.time[from * devices + to]?.0;
        let weight = u64::from(self.model.weight);
        let (time_max, bytes_max) = self.sending_limit(from);
        if from != to && (time > time_max || message.bytes.0 > bytes_max) {
            return None;
        }
        let cost = match self.cost {
            Measure::Latency => (time * weight) as f64,
            Measure::Memory | Measure::Loss => 0.0,
        };
        Some(Hop { to, cost, time, bytes: message.bytes.0 })
    }

    /// Most time and bytes that a device may send, by one request.
    fn sending_limit(&self, device: usize) -> (u64, u64) {
        let weight = self.model.weight;
        let time = [self.instance.bottleneck_max.map(|limit| limit.0), self.time_run_max];
        let bytes = self.instance.device(DeviceId(device as u16)).traffic_max;
        (of_one(least(time), weight), of_one(least([bytes.map(|limit| limit.0)]), weight))
    }

    /// A tensor of that many bytes.
    fn shared(&self, bytes: u64) -> Shared {
        let cost = match self.cost {
            Measure::Memory => bytes as f64,
            Measure::Latency | Measure::Loss => 0.0,
        };
        Shared { bytes, cost }
    }

    /// What arriving on a device adds to the objective besides its layers.
    fn arrival(&self, device: usize) -> f64 {
        let shared = self.instance.models.len() > 1 || self.instance.placement == Placement::Free;
        match self.cost {
            Measure::Memory if !shared => {
                let overhead = self.instance.device(DeviceId(device as u16)).overhead;
                (overhead + self.model.activation).as_f64()
            }
            _ => 0.0,
        }
    }

    fn hop(&self, layer: usize, from: usize, to: usize) -> Option<Hop> {
        let mut hop = self.message(self.model.layers[layer].output, from, to)?;
        hop.cost += self.arrival(to);
        Some(hop)
    }

    fn enter(&self, device: usize) -> Option<Hop> {
        let source = self.instance.source.index();
        let mut hop = self.message(self.model.enter, source, device)?;
        hop.cost += self.arrival(device);
        Some(hop)
    }

    fn leave(&self, device: usize) -> Option<Hop> {
        self.message(self.model.leave, device, self.instance.source.index())
    }

    /// The first device that could change places with this one without anything changing.
    fn class(&self, device: usize) -> usize {
        let alike = |&other: &usize| {
            self.instance.are_alike(DeviceId(other as u16), DeviceId(device as u16))
        };
        (0..device).find(alike).unwrap_or(device)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use edgeplan_problem::deployment::{Device, Layer, LayerOption, Message, Objective};
    use edgeplan_problem::{Bytes, Loss, Nanos};

    use super::*;

    /// A model of one-option layers, `(bytes, time)` each, the same on all devices of that memory;
    /// messages take no time.
    pub(crate) fn question(memory: &[u64], layers: &[(u64, u64)]) -> Deployment {
        let devices = memory.len();
        let layer = |(index, &(bytes, time)): (usize, &(u64, u64))| {
            let compute = vec![Some(Nanos(time)); devices];
            let (recipe, bytes, loss) = ("r".to_owned(), Bytes(bytes), Loss::ZERO);
            let option = LayerOption { recipe, bytes, shared: None, loss, compute };
            let name = format!("l{index}");
            Layer { name, options: vec![option], kv: Bytes::ZERO, pin: None, output: 0 }
        };
        let device = |(index, &memory): (usize, &u64)| Device {
            name: format!("d{index}"),
            memory: Bytes(memory),
            overhead: Bytes::ZERO,
            compute_max: None,
            traffic_max: None,
        };
        let model = Model {
            name: "m".into(),
            weight: 1,
            layers: layers.iter().enumerate().map(layer).collect(),
            loss_max: None,
            activation: Bytes::ZERO,
            shared: Vec::new(),
            messages: vec![Message {
                bytes: Bytes::ZERO,
                time: vec![Some(Nanos::ZERO); devices * devices],
            }],
            enter: 0,
            leave: 0,
        };
        let question = Deployment {
            name: "t".into(),
            objective: Objective::Latency,
            placement: Placement::Contiguous,
            source: DeviceId(0),
            devices: memory.iter().enumerate().map(device).collect(),
            models: vec![model],
            latency_max: None,
            bottleneck_max: None,
        };
        question.checked().expect("the question makes sense")
    }

    #[test]
    fn time_without_a_limit_is_never_scarce() {
        for memory in [0, 7] {
            let question = question(&[memory], &[(0, 5), (0, 1 << 40)]);
            let chain = Chain::new(&question, Measure::Latency, None);
            assert_eq!(chain.room[0].scarce, Scarce::Bytes);
            assert_eq!(chain.room[0].whole(), memory);
        }
    }

    #[test]
    fn limits_that_nothing_reaches_are_none_whatever_the_weight() {
        for limit in [u64::MAX, u64::MAX - 1, 1 << 62] {
            let mut question = question(&[9, 9], &[(1, 1), (1, 1)]);
            question.models[0].weight = 3;
            question.models[0].loss_max = Some(Loss(limit));
            question.bottleneck_max = Some(Nanos(limit));
            question.latency_max = Some(Nanos(limit));
            for device in &mut question.devices {
                device.compute_max = Some(Nanos(limit));
                device.traffic_max = Some(Bytes(limit));
            }
            let question = question.checked().expect("limits may be anything");
            let chain = Chain::new(&question, Measure::Memory, Some(1 << 62));
            assert!(chain.room.iter().all(|room| room.time == UNLIMITED), "{:?}", chain.room);
            assert_eq!(chain.source_limit, (UNLIMITED, UNLIMITED));
            assert_eq!((chain.loss_max, chain.time_max), (UNLIMITED, None));
        }
    }

    #[test]
    fn a_limit_on_all_requests_is_shared_by_them() {
        let mut question = question(&[9], &[(1, 1)]);
        question.models[0].weight = 3;
        question.devices[0].compute_max = Some(Nanos(8));
        let question = question.checked().expect("the question makes sense");
        assert_eq!(Chain::new(&question, Measure::Latency, None).room[0].time, 2);
    }

    #[test]
    fn what_devices_need_once_counts_towards_exact_sums() {
        let mut question = question(&[1 << 40], &[(1, 1)]);
        question.objective = Objective::Memory;
        question.placement = Placement::Free;
        question.devices[0].overhead = Bytes(1 << 39);
        let chain = &Chain::all(&question, Measure::Memory)[0];
        assert!(chain.scale * ((1u64 << 39) + 1) as f64 <= COST_MAX, "{}", chain.scale);
        assert!(Chain::dearest(&question, Measure::Memory) >= ((1u64 << 39) + 1) as f64);
    }
}

//! One model's chain as arrays: what each layer costs on each device in each option, and each hop.
//!
//! Costs are whole numbers held in `f64` (exact below 2^53), multiplied by a power of two so that
//! rounding a multiplier's product down loses nothing that matters.

mod build;
mod limit;
mod reduce;

use edgeplan_problem::deployment::{Assignment, Deployment, OptionId};

pub(crate) use build::Builder;
pub(crate) use limit::Limit;

/// Costs of plans stay below this, scaled or not: sums of them and of prices are exact.
pub(crate) const COST_MAX: f64 = (1u64 << 50) as f64;
/// Sets of devices are bits of this.
pub(crate) type DeviceSet = u128;

/// Devices that a set can hold.
pub(crate) const DEVICES_MAX: usize = DeviceSet::BITS as usize;

/// One usable way to hold a layer on a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) option: OptionId,
    /// What it adds to the objective for certain, scaled.
    pub(crate) cost: f64,
    /// Bytes that it takes of its device's memory for certain: weights and KV cache.
    pub(crate) bytes: u64,
    /// A tensor that the device stores once for all layers that need it.
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes for layers, once overhead and activations are paid.
    pub(crate) bytes: u64,
    /// Most compute time of the run, by one request.
    pub(crate) time: Limit,
    /// Which of the two the tables follow; labels follow both.
    pub(crate) scarce: Scarce,
}

/// The resource of a run that ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scarce {
    Bytes,
    /// That much time, which is a limit's.
    Time(u64),
}

impl Room {
    /// How much of the scarce resource there is.
    pub(crate) fn whole(&self) -> u64 {
        match self.scarce {
            Scarce::Bytes => self.bytes,
            Scarce::Time(whole) => whole,
        }
    }

    /// How much of it a choice takes.
    pub(crate) fn taken(&self, choice: &Choice) -> u64 {
        match self.scarce {
            Scarce::Bytes => choice.bytes,
            Scarce::Time(_) => choice.time,
        }
    }
}

/// What a device may send, by one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendingLimit {
    pub(crate) time: Limit,
    pub(crate) bytes: Limit,
}

impl SendingLimit {
    /// Whether there is no limit.
    pub(crate) fn is_none(self) -> bool {
        self.time == Limit::NONE && self.bytes == Limit::NONE
    }

    fn allows(self, time: u64, bytes: u64) -> bool {
        self.time.allows(time) && self.bytes.allows(bytes)
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
    pub(crate) cost_max: f64,
    /// `choices[layer * devices + device]`.
    pub(crate) choices: Vec<Vec<Choice>>,
    /// `hops[layer * devices + device]`: where the chain can go after that layer.
    pub(crate) hops: Vec<Vec<Hop>>,
    /// The way in, by device of the first layer.
    pub(crate) ingress: Vec<Option<Hop>>,
    /// The way out, by device of the last layer.
    pub(crate) egress: Vec<Option<Hop>>,
    pub(crate) room: Vec<Room>,
    /// Whether a device may be visited only once: placement is contiguous, and no host has several.
    pub(crate) contiguous: bool,
    /// Whether bytes on devices have prices: where memory is not one run's alone, and on one
    /// device, whose grid is coarse for hundreds of layers of unlike sizes. On several devices of
    /// one run each they do not help: of 50 layers on 14 devices with memory at 1.05 of the need,
    /// one proof in 5.1 s was left at 0.2 % after 10 s.
    pub(crate) prices_bytes: bool,
    pub(crate) shared: Vec<Shared>,
    /// Where requests start, and what it may send in all.
    pub(crate) source: usize,
    pub(crate) source_limit: SendingLimit,
    /// Most loss.
    pub(crate) loss_max: Limit,
    /// Most time of a request, where it is limited besides the objective.
    pub(crate) time_max: Option<u64>,
    /// `class[device]`: the first device that is like it in everything. Of devices alike, plans use
    /// the first ones first, so that no plan is looked at twice with names changed.
    pub(crate) class: Vec<usize>,
    /// Devices that every plan of interest visits.
    pub(crate) required: Vec<bool>,
}

impl Chain {
    /// States the only model of an instance as arrays. `time_run_max` bounds compute of a run and
    /// each message, besides the instance's own limits.
    pub(crate) fn new(instance: &Deployment, cost: Measure, time_run_max: Option<u64>) -> Self {
        let model = &instance.models[0];
        let mut chain = Builder::new(instance, model, cost, time_run_max).chain();
        chain.rescale(scale(chain.cost_max));
        chain
    }

    /// States every model of an instance as arrays, all on the same scale. Other models and further
    /// visits may share what a device needs once.
    pub(crate) fn all(instance: &Deployment, cost: Measure) -> Vec<Self> {
        let builder = |model| Builder::new(instance, model, cost, None);
        let mut chains: Vec<Self> =
            instance.models.iter().map(|model| builder(model).chain()).collect();
        // What devices need once is in no chain, and yet a part of plans' costs.
        let fixed = if cost == Measure::Memory { fixed(instance) } else { 0.0 };
        let scale = scale(chains.iter().map(|chain| chain.cost_max).sum::<f64>() + fixed);
        for chain in &mut chains {
            chain.rescale(scale);
        }
        chains
    }

    /// More than any plan of the instance costs, in units of that cost.
    pub(crate) fn cost_max_of(instance: &Deployment, cost: Measure) -> f64 {
        let builder = |model| Builder::new(instance, model, cost, None);
        let most = instance.models.iter().map(|model| builder(model).chain().cost_max);
        most.sum::<f64>() + if cost == Measure::Memory { fixed(instance) } else { 0.0 }
    }

    /// Whether all layers together would fill a device's memory or its time first. Time that is
    /// not limited never ends, however few bytes there are to compare it with.
    fn scarce(&self, device: usize) -> Scarce {
        let room = self.room[device];
        let Some(time_max) = room.time.get() else { return Scarce::Bytes };
        let least = |amount: fn(&Choice) -> u64| {
            let places = (0..self.layers).map(|layer| &self.choices[self.at(layer, device)]);
            places.filter_map(|choices| choices.iter().map(amount).min()).sum::<u64>() as f64
        };
        let bytes = least(|choice| choice.bytes) / room.bytes.max(1) as f64;
        let time = least(|choice| choice.time) / time_max.max(1) as f64;
        if time > bytes { Scarce::Time(time_max) } else { Scarce::Bytes }
    }

    /// The device, if only one can hold the first layer and nothing leads from it.
    pub(crate) fn sole(&self) -> Option<usize> {
        let mut first = (0..self.devices).filter(|&device| !self.choices[device].is_empty());
        let sole = first.next().filter(|_| first.next().is_none())?;
        let leads = |layer: usize| !self.hops[self.at(layer, sole)].is_empty();
        (!(0..self.layers).any(leads)).then_some(sole)
    }

    /// The index of a place: a layer and a device.
    pub(crate) fn at(&self, layer: usize, device: usize) -> usize {
        layer * self.devices + device
    }

    /// The choice that holds a layer as a path assigns it; none if it has left the chain.
    pub(crate) fn choice(&self, layer: usize, assigned: Assignment) -> Option<&Choice> {
        let choices = &self.choices[self.at(layer, assigned.device.index())];
        choices.iter().find(|choice| choice.option == assigned.option)
    }

    /// Whether the source, where the chain does not start, may send this as well as the prompt.
    pub(crate) fn source_may_send(&self, first: usize, hop: &Hop) -> bool {
        let Some(prompt) = self.ingress[first] else { return false };
        self.source_limit.allows(prompt.time + hop.time, prompt.bytes + hop.bytes)
    }

    /// Whether the only layers with a shared tensor are the first and the last.
    pub(crate) fn ends_share(&self) -> bool {
        let inner = self.devices..(self.layers - 1).max(1) * self.devices;
        let mut inner = self.choices[inner].iter().flatten();
        self.layers > 1 && !self.shared.is_empty() && inner.all(|choice| choice.shared.is_none())
    }

    /// The same chain on a scale that is smaller by so many powers of two, as far as costs stay
    /// whole numbers: sums with prices that are larger than costs are exact then.
    pub(crate) fn coarser(mut self, bits: i32) -> Self {
        let scale = (self.scale * f64::from(-bits).exp2()).max(1.0);
        let factor = scale / self.scale;
        self.rescale(factor);
        self.scale = scale;
        self
    }

    fn rescale(&mut self, scale: f64) {
        self.scale = scale;
        self.cost_max *= scale;
        for choice in self.choices.iter_mut().flatten() {
            choice.cost *= scale;
        }
        for shared in &mut self.shared {
            shared.cost *= scale;
        }
        let ends = self.ingress.iter_mut().chain(&mut self.egress).flatten();
        for hop in self.hops.iter_mut().flatten().chain(ends) {
            hop.cost *= scale;
        }
    }
}

/// No plan costs more: the dearest choice and hop of every layer.
fn cost_max(chain: &Chain) -> f64 {
    let layer = |layer: usize| {
        let places = layer * chain.devices..(layer + 1) * chain.devices;
        let choices = chain.choices[places.clone()].iter().flatten().map(|choice| choice.cost);
        let hops = chain.hops[places].iter().flatten().map(|hop| hop.cost);
        choices.fold(0.0, f64::max) + hops.fold(0.0, f64::max)
    };
    let ends = chain.ingress.iter().chain(&chain.egress).flatten().map(|hop| hop.cost);
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

#[cfg(test)]
pub(crate) mod tests {
    use edgeplan_problem::deployment::{
        Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement,
    };
    use edgeplan_problem::{Bytes, Loss, Nanos, Problem as _};

    use super::*;

    /// A model of one-option layers, `(bytes, time)` each, the same on all devices of that memory;
    /// messages take no time.
    pub(crate) fn question(memory: &[u64], layers: &[(u64, u64)]) -> Deployment {
        let devices = memory.len();
        let layer = |(index, &(bytes, time)): (usize, &(u64, u64))| {
            let compute = vec![Some(Nanos(time)); devices];
            let (recipe, bytes, loss) = ("r".to_owned(), Bytes(bytes), Loss::ZERO);
            let option = LayerOption { recipe: recipe.into(), bytes, shared: None, loss, compute };
            let name = format!("l{index}");
            Layer {
                joined: false,
                role: name.into(),
                options: vec![option],
                kv: Bytes::ZERO,
                pin: None,
                output: 0,
            }
        };
        let device = |(index, &memory): (usize, &u64)| Device {
            host: None,
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
            hosts: Vec::new(),
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
            assert!(chain.room.iter().all(|room| room.time == Limit::NONE), "{:?}", chain.room);
            assert!(chain.source_limit.is_none());
            assert_eq!((chain.loss_max, chain.time_max), (Limit::NONE, None));
        }
    }

    #[test]
    fn a_limit_on_all_requests_is_shared_by_them() {
        let mut question = question(&[9], &[(1, 1)]);
        question.models[0].weight = 3;
        question.devices[0].compute_max = Some(Nanos(8));
        let question = question.checked().expect("the question makes sense");
        let chain = Chain::new(&question, Measure::Latency, None);
        assert_eq!(chain.room[0].time.get(), Some(2));
    }

    #[test]
    fn what_devices_need_once_counts_towards_exact_sums() {
        let mut question = question(&[1 << 40], &[(1, 1)]);
        question.objective = Objective::Memory;
        question.placement = Placement::Free;
        question.devices[0].overhead = Bytes(1 << 39);
        let chain = &Chain::all(&question, Measure::Memory)[0];
        assert!(chain.scale * ((1u64 << 39) + 1) as f64 <= COST_MAX, "{}", chain.scale);
        assert!(Chain::cost_max_of(&question, Measure::Memory) >= ((1u64 << 39) + 1) as f64);
    }

    #[test]
    fn costs_along_a_chain_are_those_of_the_evaluated_plan() {
        let mut question = question(&[9, 9, 9], &[(1, 5), (1, 7), (1, 11)]);
        for (pair, time) in question.models[0].messages[0].time.iter_mut().enumerate() {
            *time = Some(Nanos(if pair % 4 == 0 { 0 } else { 100 + pair as u64 }));
        }
        let question = question.checked().expect("the question makes sense");
        let chain = Chain::new(&question, Measure::Latency, None);
        let mut dearest = 0.0f64;
        let Ok(()) = question.try_each_plan::<std::convert::Infallible>(&mut |plan| {
            let devices: Vec<usize> =
                plan.models[0].iter().map(|assigned| assigned.device.index()).collect();
            let ends = [&chain.ingress[devices[0]], &chain.egress[devices[2]]];
            let mut cost: f64 = ends.iter().map(|hop| hop.expect("all are linked").cost).sum();
            for (layer, &assigned) in plan.models[0].iter().enumerate() {
                cost += chain.choice(layer, assigned).expect("everything fits").cost;
                if let Some(&next) = devices.get(layer + 1).filter(|&&next| next != devices[layer])
                {
                    let hops = &chain.hops[chain.at(layer, devices[layer])];
                    cost += hops.iter().find(|hop| hop.to == next).expect("all are linked").cost;
                }
            }
            assert_eq!(cost / chain.scale, question.evaluate(plan).cost.as_f64());
            dearest = dearest.max(cost);
            Ok(())
        });
        assert!(dearest > 0.0 && dearest <= chain.cost_max, "{dearest}, {}", chain.cost_max);
    }
}

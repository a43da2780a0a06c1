//! The deployment as arrays: what each layer may cost on each device, and each message.

use edgeplan_problem::deployment::{Deployment, DeviceId, Objective, OptionId, Placement};

use crate::domain::Domain;

/// What cannot be; what can be costs less, and sums of a few of these do not overflow.
pub(crate) const NEVER: i64 = 1 << 60;

/// One way to hold a layer on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) option: OptionId,
    /// Bytes that only this layer needs: weights and KV cache.
    pub(crate) bytes: u64,
    /// A tensor that the device stores once for all layers of the model that need it.
    pub(crate) shared: Option<usize>,
    pub(crate) loss: u64,
    /// Compute time of one request.
    pub(crate) time: u64,
}

/// The deployment as arrays. Layers of all models are numbered in one row (`slot`); a layer on a
/// device is a place: `slot * devices + device`.
pub(crate) struct Question<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) devices: usize,
    /// First slot of each model, and the number of slots.
    pub(crate) starts: Vec<usize>,
    /// Model of each slot.
    pub(crate) model_of: Vec<usize>,
    /// By place.
    pub(crate) choices: Vec<Vec<Choice>>,
    /// The most options of a layer.
    pub(crate) options: usize,
    /// Costs are multiplied by two to the power of this, so that prices are finer than costs.
    pub(crate) shift: u32,
    /// Prices of places, and what a multiplier adds to one layer, are at most this.
    pub(crate) price_max: i64,
    /// No plan costs more.
    pub(crate) cost_max: u64,
}

impl<'a> Question<'a> {
    pub(crate) fn new(deployment: &'a Deployment) -> Self {
        let devices = deployment.devices.len();
        let mut starts = vec![0];
        let mut model_of = Vec::new();
        let mut choices = Vec::new();
        for (index, model) in deployment.models.iter().enumerate() {
            for layer in 0..model.layers.len() {
                model_of.push(index);
                for device in deployment.device_ids() {
                    choices.push(usable(deployment, index, layer, device));
                }
            }
            starts.push(model_of.len());
        }
        let slots = model_of.len();
        let price_max = NEVER / (16 * (slots + deployment.models.len() + devices + 2) as i64);
        let cost_max = cost_max(deployment);
        let room = (price_max / 8) as u64 / cost_max.max(1);
        let shift = room.checked_ilog2().unwrap_or(0).min(24);
        let layers = deployment.models.iter().flat_map(|model| &model.layers);
        let options = layers.map(|layer| layer.options.len()).max().unwrap_or(0);
        Self { deployment, devices, starts, model_of, choices, options, shift, price_max, cost_max }
    }

    /// Whether sums of prices are exact.
    pub(crate) fn is_exact(&self) -> bool {
        self.cost_max <= (self.price_max / 8) as u64
    }

    /// The most choices of a place.
    pub(crate) fn choices_max(&self) -> usize {
        self.choices.iter().map(Vec::len).max().unwrap_or(0)
    }

    pub(crate) fn slots(&self) -> usize {
        self.model_of.len()
    }

    pub(crate) fn models(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn place(&self, slot: usize, device: usize) -> usize {
        slot * self.devices + device
    }

    /// Position of a slot's option in a row of all.
    pub(crate) fn option(&self, slot: usize, option: OptionId) -> usize {
        slot * self.options + option.index()
    }

    /// Slots of a model.
    pub(crate) fn slots_of(&self, model: usize) -> std::ops::Range<usize> {
        self.starts[model]..self.starts[model + 1]
    }

    pub(crate) fn is_contiguous(&self) -> bool {
        self.deployment.placement == Placement::Contiguous
    }

    pub(crate) fn weight(&self, model: usize) -> u64 {
        u64::from(self.deployment.models[model].weight)
    }

    /// What holding a layer so adds to the objective for certain.
    pub(crate) fn cost(&self, slot: usize, choice: &Choice) -> u64 {
        match self.deployment.objective {
            Objective::Latency => self.weight(self.model_of[slot]) * choice.time,
            Objective::Memory => choice.bytes,
            Objective::Bottleneck => 0,
        }
    }

    /// A scaled cost as a number.
    pub(crate) fn in_costs(&self, scaled: i128) -> f64 {
        scaled as f64 / (1u64 << self.shift) as f64
    }

    /// What a byte stored costs.
    pub(crate) fn byte_cost(&self) -> u64 {
        u64::from(self.deployment.objective == Objective::Memory)
    }

    /// Every place and choice.
    pub(crate) fn whole(&self) -> Domain {
        Domain::new(self.choices.iter().map(Vec::len))
    }

    /// Most compute time per round on a device, beside what the objective allows.
    pub(crate) fn compute_max(&self, device: usize) -> Option<u64> {
        let own = self.deployment.devices[device].compute_max;
        own.into_iter().chain(self.deployment.bottleneck_max).min().map(|limit| limit.0)
    }
}

/// The choices of a layer on a device that no other one beats.
fn usable(deployment: &Deployment, model: usize, layer: usize, device: DeviceId) -> Vec<Choice> {
    let owner = &deployment.models[model];
    let held = &owner.layers[layer];
    let Some(room) = deployment.room(device, owner) else { return Vec::new() };
    let all: Vec<Choice> = owner
        .option_ids(layer)
        .filter_map(|id| {
            let option = &held.options[id.index()];
            let time = owner.compute(layer, device, id)?.0;
            // What alone breaks a limit is in no plan, and its row would have a coefficient beyond
            // what HiGHS takes.
            let fits = owner.bytes(layer, id) <= room
                && owner.loss_max.is_none_or(|max| option.loss <= max)
                && deployment.latency_max.is_none_or(|max| time <= max.0);
            let bytes = (held.kv + option.bytes).0;
            let choice =
                Choice { option: id, bytes, shared: option.shared, loss: option.loss.0, time };
            fits.then_some(choice)
        })
        .collect();
    let beats = |one: &Choice, other: &Choice| {
        one.shared == other.shared
            && one.bytes <= other.bytes
            && one.loss <= other.loss
            && one.time <= other.time
    };
    let kept = |index: usize| {
        let this = &all[index];
        !all.iter().enumerate().any(|(other, choice)| {
            other != index && beats(choice, this) && (other < index || !beats(this, choice))
        })
    };
    (0..all.len()).filter(|&index| kept(index)).map(|index| all[index]).collect()
}

/// No plan costs more; at most 2^62, as the instance was checked.
fn cost_max(deployment: &Deployment) -> u64 {
    let mut sum = 0u128;
    let devices = deployment.devices.len() as u128;
    for model in &deployment.models {
        let weight = u128::from(model.weight);
        let longest = |index: usize| {
            let times = model.messages[index].time.iter().flatten();
            u128::from(times.max().map_or(0, |time| time.0))
        };
        for (layer, held) in model.layers.iter().enumerate() {
            let options = held.options.iter();
            sum += match deployment.objective {
                Objective::Memory => {
                    let most = model.option_ids(layer).map(|id| model.bytes(layer, id).0).max();
                    u128::from(most.unwrap_or(0))
                }
                Objective::Latency | Objective::Bottleneck => {
                    let times = options.flat_map(|option| option.compute.iter().flatten());
                    let longest_run = times.max().map_or(0, |time| time.0);
                    weight * (u128::from(longest_run) + longest(held.output))
                }
            };
        }
        sum += match deployment.objective {
            Objective::Memory => u128::from(model.activation.0) * devices,
            _ => weight * (longest(model.enter) + longest(model.leave)),
        };
    }
    if deployment.objective == Objective::Memory {
        sum += deployment.devices.iter().map(|d| u128::from(d.overhead.0)).sum::<u128>();
    }
    u64::try_from(sum).unwrap_or(u64::MAX)
}

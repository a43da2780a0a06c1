//! What paths of one model cost, in whole numbers that cannot overflow.

use edgeplan_problem::deployment::{Deployment, DeviceId, Model, Objective, OptionId};
use edgeplan_problem::{Cost, Nanos};

use crate::{LOSS_PARTS, NONE};

/// A number of a path is this at most; more would only make the path dearer.
pub(crate) const CAP: i128 = 1 << 80;

/// The one model of an instance, whose costs are counted in parts of 2^-`bits`.
#[derive(Clone, Copy)]
pub(crate) struct Scale<'a> {
    pub(crate) instance: &'a Deployment,
    pub(crate) model: &'a Model,
    pub(crate) bits: u32,
}

impl<'a> Scale<'a> {
    pub(crate) fn new(instance: &'a Deployment, bits: u32) -> Self {
        Self { instance, model: &instance.models[0], bits }
    }

    /// The cost of a time.
    pub(crate) fn timed(self, time: Nanos) -> i128 {
        self.scaled(u128::from(time.0) * u128::from(self.model.weight))
    }

    /// A cost below 2^96 in scaled units; scales are below 2^41.
    pub(crate) fn scaled(self, cost: u128) -> i128 {
        capped(cost.min(1 << 80) << self.bits)
    }

    /// What a priced path leaves of a bound once what is allowed is taken off; no plan costs less.
    pub(crate) fn bound(self, least: i128, allowed: i128) -> Cost {
        let unit = 1i128 << self.bits;
        let bound = least - allowed;
        // Costs are whole: rounded up.
        let whole = bound.div_euclid(unit) + i128::from(bound.rem_euclid(unit) > 0);
        match whole > self.most() {
            true => Cost::MAX,
            false => Cost(u64::try_from(whole.max(0)).unwrap_or(u64::MAX)),
        }
    }

    /// No plan costs more: a bound above it says that there is none.
    fn most(self) -> i128 {
        let (model, wide) = (self.model, |number: u64| i128::from(number));
        let layers = model.layers.iter();
        if self.instance.objective == Objective::Memory {
            let tied = wide(model.shared.iter().map(|bytes| bytes.0).max().unwrap_or(0));
            let stored = layers.map(|layer| {
                let own = layer.options.iter().map(|option| option.bytes.0).max();
                wide(own.unwrap_or(0)) + wide(layer.kv.0) + tied
            });
            let fixed = self.instance.devices.iter();
            let fixed = fixed.map(|device| wide(device.overhead.0) + wide(model.activation.0));
            return stored.sum::<i128>() + fixed.sum::<i128>();
        }
        let longest = |times: &mut dyn Iterator<Item = &Option<Nanos>>| {
            wide(times.flatten().map(|time| time.0).max().unwrap_or(0))
        };
        let sent = longest(&mut model.messages.iter().flat_map(|message| &message.time));
        let computed = layers.map(|layer| {
            longest(&mut layer.options.iter().flat_map(|option| &option.compute)) + sent
        });
        // The ways in and out are one message more than layers.
        (computed.sum::<i128>() + sent) * i128::from(model.weight)
    }

    /// The price of all loss that is allowed, rounded up. No plan loses more than the worst options
    /// do.
    pub(crate) fn allowed_loss(self, loss_price: u64) -> i128 {
        let worst = self.model.layers.iter().map(|layer| {
            let losses = layer.options.iter().map(|option| u128::from(option.loss.0));
            losses.max().unwrap_or(0)
        });
        let worst: u128 = worst.sum();
        let most = self.model.loss_max.map_or(worst, |max| worst.min(max.0.into()));
        // Below 2^62 * 2^64 / 2^20: no checked instance loses 2^62.
        let loss = (most * u128::from(loss_price)).div_ceil(LOSS_PARTS.into());
        i128::try_from(loss).unwrap_or(NONE)
    }

    /// Loss at a price, rounded down: two numbers below 2^64.
    pub(crate) fn lost(self, layer: usize, option: OptionId, loss_price: u64) -> i128 {
        let loss = self.model.layers[layer].options[option.index()].loss;
        capped(u128::from(loss.0) * u128::from(loss_price) / u128::from(LOSS_PARTS))
    }

    /// Cost of the way back to the source; [`NONE`] where there is no way.
    pub(crate) fn leave(self, device: usize) -> i128 {
        match (self.instance.leave(self.model, id(device)), self.instance.objective) {
            (None, _) => NONE,
            (Some(_), Objective::Memory) => 0,
            (Some(time), Objective::Latency | Objective::Bottleneck) => self.timed(time),
        }
    }
}

pub(crate) fn capped(number: u128) -> i128 {
    i128::try_from(number).unwrap_or(CAP).min(CAP)
}

pub(crate) fn id(device: usize) -> DeviceId {
    DeviceId(device as u16)
}

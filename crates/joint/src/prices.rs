//! Prices of the rows that tie devices together, and what choices and messages cost under them.
//!
//! Prices are integers. A term that is rounded is rounded down, what limits give back is rounded
//! up, so that sums are lower bounds for these very prices, wherever they come from.

use edgeplan_problem::deployment::{Message, Objective};

use crate::question::{Choice, NEVER, Question};

/// Multipliers count in units of two to the power of minus this.
pub(crate) const FRACTION: u32 = 24;

/// The prices. Scaled costs, per unit where a row counts units.
#[derive(Debug, Clone)]
pub(crate) struct Prices {
    /// By place: what a device pays to begin a run there, which the way to it earns.
    pub(crate) begin: Vec<i64>,
    /// By place: what a device pays to end a run there, which the way from it earns.
    pub(crate) end: Vec<i64>,
    /// Whether a device that ends a run sends its message, and earns what beginning the next run
    /// pays. Then there are no ways, and `end` is nothing.
    pub(crate) routed: bool,
    /// By slot and option: what a device pays to hold the layer so, which the model's recipe earns.
    pub(crate) options: Vec<i64>,
    /// Whether options have prices at all; else recipes are not looked at.
    pub(crate) by_options: bool,
    /// By model, per unit of loss.
    pub(crate) loss: Vec<u64>,
    /// By model, per nanosecond of a request.
    pub(crate) latency: Vec<u64>,
    /// By device, per nanosecond of compute; adds up to at most one with `sending` where the
    /// bottleneck is minimised, else zero.
    pub(crate) compute: Vec<u64>,
    /// By device, per nanosecond of sending.
    pub(crate) sending: Vec<u64>,
    /// By device, per byte sent.
    pub(crate) traffic: Vec<u64>,
}

/// What a node is bounded by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Any prices bound.
    pub(crate) prices: &'a Prices,
    /// What plans that are no better than the incumbent may break.
    pub(crate) ceilings: &'a Ceilings,
}

/// Limits on devices that every plan better than the incumbent keeps.
#[derive(Debug, Clone)]
pub(crate) struct Ceilings {
    /// Compute time per round, by device.
    pub(crate) compute: Vec<Option<u64>>,
    /// Sending time per round of each device.
    pub(crate) sending: Option<u64>,
}

impl Ceilings {
    /// Of plans that cost less than `cutoff`.
    pub(crate) fn new(question: &Question<'_>, cutoff: u64) -> Self {
        let cycle = (question.deployment.objective == Objective::Bottleneck)
            .then(|| cutoff.saturating_sub(1));
        let least = |one: Option<u64>| one.into_iter().chain(cycle).min();
        let compute = |device| least(question.compute_max(device));
        let sending = least(question.deployment.bottleneck_max.map(|limit| limit.0));
        Self { compute: (0..question.devices).map(compute).collect(), sending }
    }
}

impl Prices {
    /// All prices zero.
    pub(crate) fn zero(question: &Question<'_>) -> Self {
        let (places, devices) = (question.choices.len(), question.devices);
        Self {
            begin: vec![0; places],
            end: vec![0; places],
            routed: false,
            options: vec![0; question.slots() * question.options],
            by_options: false,
            loss: vec![0; question.models()],
            latency: vec![0; question.models()],
            compute: vec![0; devices],
            sending: vec![0; devices],
            traffic: vec![0; devices],
        }
    }

    /// Whether options of a model have prices: its losses have a budget.
    pub(crate) fn has_options(&self, question: &Question<'_>, model: usize) -> bool {
        self.by_options && question.deployment.models[model].loss_max.is_some()
    }

    /// What an option of a layer earns.
    pub(crate) fn option(&self, question: &Question<'_>, slot: usize, choice: &Choice) -> i64 {
        self.options[question.option(slot, choice.option)]
    }

    /// What a choice costs in a configuration.
    pub(crate) fn choice(&self, question: &Question<'_>, place: usize, choice: &Choice) -> i64 {
        let (slot, device) = (place / question.devices, place % question.devices);
        let model = question.model_of[slot];
        let own = (question.cost(slot, choice) << question.shift) as i64;
        own + self.option(question, slot, choice)
            + question.term(self.loss[model], choice.loss)
            + question.term(self.latency[model], choice.time)
            + question.term(self.compute[device], question.weight(model) * choice.time)
    }

    /// Prices between these and others: a share of these, the rest of the others.
    pub(crate) fn mixed(&self, share: f64, others: &Self) -> Self {
        let signed = |one: &[i64], other: &[i64]| {
            let mix = |(&a, &b): (&i64, &i64)| b + ((a - b) as f64 * share) as i64;
            one.iter().zip(other).map(mix).collect()
        };
        let unsigned = |one: &[u64], other: &[u64]| {
            let mix = |(&a, &b): (&u64, &u64)| {
                let (a, b) = (a as i64, b as i64);
                (b + ((a - b) as f64 * share) as i64).max(0) as u64
            };
            one.iter().zip(other).map(mix).collect()
        };
        Self {
            begin: signed(&self.begin, &others.begin),
            end: signed(&self.end, &others.end),
            routed: self.routed || others.routed,
            options: signed(&self.options, &others.options),
            by_options: self.by_options || others.by_options,
            loss: unsigned(&self.loss, &others.loss),
            latency: unsigned(&self.latency, &others.latency),
            compute: unsigned(&self.compute, &others.compute),
            sending: unsigned(&self.sending, &others.sending),
            traffic: unsigned(&self.traffic, &others.traffic),
        }
    }

    /// What limits give back; rounded up.
    pub(crate) fn returned(&self, question: &Question<'_>) -> i128 {
        let deployment = question.deployment;
        let mut sum = 0u128;
        let mut add = |price: u64, limit: Option<u64>| {
            sum += u128::from(price) * u128::from(limit.unwrap_or(0));
        };
        for (index, model) in deployment.models.iter().enumerate() {
            add(self.loss[index], model.loss_max.map(|limit| limit.0));
            add(self.latency[index], deployment.latency_max.map(|limit| limit.0));
        }
        for (index, device) in deployment.devices.iter().enumerate() {
            add(self.traffic[index], device.traffic_max.map(|limit| limit.0));
            if deployment.objective != Objective::Bottleneck {
                add(self.sending[index], deployment.bottleneck_max.map(|limit| limit.0));
            }
        }
        sum.div_ceil(1 << FRACTION) as i128
    }
}

impl Question<'_> {
    /// A multiplier times an amount, scaled, rounded down.
    fn term(&self, price: u64, amount: u64) -> i64 {
        let product = (u128::from(price) * u128::from(amount)) >> FRACTION;
        i64::try_from(product).unwrap_or(i64::MAX).min(self.price_max)
    }
}

/// What a model's message costs from each device to each, scaled, beside prices of places;
/// [`NEVER`] where there is no way.
pub(crate) fn message_costs(
    question: &Question<'_>,
    prices: &Prices,
    ceilings: &Ceilings,
    model: usize,
    message: &Message,
) -> Vec<i64> {
    let devices = question.devices;
    let cost = |at: usize| {
        let from = at / devices;
        match message.time[at] {
            Some(_) if from == at % devices => 0,
            Some(time) if is_allowed(question, ceilings, model, message, at) => {
                let weighted = question.weight(model) * time.0;
                let own = match question.deployment.objective {
                    Objective::Latency => (weighted << question.shift) as i64,
                    Objective::Bottleneck | Objective::Memory => 0,
                };
                own + question.term(prices.sending[from], weighted)
                    + question.term(prices.latency[model], time.0)
                    + question.term(prices.traffic[from], question.weight(model) * message.bytes.0)
            }
            _ => NEVER,
        }
    };
    (0..devices * devices).map(cost).collect()
}

/// Whether a message alone keeps every limit.
pub(crate) fn is_allowed(
    question: &Question<'_>,
    ceilings: &Ceilings,
    model: usize,
    message: &Message,
    at: usize,
) -> bool {
    let Some(time) = message.time[at] else { return false };
    let weight = question.weight(model);
    let sender = &question.deployment.devices[at / question.devices];
    let sent = weight * message.bytes.0;
    ceilings.sending.is_none_or(|limit| weight * time.0 <= limit)
        && sender.traffic_max.is_none_or(|limit| sent <= limit.0)
        && question.deployment.latency_max.is_none_or(|limit| time <= limit)
}

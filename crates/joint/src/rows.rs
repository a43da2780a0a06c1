//! The rows that tie devices together, as vectors: what shares take of them, and values of rows as
//! prices. For costs that add up; the bottleneck has rows of its own in the master.

use edgeplan_problem::deployment::OptionId;

use crate::configuration::Configuration;
use crate::knapsack::Recipe;
use crate::paths::{Arc, Ends};
use crate::prices::{FRACTION, Prices};
use crate::question::Question;

/// Where each kind of row begins. Values of rows are costs; rows of limits count shares of their
/// limit.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    begin: usize,
    end: usize,
    /// By place: holding the layer. Nothing that `begin` and `end` do not imply, but the shorter
    /// way to most prices.
    hold: usize,
    /// By slot and option.
    options: usize,
    loss: usize,
    latency: usize,
    sending: usize,
    traffic: usize,
    all: usize,
}

impl Offsets {
    fn new(question: &Question<'_>) -> Self {
        let (places, models) = (question.choices.len(), question.models());
        let (begin, end, hold, options) = (0, places, 2 * places, 3 * places);
        let loss = options + question.slots() * question.options;
        let latency = loss + models;
        let sending = latency + models;
        let traffic = sending + question.devices;
        let all = traffic + question.devices;
        Self { begin, end, hold, options, loss, latency, sending, traffic, all }
    }
}

/// All rows.
pub(crate) struct Rows<'a> {
    question: &'a Question<'a>,
    at: Offsets,
    /// By row: what one of it counts; none where there is no such limit.
    unit: Vec<Option<f64>>,
    /// By row: what shares may take of it.
    pub(crate) room: Vec<f64>,
    by_options: bool,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(question: &'a Question<'a>, by_options: bool) -> Self {
        let deployment = question.deployment;
        let at = Offsets::new(question);
        let mut unit = vec![Some(1.0); at.all];
        let mut room = vec![0.0; at.all];
        let mut limit = |row: usize, most: Option<u64>| {
            unit[row] = most.map(|most| most.max(1) as f64);
            room[row] = if most == Some(0) { 0.0 } else { 1.0 };
        };
        for (index, model) in deployment.models.iter().enumerate() {
            limit(at.loss + index, model.loss_max.map(|max| max.0));
            limit(at.latency + index, deployment.latency_max.map(|max| max.0));
        }
        for (index, device) in deployment.devices.iter().enumerate() {
            limit(at.sending + index, deployment.bottleneck_max.map(|max| max.0));
            limit(at.traffic + index, device.traffic_max.map(|max| max.0));
        }
        Self { question, at, unit, room, by_options }
    }

    /// Whether a row is a limit, whose value is never below zero.
    pub(crate) fn is_limit(&self, row: usize) -> bool {
        row >= self.at.loss
    }

    /// Adds what a configuration takes.
    pub(crate) fn add_configuration(&self, configuration: &Configuration, taken: &mut [f64]) {
        let (question, at) = (self.question, self.at);
        let device = configuration.device;
        for run in configuration.runs(question) {
            taken[at.begin + question.place(run.start, device)] += 1.0;
            taken[at.end + question.place(run.end - 1, device)] += 1.0;
            for slot in run {
                taken[at.hold + question.place(slot, device)] += 1.0;
            }
        }
        for (slot, choice) in configuration.choices(question) {
            let model = question.model_of[slot];
            if self.has_options(model) {
                taken[at.options + question.option(slot, choice.option)] += 1.0;
            }
            self.add(taken, at.loss + model, choice.loss);
            self.add(taken, at.latency + model, choice.time);
        }
    }

    /// Adds what a model's way takes, and gives.
    pub(crate) fn add_way(&self, way: &[Arc], taken: &mut [f64]) {
        let (question, at) = (self.question, self.at);
        for &arc in way {
            let Ends { model, from, to, .. } = question.ends(arc);
            let slots = question.slots_of(model);
            match arc {
                Arc::Enter { .. } => taken[at.begin + question.place(slots.start, to)] -= 1.0,
                Arc::Leave { .. } => taken[at.end + question.place(slots.end - 1, from)] -= 1.0,
                Arc::Hop { slot, .. } => {
                    taken[at.end + question.place(slot, from)] -= 1.0;
                    taken[at.begin + question.place(slot + 1, to)] -= 1.0;
                }
            }
            let Some(sent) = question.sent(arc) else { continue };
            let weight = question.weight(model);
            self.add(taken, at.latency + model, sent.time);
            self.add(taken, at.sending + from, weight * sent.time);
            self.add(taken, at.traffic + from, weight * sent.bytes);
        }
        for place in places(question, way) {
            taken[at.hold + place] -= 1.0;
        }
    }

    /// Adds what a model's recipe gives.
    pub(crate) fn add_recipe(&self, model: usize, recipe: &Recipe, taken: &mut [f64]) {
        if self.has_options(model) {
            for (slot, &option) in self.question.slots_of(model).zip(&recipe.options) {
                let option = self.question.option(slot, OptionId(option));
                taken[self.at.options + option] -= 1.0;
            }
        }
    }

    /// Whether options of a model have rows.
    fn has_options(&self, model: usize) -> bool {
        self.by_options && self.question.deployment.models[model].loss_max.is_some()
    }

    fn add(&self, taken: &mut [f64], row: usize, amount: u64) {
        if let Some(unit) = self.unit[row] {
            taken[row] += amount as f64 / unit;
        }
    }

    /// Values as prices. What holding is worth goes into the prices of where a run begins and ends:
    /// sums of what lies before.
    pub(crate) fn prices(&self, values: &[f64]) -> Prices {
        let (question, at) = (self.question, self.at);
        let scale = (1u64 << question.shift) as f64;
        let most = question.price_max as f64;
        let price = |value: f64| (value * scale).clamp(-most, most) as i64;
        let mut prices = Prices::zero(question);
        for device in 0..question.devices {
            for model in 0..question.models() {
                let mut before = 0.0;
                for slot in question.slots_of(model) {
                    let place = question.place(slot, device);
                    prices.begin[place] = price(values[at.begin + place] - before);
                    before += values[at.hold + place];
                    prices.end[place] = price(values[at.end + place] + before);
                }
            }
        }
        prices.by_options = self.by_options;
        for (index, own) in prices.options.iter_mut().enumerate() {
            *own = price(values[at.options + index]);
        }
        let multiplier = |row: usize| {
            let worth = self.unit[row].map_or(0.0, |unit| values[row] / unit);
            (worth * scale * (1u64 << FRACTION) as f64).clamp(0.0, (1u64 << 60) as f64) as u64
        };
        for (first, multipliers) in self.multipliers(&mut prices) {
            for (index, price) in multipliers.iter_mut().enumerate() {
                *price = multiplier(first + index);
            }
        }
        prices
    }

    /// Prices as values.
    pub(crate) fn values(&self, prices: &Prices) -> Vec<f64> {
        let at = self.at;
        let scale = (1u64 << self.question.shift) as f64;
        let mut values = vec![0.0; at.all];
        for (first, prices) in
            [(at.begin, &prices.begin), (at.end, &prices.end), (at.options, &prices.options)]
        {
            for (index, &price) in prices.iter().enumerate() {
                values[first + index] = price as f64 / scale;
            }
        }
        for (first, multipliers) in self.multipliers(&mut prices.clone()) {
            for (index, &mut price) in multipliers.iter_mut().enumerate() {
                let worth = price as f64 / (scale * (1u64 << FRACTION) as f64);
                values[first + index] = worth * self.unit[first + index].unwrap_or(0.0);
            }
        }
        values
    }

    /// Multipliers of limits, each kind with its first row.
    fn multipliers<'p>(&self, prices: &'p mut Prices) -> [(usize, &'p mut [u64]); 4] {
        [
            (self.at.loss, &mut prices.loss),
            (self.at.latency, &mut prices.latency),
            (self.at.sending, &mut prices.sending),
            (self.at.traffic, &mut prices.traffic),
        ]
    }
}

/// Where a way has each layer.
pub(crate) fn places(question: &Question<'_>, way: &[Arc]) -> Vec<usize> {
    let mut places = Vec::new();
    let (mut next, mut device) = (0, 0);
    for &arc in way {
        let end = match arc {
            Arc::Enter { model, .. } => {
                next = question.starts[model];
                next
            }
            Arc::Hop { slot, .. } => slot + 1,
            Arc::Leave { model, .. } => question.starts[model + 1],
        };
        places.extend((next..end).map(|slot| question.place(slot, device)));
        (next, device) = (end, question.ends(arc).to);
    }
    places
}

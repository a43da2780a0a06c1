//! The cheapest configuration of a device under prices: a relaxation that prices its memory and
//! times ([`relaxed`]), and labels that carry these themselves and are cut by it ([`labels`]).

mod labels;
mod relaxed;
mod sends;
#[cfg(test)]
mod tests;

use edgeplan_problem::{Stop, Watch};

use self::sends::Sends;
use crate::configuration::Configuration;
use crate::domain::Domain;
use crate::paths::{Arc, Ways};
use crate::prices::Terms;
use crate::question::{NEVER, Question};

/// Bits of fraction of the prices of memory and time.
const FRACTION: u32 = 24;

/// A choice of a layer, priced.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Index of the choice at its place.
    choice: u16,
    bytes: u64,
    /// Compute time per round; zero where the device has no limit.
    time: u64,
    value: i64,
    shared: Option<u8>,
}

/// A way to send a message on: after a run, or into a model.
#[derive(Debug, Clone, Copy)]
struct Send {
    /// None where ways of models are priced apart.
    arc: Option<Arc>,
    /// Sending time per round; zero where the device has no limit.
    time: u64,
    value: i64,
}

/// A layer as the device sees it.
#[derive(Debug)]
struct Layer {
    slot: usize,
    /// What beginning a run here costs.
    begin: i64,
    /// Ways to end a run here; none where none is open.
    ends: Vec<Send>,
    /// None where the device may not hold the layer.
    items: Vec<Item>,
}

/// A model as the device sees it.
#[derive(Debug)]
struct Part {
    layers: Vec<Layer>,
    /// What the device stores once if it holds any layer of the model, and what that costs.
    activation: u64,
    activation_cost: i64,
    /// Bytes and cost of each shared tensor.
    shared: Vec<(u64, i64)>,
    /// By shared tensor: the first layer that may need it, as index into `layers`.
    first_user: Vec<usize>,
}

/// One device's question.
pub(crate) struct Pricing<'a> {
    question: &'a Question<'a>,
    device: usize,
    parts: Vec<Part>,
    /// Of the source, where it sends: by model, the ways in, of which it takes one each.
    entries: Vec<Vec<Send>>,
    /// Bytes beside the overhead.
    capacity: u64,
    time_max: Option<u64>,
    sending_max: Option<u64>,
    overhead_cost: i64,
}

/// What pricing says.
#[derive(Debug, Clone)]
pub(crate) struct Priced {
    /// No configuration costs less, scaled; the empty one costs nothing, if it may be. [`NEVER`] or
    /// more if there is none.
    pub(crate) least: i64,
    /// Configurations that cost less than an empty one, the cheapest first, and what they cost.
    pub(crate) found: Vec<(i64, Configuration)>,
    /// Labels that were made.
    pub(crate) labels: u64,
}

/// A bound on all configurations with one choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChoiceBound {
    pub(crate) place: usize,
    /// Index of the choice at its place.
    pub(crate) choice: usize,
    /// No configuration with that choice costs less, scaled.
    pub(crate) least: i64,
}

/// What labels may be made for one configuration; of none, the relaxation is the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelsMax(pub(crate) usize);

/// What is done for the bound of some prices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort<'a> {
    pub(crate) labels_max: LabelsMax,
    /// Threads that price devices; what they find does not depend on how many they are.
    pub(crate) threads: usize,
    /// What ends it.
    pub(crate) watch: Watch<'a>,
}

impl<'a> Pricing<'a> {
    pub(crate) fn new(
        question: &'a Question<'a>,
        domain: &Domain,
        Terms { prices, ceilings }: Terms<'_>,
        ways: &Ways<'_>,
        device: usize,
    ) -> Self {
        let machine = &question.deployment.devices[device];
        let time_max = ceilings.compute[device];
        let sends = prices.routed.then_some(Sends { question, domain, ceilings, ways, device });
        let per_byte = |bytes: u64| ((question.byte_cost() * bytes) << question.shift) as i64;
        let layer = |slot: usize| {
            let place = question.place(slot, device);
            let item = |index: usize| {
                let choice = &question.choices[place][index];
                let time = question.weight(question.model_of[slot]) * choice.time;
                Item {
                    choice: index as u16,
                    bytes: choice.bytes,
                    time: if time_max.is_some() { time } else { 0 },
                    value: prices.choice(question, place, choice),
                    shared: choice.shared.map(|shared| shared as u8),
                }
            };
            let items = domain.choices(place).map(item);
            let items = items.filter(|item| time_max.is_none_or(|max| item.time <= max)).collect();
            let ends = match &sends {
                Some(sends) => sends.after(slot),
                None => vec![Send { arc: None, time: 0, value: prices.end[place] }],
            };
            Layer { slot, begin: prices.begin[place], ends, items }
        };
        let part = |model: usize| {
            let owner = &question.deployment.models[model];
            let layers: Vec<Layer> = question.slots_of(model).map(layer).collect();
            let uses = |layer: &Layer, shared: usize| {
                layer.items.iter().any(|item| item.shared == Some(shared as u8))
            };
            let first = |shared: usize| layers.iter().position(|layer| uses(layer, shared));
            let first_user = (0..owner.shared.len()).map(|shared| first(shared).unwrap_or(0));
            let first_user = first_user.collect();
            Part {
                layers,
                activation: owner.activation.0,
                activation_cost: per_byte(owner.activation.0),
                shared: owner.shared.iter().map(|bytes| (bytes.0, per_byte(bytes.0))).collect(),
                first_user,
            }
        };
        Self {
            question,
            device,
            parts: (0..question.models()).map(part).collect(),
            entries: sends.map_or_else(Vec::new, |sends| sends.entries()),
            capacity: machine.memory.0.saturating_sub(machine.overhead.0),
            time_max,
            sending_max: if prices.routed { ceilings.sending } else { None },
            overhead_cost: per_byte(machine.overhead.0),
        }
    }

    /// What holding and sending nothing costs; [`NEVER`] where the device enters models.
    fn nothing(&self) -> i64 {
        if self.entries.is_empty() { 0 } else { NEVER }
    }

    /// Whether times are limited.
    fn is_timed(&self) -> bool {
        self.time_max.is_some() || self.sending_max.is_some()
    }

    /// The best prices of a byte and of a nanosecond of compute within the device's limits.
    pub(crate) fn within_prices(&self) -> (u64, u64) {
        let scarcity = self.climb().relaxed.scarcity;
        (scarcity.byte, scarcity.time)
    }

    /// A bound for each choice that the device may make.
    pub(crate) fn choices(&self) -> Vec<ChoiceBound> {
        let relaxed = self.climb().relaxed;
        let mut all = Vec::new();
        for (model, row) in self.through(&relaxed).into_iter().enumerate() {
            for (at, through) in row.into_iter().enumerate() {
                let layer = &self.parts[model].layers[at];
                for item in &layer.items {
                    let more = self.more(&relaxed, model, at, item);
                    let place = self.question.place(layer.slot, self.device);
                    let (choice, least) = (usize::from(item.choice), through + more);
                    all.push(ChoiceBound { place, choice, least });
                }
            }
        }
        all
    }

    /// The cheapest configuration, or as much of the truth as so many labels show.
    ///
    /// # Errors
    /// What ended the run before that.
    pub(crate) fn configurations(&self, effort: Effort<'_>) -> Result<Priced, Stop> {
        let nothing = self.nothing();
        let mut climbed = self.climb();
        climbed.found.sort_by_key(|(value, _)| *value);
        climbed.found.dedup();
        let best = climbed.found.first().map_or(nothing, |(value, _)| *value).min(nothing);
        let mut priced = Priced { least: best, found: climbed.found, labels: 0 };
        if climbed.bound >= best {
            return Ok(priced);
        }
        if effort.labels_max.0 == 0 {
            priced.least = climbed.bound.min(best);
            return Ok(priced);
        }
        let searched = self.search(&climbed.relaxed, best, effort)?;
        priced.labels = searched.labels;
        for (value, configuration) in searched.found {
            priced.least = priced.least.min(value);
            priced.found.push((value, configuration));
        }
        priced.found.sort_by_key(|(value, _)| *value);
        if !searched.complete {
            priced.least = priced.least.min(climbed.bound);
        }
        Ok(priced)
    }
}

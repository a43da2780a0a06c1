//! Ways of models through devices: hops between runs, cheapest under prices, without regard to what
//! devices can hold.

use crate::domain::Domain;
use crate::prices::{Ceilings, Prices, is_allowed, message_costs};
use crate::question::{NEVER, Question};

/// A message between two runs of a model, or between a run and the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Arc {
    /// From the source to the first layer.
    Enter { model: usize, device: usize },
    /// After a slot's layer, to another device.
    Hop { slot: usize, from: usize, to: usize },
    /// From the last layer to the source.
    Leave { model: usize, device: usize },
}

/// What an arc sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) time: u64,
    pub(crate) bytes: u64,
}

/// Whose message an arc is, which one, and from where to where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) model: usize,
    pub(crate) message: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Question<'_> {
    /// Whose message an arc is, which one, and from where to where.
    pub(crate) fn ends(&self, arc: Arc) -> Ends {
        let source = self.deployment.source.index();
        let models = &self.deployment.models;
        match arc {
            Arc::Enter { model, device } => {
                Ends { model, message: models[model].enter, from: source, to: device }
            }
            Arc::Leave { model, device } => {
                Ends { model, message: models[model].leave, from: device, to: source }
            }
            Arc::Hop { slot, from, to } => {
                let model = self.model_of[slot];
                let layer = slot - self.starts[model];
                Ends { model, message: models[model].layers[layer].output, from, to }
            }
        }
    }

    /// What an arc sends; none where there is no way.
    pub(crate) fn sent(&self, arc: Arc) -> Option<Sent> {
        let Ends { model, message, from, to } = self.ends(arc);
        let message = &self.deployment.models[model].messages[message];
        let time = message.time[from * self.devices + to]?.0;
        Some(if from == to { Sent::default() } else { Sent { time, bytes: message.bytes.0 } })
    }

    /// Sending time of an arc per round; none where there is no way.
    pub(crate) fn sending(&self, arc: Arc) -> u64 {
        let weight = self.weight(self.ends(arc).model);
        self.sent(arc).map_or(0, |sent| weight * sent.time)
    }

    /// Whether a domain and ceilings allow an arc.
    pub(crate) fn is_open(&self, domain: &Domain, ceilings: &Ceilings, arc: Arc) -> bool {
        let Ends { model, message, from, to } = self.ends(arc);
        let places = match arc {
            Arc::Enter { .. } => [None, Some(self.place(self.starts[model], to))],
            Arc::Leave { .. } => [Some(self.place(self.starts[model + 1] - 1, from)), None],
            Arc::Hop { slot, .. } => [Some(self.place(slot, from)), Some(self.place(slot + 1, to))],
        };
        let message = &self.deployment.models[model].messages[message];
        let way = from * self.devices + to;
        let is_way = from == to || is_allowed(self, ceilings, model, message, way);
        is_way && places.into_iter().flatten().all(|place| domain.is_open(place))
    }
}

/// Costs of arcs under prices.
pub(crate) struct Ways<'a> {
    question: &'a Question<'a>,
    domain: &'a Domain,
    prices: &'a Prices,
    /// By model and message.
    messages: Vec<Vec<Vec<i64>>>,
}

/// The cheapest ways of one model to and from each place.
pub(crate) struct Tables {
    first: usize,
    devices: usize,
    /// By slot of the model and device: from the source to there, before the layer.
    to: Vec<i64>,
    /// From there, after the layer, to the source.
    from: Vec<i64>,
    /// The cheapest way.
    pub(crate) least: i64,
}

impl Tables {
    /// The cheapest way that uses a place.
    pub(crate) fn through(&self, slot: usize, device: usize) -> i64 {
        let at = (slot - self.first) * self.devices + device;
        sum(self.to[at], self.from[at])
    }
}

/// A sum that stays [`NEVER`].
fn sum(one: i64, other: i64) -> i64 {
    if one >= NEVER || other >= NEVER { NEVER } else { one + other }
}

impl<'a> Ways<'a> {
    pub(crate) fn new(
        question: &'a Question<'a>,
        domain: &'a Domain,
        prices: &'a Prices,
        ceilings: &Ceilings,
    ) -> Self {
        let models = question.deployment.models.iter().enumerate();
        let messages = models
            .map(|(index, model)| {
                let messages = model.messages.iter();
                messages.map(|m| message_costs(question, prices, ceilings, index, m)).collect()
            })
            .collect();
        Self { question, domain, prices, messages }
    }

    /// What an arc costs, prices of places included.
    pub(crate) fn cost(&self, arc: Arc) -> i64 {
        let question = self.question;
        let Ends { model, message, from, to } = question.ends(arc);
        let cost = self.messages[model][message][from * question.devices + to];
        if cost >= NEVER {
            return NEVER;
        }
        let begin = |slot: usize| self.prices.begin[question.place(slot, to)];
        let end = |slot: usize| self.prices.end[question.place(slot, from)];
        match arc {
            Arc::Enter { .. } => cost - begin(question.starts[model]),
            Arc::Leave { .. } => cost - end(question.starts[model + 1] - 1),
            Arc::Hop { slot, .. } => cost - end(slot) - begin(slot + 1),
        }
    }

    /// Every arc between allowed places.
    pub(crate) fn arcs(&self, model: usize) -> Vec<Arc> {
        let devices = 0..self.question.devices;
        let slots = self.question.slots_of(model);
        let open = |slot: usize, device: usize| self.is_open(slot, device);
        let mut arcs = Vec::new();
        for device in devices.clone() {
            if open(slots.start, device) {
                arcs.push(Arc::Enter { model, device });
            }
            if open(slots.end - 1, device) {
                arcs.push(Arc::Leave { model, device });
            }
        }
        for slot in slots.start..slots.end - 1 {
            for from in devices.clone().filter(|&from| open(slot, from)) {
                let others = devices.clone().filter(|&to| to != from && open(slot + 1, to));
                arcs.extend(others.map(|to| Arc::Hop { slot, from, to }));
            }
        }
        arcs
    }

    fn is_open(&self, slot: usize, device: usize) -> bool {
        self.domain.is_open(self.question.place(slot, device))
    }

    /// The cheapest ways of a model.
    pub(crate) fn tables(&self, model: usize) -> Tables {
        let devices = self.question.devices;
        let slots = self.question.slots_of(model);
        let (first, count) = (slots.start, slots.len());
        let mut to = vec![NEVER; count * devices];
        let mut from = vec![NEVER; count * devices];
        for slot in slots.clone() {
            for device in (0..devices).filter(|&device| self.is_open(slot, device)) {
                to[(slot - first) * devices + device] = match slot == first {
                    true => self.cost(Arc::Enter { model, device }),
                    false => self.best(&to, (slot - 1 - first) * devices, |other| {
                        self.step(slot - 1, other, device)
                    }),
                };
            }
        }
        for slot in slots.clone().rev() {
            for device in (0..devices).filter(|&device| self.is_open(slot, device)) {
                from[(slot - first) * devices + device] = match slot + 1 == slots.end {
                    true => self.cost(Arc::Leave { model, device }),
                    false => self.best(&from, (slot + 1 - first) * devices, |other| {
                        self.step(slot, device, other)
                    }),
                };
            }
        }
        let last = (count - 1) * devices;
        let ends = (0..devices).map(|device| sum(to[last + device], from[last + device]));
        let least = ends.min().unwrap_or(NEVER);
        Tables { first, devices, to, from, least }
    }

    fn best(&self, table: &[i64], row: usize, step: impl Fn(usize) -> i64) -> i64 {
        let reached = |other: usize| sum(table[row + other], step(other));
        let open = (0..self.question.devices).filter(|&other| table[row + other] < NEVER);
        open.map(reached).min().unwrap_or(NEVER)
    }

    /// From a slot's device to the next slot's: a hop, or a run that goes on.
    fn step(&self, slot: usize, from: usize, to: usize) -> i64 {
        if from == to { 0 } else { self.cost(Arc::Hop { slot, from, to }) }
    }

    /// The arcs of each model's cheapest way.
    pub(crate) fn all_cheapest(&self, tables: &[Tables]) -> Vec<Vec<Arc>> {
        let ways = tables.iter().enumerate();
        ways.map(|(model, tables)| self.cheapest(model, tables)).collect()
    }

    /// The arcs of a cheapest way.
    pub(crate) fn cheapest(&self, model: usize, tables: &Tables) -> Vec<Arc> {
        let mut arcs = Vec::new();
        if tables.least >= NEVER {
            return arcs;
        }
        let (devices, slots) = (self.question.devices, self.question.slots_of(model));
        let first = slots.start;
        let at = |slot: usize, device: usize| (slot - first) * devices + device;
        let through = |slot: usize| {
            (0..devices).min_by_key(|&device| tables.through(slot, device)).unwrap_or(0)
        };
        let mut device = through(first);
        arcs.push(Arc::Enter { model, device });
        for slot in slots.start..slots.end - 1 {
            let rest = |to: usize| match self.is_open(slot + 1, to) {
                true => sum(self.step(slot, device, to), tables.from[at(slot + 1, to)]),
                false => NEVER,
            };
            let next = (0..devices).min_by_key(|&to| (rest(to), to != device)).unwrap_or(device);
            if next != device {
                arcs.push(Arc::Hop { slot, from: device, to: next });
            }
            device = next;
        }
        arcs.push(Arc::Leave { model, device });
        arcs
    }
}

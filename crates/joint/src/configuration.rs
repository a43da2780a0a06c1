//! Configurations: everything that one device holds, and what it sends.

use std::ops::Range;

use crate::domain::Domain;
use crate::paths::Arc;
use crate::prices::Ceilings;
use crate::question::{Choice, Question};

/// A layer and how it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Held {
    pub(crate) slot: u32,
    /// Index into [`Question::choices`] of the place.
    pub(crate) choice: u16,
}

/// Everything that one device holds, by slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Configuration {
    pub(crate) device: usize,
    pub(crate) held: Vec<Held>,
    /// Where sending is a part of configurations: every message of the device, first those of a
    /// source that enter models, then those after runs.
    pub(crate) sends: Vec<Arc>,
}

/// What a configuration takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    /// Compute time per round.
    pub(crate) time: u64,
    /// Sending time per round.
    pub(crate) sending: u64,
}

impl Configuration {
    /// Each held slot's choice.
    pub(crate) fn choices<'a>(
        &self,
        question: &'a Question<'_>,
    ) -> impl Iterator<Item = (usize, &'a Choice)> {
        let device = self.device;
        self.held.iter().map(move |held| {
            let slot = held.slot as usize;
            (slot, &question.choices[question.place(slot, device)][usize::from(held.choice)])
        })
    }

    /// Maximal runs of one model's consecutive layers, as slots.
    pub(crate) fn runs(&self, question: &Question<'_>) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for held in &self.held {
            let slot = held.slot as usize;
            match runs.last_mut() {
                Some(run) if run.end == slot && question.starts.binary_search(&slot).is_err() => {
                    run.end = slot + 1;
                }
                _ => runs.push(slot..slot + 1),
            }
        }
        runs
    }

    /// Whether a domain and ceilings allow all of it.
    pub(crate) fn is_allowed(
        &self,
        question: &Question<'_>,
        domain: &Domain,
        ceilings: &Ceilings,
    ) -> bool {
        let is_held = |held: &Held| {
            let place = question.place(held.slot as usize, self.device);
            domain.allows(place, usize::from(held.choice))
        };
        let limit = ceilings.compute[self.device];
        self.held.iter().all(is_held)
            && self.sends.iter().all(|&arc| question.is_open(domain, ceilings, arc))
            && limit.is_none_or(|limit| self.taken(question).time <= limit)
            && ceilings.sending.is_none_or(|limit| self.sending(question) <= limit)
    }

    fn sending(&self, question: &Question<'_>) -> u64 {
        self.sends.iter().map(|&arc| question.sending(arc)).sum()
    }

    /// Bytes, overhead included, and times.
    pub(crate) fn taken(&self, question: &Question<'_>) -> Taken {
        let deployment = question.deployment;
        let mut taken = Taken { sending: self.sending(question), ..Taken::default() };
        if self.held.is_empty() {
            return taken;
        }
        taken.bytes = deployment.devices[self.device].overhead.0;
        let mut model_before = None;
        let mut stored = 0u64;
        for (slot, choice) in self.choices(question) {
            let model = question.model_of[slot];
            if model_before != Some(model) {
                taken.bytes += deployment.models[model].activation.0;
                (model_before, stored) = (Some(model), 0);
            }
            taken.bytes += choice.bytes;
            taken.time += question.weight(model) * choice.time;
            if let Some(shared) = choice.shared.filter(|shared| stored >> shared & 1 == 0) {
                taken.bytes += deployment.models[model].shared[shared].0;
                stored |= 1 << shared;
            }
        }
        taken
    }

    /// What it adds to the objective for certain.
    pub(crate) fn cost(&self, question: &Question<'_>) -> u64 {
        match question.byte_cost() {
            0 => self.choices(question).map(|(slot, choice)| question.cost(slot, choice)).sum(),
            _ => self.taken(question).bytes,
        }
    }
}

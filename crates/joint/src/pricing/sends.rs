//! What a device sends, where that is a part of what it holds: after each run to a device that
//! goes on, and, from the source, into each model.
//!
//! Shares of messages that are kept apart from what devices hold can be spread thinly enough for
//! most limits on sending. As a part of configurations each of them keeps the limit by itself.
//! Joint alone left after 6 s, without and with that, of three models on 8 devices of 8 and of 12
//! layers: 10.2 and 1.7 %, 7.9 and 3.8 %; of free placement of 26 layers on 8: 8.5 % and nothing
//! after 4.8 s, 4.4 and 1.6 %.

use super::Send;
use crate::domain::Domain;
use crate::paths::{Arc, Ways};
use crate::prices::Ceilings;
use crate::question::{NEVER, Question};

/// The messages that one device may send.
pub(super) struct Sends<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) domain: &'a Domain,
    pub(super) ceilings: &'a Ceilings,
    pub(super) ways: &'a Ways<'a>,
    pub(super) device: usize,
}

impl Sends<'_> {
    /// Ways to end a run at a slot.
    pub(super) fn after(&self, slot: usize) -> Vec<Send> {
        let model = self.question.model_of[slot];
        if slot + 1 == self.question.starts[model + 1] {
            return self.best([Arc::Leave { model, device: self.device }].into_iter());
        }
        let others = (0..self.question.devices).filter(|&to| to != self.device);
        self.best(others.map(|to| Arc::Hop { slot, from: self.device, to }))
    }

    /// By model: ways into it; of no model if the device is not the source.
    pub(super) fn entries(&self) -> Vec<Vec<Send>> {
        if self.device != self.question.deployment.source.index() {
            return Vec::new();
        }
        let devices = 0..self.question.devices;
        let into =
            |model: usize| self.best(devices.clone().map(|device| Arc::Enter { model, device }));
        (0..self.question.models()).map(into).collect()
    }

    /// The open ones of these, without those that take no less time and cost no less than another.
    fn best(&self, arcs: impl Iterator<Item = Arc>) -> Vec<Send> {
        let mut sends: Vec<Send> = arcs.filter_map(|arc| self.send(arc)).collect();
        sends.sort_by_key(|send| (send.time, send.value));
        let mut least = NEVER;
        sends.retain(|send| {
            let is_better = send.value < least;
            least = least.min(send.value);
            is_better
        });
        sends
    }

    fn send(&self, arc: Arc) -> Option<Send> {
        let value = self.ways.cost(arc);
        if value >= NEVER || !self.question.is_open(self.domain, self.ceilings, arc) {
            return None;
        }
        let is_limited = self.ceilings.sending.is_some();
        let time = if is_limited { self.question.sending(arc) } else { 0 };
        Some(Send { arc: Some(arc), time, value })
    }
}

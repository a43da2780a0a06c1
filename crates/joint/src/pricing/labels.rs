//! Labels: configurations in the making, layer by layer and model by model, with the bytes that
//! they take. The relaxation's completions cut those that cannot beat the best; of those in
//! the same state, one that takes no more and costs no more cuts the others.
//!
//! The kernel of `crates/search` (`labels/mod.rs`) is another one, because there every label holds
//! every layer. Here most labels wait: of those that hold nothing of the model yet, whose last run
//! has ended, or that are done with the model, 6.3 times as many stood at a layer as were made
//! there (multi2-rand-12x5-120-s31), and 7.5 times as many with free placement (random-26x5x6-0).
//! That kernel would copy, compare and trace each of them at every layer. Its bounds are floats,
//! too, and these are integers, since they are part of a proof.

use std::collections::BTreeMap;

use edgeplan_problem::{Stop, Watch};

use super::relaxed::Relaxed;
use super::{Effort, Item, Part, Pricing, Send};
use crate::configuration::{Configuration, Held, Taken};
use crate::paths::Arc;

/// A configuration in the making.
#[derive(Debug, Clone, Copy)]
struct Label<const N: usize> {
    bytes: u64,
    /// Of compute and of sending, where these are limited: two times, or none. Without them a label
    /// is a third smaller, and pricing of several models takes 6 % less time.
    times: [u64; N],
    value: i64,
    /// Shared tensors of the present model that are stored.
    stored: u64,
    /// Its last step in the trace; none yet if `NOTHING`.
    trace: u32,
}

const NOTHING: u32 = u32::MAX;

/// What is held or sent, and what was before.
#[derive(Debug, Clone, Copy)]
struct Trace {
    before: u32,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Hold(Held),
    Send(Arc),
}

/// What a search by labels shows.
pub(super) struct Searched {
    /// Configurations better than the best known, and what they cost.
    pub(super) found: Vec<(i64, Configuration)>,
    /// Whether no other one is better than the best of these.
    pub(super) complete: bool,
    pub(super) labels: u64,
}

impl<const N: usize> Label<N> {
    /// A label that computes for longer.
    fn computes(mut self, time: u64) -> Self {
        if let Some(sum) = self.times.first_mut() {
            *sum += time;
        }
        self
    }

    /// A label that sends for longer.
    fn sends(mut self, time: u64) -> Self {
        if let Some(sum) = self.times.get_mut(1) {
            *sum += time;
        }
        self
    }

    fn computing(&self) -> u64 {
        self.times.first().copied().unwrap_or(0)
    }

    fn sending(&self) -> u64 {
        self.times.get(1).copied().unwrap_or(0)
    }
}

/// Configurations that a search returns.
const FOUND_MAX: usize = 3;

/// Labels worth sifting before they are sorted.
const SIFTED_MIN: usize = 64;
/// Two to that power is the number of steps that sifting counts bytes in.
const STEPS_BITS: u32 = 8;

/// A search in progress.
struct Search<'a, const N: usize> {
    pricing: &'a Pricing<'a>,
    relaxed: &'a Relaxed,
    /// Nothing that costs as much is looked for.
    limit: i64,
    traces: Vec<Trace>,
    labels_max: usize,
    watch: Watch<'a>,
    complete: bool,
}

/// Of labels that store and send the same and take no more bytes: the least time by value, which
/// falls as the value rises.
struct Front {
    stored: u64,
    sending: u64,
    times: BTreeMap<i64, u64>,
}

impl Front {
    /// That of labels like this one.
    fn of<'f, const N: usize>(fronts: &'f mut Vec<Self>, label: &Label<N>) -> &'f mut Self {
        let (stored, sending) = (label.stored, label.sending());
        let is = |front: &Self| front.stored == stored && front.sending == sending;
        let place = fronts.iter().position(is).unwrap_or_else(|| {
            fronts.push(Self { stored, sending, times: BTreeMap::new() });
            fronts.len() - 1
        });
        &mut fronts[place]
    }

    /// Whether one of its labels stores all that this one stores, costs no more and takes no
    /// longer, to compute or to send.
    fn beats<const N: usize>(&self, label: &Label<N>) -> bool {
        label.stored & !self.stored == 0 && self.sending <= label.sending() && {
            let nearest = self.times.range(..=label.value).next_back();
            nearest.is_some_and(|(_, &time)| time <= label.computing())
        }
    }

    /// Adds a label that it does not beat.
    fn add<const N: usize>(&mut self, label: &Label<N>) {
        let time = label.computing();
        let later = self.times.range(label.value..).take_while(|&(_, &other)| other >= time);
        let later: Vec<i64> = later.map(|(&value, _)| value).collect();
        later.iter().for_each(|value| {
            self.times.remove(value);
        });
        self.times.insert(label.value, time);
    }
}

impl Pricing<'_> {
    /// Searches for configurations that cost less than `limit`.
    ///
    /// # Errors
    /// What ends the run, which is looked at before each layer.
    pub(super) fn search(
        &self,
        relaxed: &Relaxed,
        limit: i64,
        effort: Effort<'_>,
    ) -> Result<Searched, Stop> {
        match self.is_timed() {
            true => self.search_with::<2>(relaxed, limit, effort),
            false => self.search_with::<0>(relaxed, limit, effort),
        }
    }

    /// Searches with labels of so many times.
    fn search_with<const N: usize>(
        &self,
        relaxed: &Relaxed,
        limit: i64,
        effort: Effort<'_>,
    ) -> Result<Searched, Stop> {
        let mut search = Search::<N> {
            pricing: self,
            relaxed,
            limit,
            traces: Vec::new(),
            labels_max: effort.labels_max.0,
            watch: effort.watch,
            complete: true,
        };
        let (bytes, times, stored, trace) = (0, [0; N], 0, NOTHING);
        let empty = Label { bytes, times, value: self.overhead_cost, stored, trace };
        let mut gate = search.entered(empty);
        for model in 0..self.parts.len() {
            gate = search.pass(model, gate)?;
            gate.retain(|label| search.is_worth(label, relaxed.gate[model + 1]));
            search.thin(&mut gate);
        }
        gate.retain(|label| label.value < limit);
        gate.sort_by_key(|label| label.value);
        gate.truncate(FOUND_MAX);
        let found = gate.iter().map(|label| (label.value, search.configuration(label)));
        let found = found.collect();
        Ok(Searched { found, complete: search.complete, labels: search.traces.len() as u64 })
    }
}

impl<const N: usize> Search<'_, N> {
    /// Labels that enter each model, where the device does.
    fn entered(&mut self, empty: Label<N>) -> Vec<Label<N>> {
        let pricing = self.pricing;
        let mut labels = vec![empty];
        for into in &pricing.entries {
            labels = self.sent(&labels, into, i64::MIN / 2);
            self.thin(&mut labels);
        }
        labels.retain(|label| self.is_worth(label, self.relaxed.gate[0]));
        labels
    }

    /// Labels that send one more message, in each way, as far as they fit and are worth it with
    /// that completion.
    fn sent(&mut self, labels: &[Label<N>], sends: &[Send], completion: i64) -> Vec<Label<N>> {
        let mut sent = Vec::with_capacity(labels.len() * sends.len());
        for send in sends {
            for label in labels {
                let value = label.value + send.value;
                let mut next = Label { value, ..*label }.sends(send.time);
                if !self.fits(&next) || !self.is_worth(&next, completion) {
                    continue;
                }
                if let Some(arc) = send.arc {
                    next.trace = self.traced(label.trace, Step::Send(arc));
                }
                sent.push(next);
            }
        }
        sent
    }

    /// A step after another one.
    fn traced(&mut self, before: u32, step: Step) -> u32 {
        self.traces.push(Trace { before, step });
        self.traces.len() as u32 - 1
    }

    /// Carries labels through one model.
    fn pass(&mut self, model: usize, gate: Vec<Label<N>>) -> Result<Vec<Label<N>>, Stop> {
        let pricing = self.pricing;
        let part = &pricing.parts[model];
        let free = !pricing.question.is_contiguous();
        let begin = |label: &Label<N>| Label {
            bytes: label.bytes + part.activation,
            value: label.value + part.activation_cost,
            stored: 0,
            ..*label
        };
        let unused: Vec<Label<N>> = gate.iter().map(begin).collect();
        let mut passed = gate;
        // After a layer: labels whose run goes on; those whose last run ended before that layer,
        // and at it.
        let (mut running, mut ended, mut ending) = (Vec::new(), Vec::new(), Vec::new());
        for (at, layer) in part.layers.iter().enumerate() {
            self.watch.check()?;
            let before = std::mem::take(&mut running);
            if !layer.items.is_empty() {
                let began = unused.iter().chain(&ended);
                let began = began.map(|label| Label { value: label.value + layer.begin, ..*label });
                let from: Vec<Label<N>> = before.into_iter().chain(began).collect();
                running = self.extend(model, at, &from);
            }
            ended.append(&mut ending);
            let stopped = self.sent(&running, &layer.ends, self.relaxed.ended[model][at]);
            if free {
                ending.clone_from(&stopped);
                self.thin(&mut ended);
            }
            let gate = self.relaxed.gate[model + 1];
            let done = stopped.into_iter().map(|label| Label { stored: 0, ..label });
            passed.extend(done.filter(|label| self.is_worth(label, gate)));
            if passed.len() > 2 * self.labels_max {
                self.thin(&mut passed);
            }
        }
        Ok(passed)
    }

    /// Labels that hold one more layer.
    fn extend(&mut self, model: usize, at: usize, from: &[Label<N>]) -> Vec<Label<N>> {
        let part = &self.pricing.parts[model];
        let layer = &part.layers[at];
        let completion = self.relaxed.running[model][at];
        let mut next: Vec<(Label<N>, u16)> = Vec::new();
        // Item by item: labels come in order of their bytes, so that what is sorted later is runs.
        for item in &layer.items {
            for label in from {
                let label = held(part, label, item);
                if self.fits(&label) && self.is_worth(&label, completion) {
                    next.push((label, item.choice));
                }
            }
        }
        // Labels are traced once they are kept.
        let mut labels: Vec<Label<N>> = Vec::with_capacity(next.len());
        let mut choices: Vec<(u32, u16)> = Vec::with_capacity(next.len());
        for (index, (label, choice)) in next.into_iter().enumerate() {
            choices.push((label.trace, choice));
            labels.push(Label { trace: index as u32, ..label });
        }
        self.thin(&mut labels);
        for label in &mut labels {
            let (before, choice) = choices[label.trace as usize];
            let held = Held { slot: layer.slot as u32, choice };
            label.trace = self.traced(before, Step::Hold(held));
        }
        labels
    }

    fn fits(&self, label: &Label<N>) -> bool {
        let Pricing { capacity, time_max, sending_max, .. } = *self.pricing;
        label.bytes <= capacity
            && time_max.is_none_or(|max| label.computing() <= max)
            && sending_max.is_none_or(|max| label.sending() <= max)
    }

    /// Whether a label with that completion may cost less than the limit.
    fn is_worth(&self, label: &Label<N>, completion: i64) -> bool {
        label.value + self.scarce(label) + completion - self.relaxed.whole < self.limit
    }

    /// What a label's bytes and times cost.
    fn scarce(&self, label: &Label<N>) -> i64 {
        let (bytes, time, sending) = (label.bytes, label.computing(), label.sending());
        self.relaxed.scarcity.of(Taken { bytes, time, sending })
    }

    /// Drops what another label dominates, then, if there are too many, the dearest.
    fn thin(&mut self, labels: &mut Vec<Label<N>>) {
        let alike = !self.pricing.is_timed() && labels.iter().all(|label| label.stored == 0);
        if alike {
            self.sift(labels);
        }
        // Mostly runs in order, which a stable sort merges: a third less time than an unstable one.
        labels.sort_by_key(|label| (label.bytes, label.value, label.times, label.trace));
        // Sorted by bytes: only value, time and what is stored are left to compare.
        if alike {
            let mut least = None;
            labels.retain(|label| {
                let beaten = least.is_some_and(|least| least <= label.value);
                least = if beaten { least } else { Some(label.value) };
                !beaten
            });
        } else {
            let mut fronts: Vec<Front> = Vec::new();
            labels.retain(|label| {
                let beaten = fronts.iter().any(|front| front.beats(label));
                if !beaten {
                    Front::of(&mut fronts, label).add(label);
                }
                !beaten
            });
        }
        let kept = labels.len();
        if kept > self.labels_max {
            self.complete = false;
            labels.sort_by_key(|label| label.value + self.scarce(label));
            labels.truncate(self.labels_max);
        }
    }

    /// Drops most of what another label dominates, in two passes and without order: labels that
    /// cost no less than the cheapest of those that take fewer bytes, counted in steps.
    fn sift(&self, labels: &mut Vec<Label<N>>) {
        if labels.len() < SIFTED_MIN {
            return;
        }
        let shift = (u64::BITS - self.pricing.capacity.leading_zeros()).saturating_sub(STEPS_BITS);
        let step = |label: &Label<N>| (label.bytes >> shift) as usize;
        // By step: the least value of labels in the steps before.
        let mut least = [i64::MAX; (1 << STEPS_BITS) + 1];
        for label in labels.iter() {
            let after = &mut least[step(label) + 1];
            *after = label.value.min(*after);
        }
        for at in 1..least.len() {
            least[at] = least[at].min(least[at - 1]);
        }
        labels.retain(|label| label.value < least[step(label)]);
    }

    fn configuration(&self, label: &Label<N>) -> Configuration {
        let (mut held, mut sends) = (Vec::new(), Vec::new());
        let mut at = label.trace;
        while at != NOTHING {
            let trace = self.traces[at as usize];
            match trace.step {
                Step::Hold(one) => held.push(one),
                Step::Send(arc) => sends.push(arc),
            }
            at = trace.before;
        }
        held.reverse();
        sends.reverse();
        Configuration { device: self.pricing.device, held, sends }
    }
}

/// A label that holds one more layer.
fn held<const N: usize>(part: &Part, label: &Label<N>, item: &Item) -> Label<N> {
    let (bytes, value) = (label.bytes + item.bytes, label.value + item.value);
    let mut next = Label { bytes, value, ..*label }.computes(item.time);
    if let Some(shared) = item.shared.filter(|shared| label.stored >> shared & 1 == 0) {
        let (bytes, cost) = part.shared[usize::from(shared)];
        next.bytes += bytes;
        next.value += cost;
        next.stored |= 1 << shared;
    }
    next
}

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
use super::{Effort, Item, Part, Pricing};
use crate::configuration::{Configuration, Held};

/// A configuration in the making.
#[derive(Debug, Clone, Copy)]
struct Label {
    bytes: u64,
    time: u64,
    value: i64,
    /// Shared tensors of the present model that are stored.
    stored: u64,
    /// Its last layer in the trace; none yet if `NOTHING`.
    trace: u32,
}

const NOTHING: u32 = u32::MAX;

/// A held layer, and the one held before.
#[derive(Debug, Clone, Copy)]
struct Trace {
    before: u32,
    held: Held,
}

/// What a search by labels shows.
pub(super) struct Searched {
    /// Configurations better than the best known, and what they cost.
    pub(super) found: Vec<(i64, Configuration)>,
    /// Whether no other one is better than the best of these.
    pub(super) complete: bool,
    pub(super) labels: u64,
}

/// Configurations that a search returns.
const FOUND_MAX: usize = 3;

/// Labels worth sifting before they are sorted.
const SIFTED_MIN: usize = 64;
/// Two to that power is the number of steps that sifting counts bytes in.
const STEPS_BITS: u32 = 8;

/// A search in progress.
struct Search<'a> {
    pricing: &'a Pricing<'a>,
    relaxed: &'a Relaxed,
    /// Nothing that costs as much is looked for.
    limit: i64,
    capacity: u64,
    traces: Vec<Trace>,
    labels_max: usize,
    watch: Watch<'a>,
    complete: bool,
}

/// Of labels that store the same and take no more bytes: the least time by value, which falls as
/// the value rises.
struct Front {
    stored: u64,
    times: BTreeMap<i64, u64>,
}

impl Front {
    /// That of labels that store these tensors.
    fn of(fronts: &mut Vec<Self>, stored: u64) -> &mut Self {
        let known = fronts.iter().position(|front| front.stored == stored);
        let place = known.unwrap_or_else(|| {
            fronts.push(Self { stored, times: BTreeMap::new() });
            fronts.len() - 1
        });
        &mut fronts[place]
    }

    /// Whether one of its labels stores all that this one stores, costs no more and takes no
    /// longer.
    fn beats(&self, label: &Label) -> bool {
        let nearest = self.times.range(..=label.value).next_back();
        label.stored & !self.stored == 0 && nearest.is_some_and(|(_, &time)| time <= label.time)
    }

    /// Adds a label that it does not beat.
    fn add(&mut self, label: &Label) {
        let later = self.times.range(label.value..).take_while(|&(_, &time)| time >= label.time);
        let later: Vec<i64> = later.map(|(&value, _)| value).collect();
        later.iter().for_each(|value| {
            self.times.remove(value);
        });
        self.times.insert(label.value, label.time);
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
        let mut search = Search {
            pricing: self,
            relaxed,
            limit,
            capacity: self.capacity.unwrap_or(0),
            traces: Vec::new(),
            labels_max: effort.labels_max.0,
            watch: effort.watch,
            complete: true,
        };
        let (bytes, time, stored) = (0, 0, 0);
        let empty = Label { bytes, time, value: self.overhead_cost, stored, trace: NOTHING };
        let mut gate = vec![empty];
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

impl Search<'_> {
    /// Carries labels through one model.
    fn pass(&mut self, model: usize, gate: Vec<Label>) -> Result<Vec<Label>, Stop> {
        let pricing = self.pricing;
        let part = &pricing.parts[model];
        let free = !pricing.question.is_contiguous();
        let begin = |label: &Label| Label {
            bytes: label.bytes + part.activation,
            value: label.value + part.activation_cost,
            stored: 0,
            ..*label
        };
        let unused: Vec<Label> = gate.iter().map(begin).collect();
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
                let from: Vec<Label> = before.into_iter().chain(began).collect();
                running = self.extend(model, at, &from);
            }
            ended.append(&mut ending);
            let stop = |label: &Label| Label { value: label.value + layer.end, ..*label };
            let stopped: Vec<Label> = running.iter().map(stop).collect();
            if free {
                ending.clone_from(&stopped);
                let later = |label: &Label| self.is_worth(label, self.relaxed.ended[model][at]);
                ending.retain(later);
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
    fn extend(&mut self, model: usize, at: usize, from: &[Label]) -> Vec<Label> {
        let part = &self.pricing.parts[model];
        let layer = &part.layers[at];
        let completion = self.relaxed.running[model][at];
        let mut next: Vec<(Label, u16)> = Vec::new();
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
        let mut labels: Vec<Label> = Vec::with_capacity(next.len());
        let mut choices: Vec<(u32, u16)> = Vec::with_capacity(next.len());
        for (index, (label, choice)) in next.into_iter().enumerate() {
            choices.push((label.trace, choice));
            labels.push(Label { trace: index as u32, ..label });
        }
        self.thin(&mut labels);
        for label in &mut labels {
            let (before, choice) = choices[label.trace as usize];
            label.trace = self.traces.len() as u32;
            self.traces.push(Trace { before, held: Held { slot: layer.slot as u32, choice } });
        }
        labels
    }

    fn fits(&self, label: &Label) -> bool {
        label.bytes <= self.capacity && self.pricing.time_max.is_none_or(|max| label.time <= max)
    }

    /// Whether a label with that completion may cost less than the limit.
    fn is_worth(&self, label: &Label, completion: i64) -> bool {
        let scarce = self.relaxed.scarcity.of(label.bytes, label.time);
        label.value + scarce + completion - self.relaxed.whole < self.limit
    }

    /// Drops what another label dominates, then, if there are too many, the dearest.
    fn thin(&mut self, labels: &mut Vec<Label>) {
        let alike = self.pricing.time_max.is_none() && labels.iter().all(|label| label.stored == 0);
        if alike {
            self.sift(labels);
        }
        // Mostly runs in order, which a stable sort merges: a third less time than an unstable one.
        labels.sort_by_key(|label| (label.bytes, label.value, label.time, label.trace));
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
                    Front::of(&mut fronts, label.stored).add(label);
                }
                !beaten
            });
        }
        let kept = labels.len();
        if kept > self.labels_max {
            self.complete = false;
            let scarcity = self.relaxed.scarcity;
            labels.sort_by_key(|label| label.value + scarcity.of(label.bytes, label.time));
            labels.truncate(self.labels_max);
        }
    }

    /// Drops most of what another label dominates, in two passes and without order: labels that
    /// cost no less than the cheapest of those that take fewer bytes, counted in steps.
    fn sift(&self, labels: &mut Vec<Label>) {
        if labels.len() < SIFTED_MIN {
            return;
        }
        let shift = (u64::BITS - self.capacity.leading_zeros()).saturating_sub(STEPS_BITS);
        let step = |label: &Label| (label.bytes >> shift) as usize;
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

    fn configuration(&self, label: &Label) -> Configuration {
        let mut held = Vec::new();
        let mut at = label.trace;
        while at != NOTHING {
            let trace = self.traces[at as usize];
            held.push(trace.held);
            at = trace.before;
        }
        held.reverse();
        Configuration { device: self.pricing.device, held }
    }
}

/// A label that holds one more layer.
fn held(part: &Part, label: &Label, item: &Item) -> Label {
    let mut next = Label {
        bytes: label.bytes + item.bytes,
        time: label.time + item.time,
        value: label.value + item.value,
        ..*label
    };
    if let Some(shared) = item.shared.filter(|shared| label.stored >> shared & 1 == 0) {
        let (bytes, cost) = part.shared[usize::from(shared)];
        next.bytes += bytes;
        next.value += cost;
        next.stored |= 1 << shared;
    }
    next
}

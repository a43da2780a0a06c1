//! Sums of a layout in the making: what it costs and by how much it exceeds limits. In floats, for
//! heuristics; callers evaluate their plans.

use edgeplan_problem::Watch;
use edgeplan_problem::deployment::Objective;

use crate::paths::{Arc, Sent};
use crate::question::{Choice, Question};
use crate::recipes::Layout;

/// Sums of a layout in the making.
#[derive(Clone)]
pub(crate) struct Sums<'a> {
    pub(crate) question: &'a Question<'a>,
    pub(crate) layout: Layout,
    /// What ends long searches.
    pub(crate) watch: Watch<'a>,
    bytes: Vec<f64>,
    /// Compute by device and round.
    time: Vec<f64>,
    loss: Vec<f64>,
    /// Compute of one request, by model.
    request: Vec<f64>,
    /// By device and model: how many layers it holds.
    layers: Vec<u32>,
    /// By device, model and shared tensor: how many layers use it there.
    users: Vec<u32>,
    shared_first: Vec<usize>,
    shared_all: usize,
    /// By device: how many layers it holds.
    held: Vec<u32>,
    messages: Vec<Messages>,
    /// By device and round: sending of all models, and bytes sent.
    sending: Vec<f64>,
    sent: Vec<f64>,
    /// By device: by how much it exceeds its limits, in limits.
    over: Vec<f64>,
    /// By device: the model whose messages were counted last that left it.
    left: Vec<u64>,
    counts: u64,
    cost: f64,
}

/// What the messages of a model take.
#[derive(Debug, Clone, Default)]
struct Messages {
    /// Time of one request.
    time: f64,
    /// Each sender with its time and bytes by round.
    sent: Vec<(usize, f64, f64)>,
    /// Messages without a way, and runs on devices that the model had left.
    broken: f64,
}

/// Where a slot is, and in which choice of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) device: usize,
    pub(crate) choice: usize,
}

/// How bad a layout is: what exceeds limits, in limits; then cost.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Badness {
    pub(crate) excess: f64,
    pub(crate) cost: f64,
}

/// Below this, limits are kept.
pub(crate) const EXCESS_MIN: f64 = 1e-12;

impl<'a> Sums<'a> {
    pub(crate) fn new(question: &'a Question<'a>, layout: Layout) -> Self {
        let mut shared_first = Vec::new();
        let mut shared_all = 0;
        for model in &question.deployment.models {
            shared_first.push(shared_all);
            shared_all += model.shared.len();
        }
        let (devices, models) = (question.devices, question.models());
        let mut sums = Self {
            question,
            bytes: vec![0.0; devices],
            time: vec![0.0; devices],
            loss: vec![0.0; models],
            request: vec![0.0; models],
            layers: vec![0; devices * models],
            users: vec![0; devices * shared_all],
            shared_first,
            shared_all,
            held: vec![0; devices],
            messages: vec![Messages::default(); models],
            sending: vec![0.0; devices],
            sent: vec![0.0; devices],
            over: vec![0.0; devices],
            left: vec![0; devices],
            counts: 0,
            cost: 0.0,
            layout,
            watch: Watch::default(),
        };
        (0..question.slots()).for_each(|slot| sums.count(slot, 1.0));
        (0..models).for_each(|model| sums.send(model));
        sums
    }

    fn choice(&self, slot: usize) -> &'a Choice {
        let place = self.question.place(slot, self.layout.devices[slot]);
        &self.question.choices[place][self.layout.choices[slot]]
    }

    /// Adds a slot's present choice to the sums, or takes it away.
    fn count(&mut self, slot: usize, sign: f64) {
        let (device, choice) = (self.layout.devices[slot], self.choice(slot));
        let model = self.question.model_of[slot];
        let owner = &self.question.deployment.models[model];
        self.bytes[device] += sign * choice.bytes as f64;
        self.time[device] += sign * (self.question.weight(model) * choice.time) as f64;
        self.loss[model] += sign * choice.loss as f64;
        self.request[model] += sign * choice.time as f64;
        self.cost += sign * self.question.cost(slot, choice) as f64;
        let up = sign > 0.0;
        let stored_cost = self.question.byte_cost() as f64;
        let mut once = 0.0;
        if changes(&mut self.layers[device * self.question.models() + model], up) {
            once += owner.activation.as_f64();
        }
        if changes(&mut self.held[device], up) {
            once += self.question.deployment.devices[device].overhead.as_f64();
        }
        if let Some(shared) = choice.shared {
            let at = device * self.shared_all + self.shared_first[model] + shared;
            if changes(&mut self.users[at], up) {
                once += owner.shared[shared].as_f64();
            }
        }
        self.bytes[device] += sign * once;
        self.cost += sign * once * stored_cost;
        self.over[device] = self.over_of(device);
    }

    /// By how much a device exceeds its limits, in limits.
    fn over_of(&self, device: usize) -> f64 {
        let deployment = self.question.deployment;
        let machine = &deployment.devices[device];
        over(self.bytes[device], Some(machine.memory.0))
            + over(self.time[device], self.question.compute_max(device))
            + over(self.sending[device], deployment.bottleneck_max.map(|limit| limit.0))
            + over(self.sent[device], machine.traffic_max.map(|limit| limit.0))
    }

    /// Counts a model's messages again.
    pub(crate) fn send(&mut self, model: usize) {
        let question = self.question;
        let mut messages = std::mem::take(&mut self.messages[model]);
        for (device, time, bytes) in messages.sent.drain(..) {
            self.sending[device] -= time;
            self.sent[device] -= bytes;
            self.over[device] = self.over_of(device);
        }
        let before = std::mem::take(&mut messages.time);
        messages.broken = 0.0;
        self.counts += 1;
        let weight = question.weight(model) as f64;
        let mut add = |arc: Arc| match question.sent(arc) {
            Some(Sent { time: 0, bytes: 0 }) => {}
            Some(sent) => {
                let (time, bytes) = (weight * sent.time as f64, weight * sent.bytes as f64);
                let from = question.ends(arc).from;
                messages.time += sent.time as f64;
                messages.sent.push((from, time, bytes));
                self.sending[from] += time;
                self.sent[from] += bytes;
            }
            None => messages.broken += 1.0,
        };
        let slots = question.slots_of(model);
        let devices = &self.layout.devices;
        let mut again = 0.0;
        add(Arc::Enter { model, device: devices[slots.start] });
        for slot in slots.start..slots.end - 1 {
            let (from, to) = (devices[slot], devices[slot + 1]);
            if from != to {
                add(Arc::Hop { slot, from, to });
                self.left[from] = self.counts;
                again += f64::from(u8::from(self.left[to] == self.counts));
            }
        }
        add(Arc::Leave { model, device: devices[slots.end - 1] });
        if question.is_contiguous() {
            messages.broken += again;
        }
        if question.deployment.objective == Objective::Latency {
            self.cost += weight * (messages.time - before);
        }
        for &(device, ..) in &messages.sent {
            self.over[device] = self.over_of(device);
        }
        self.messages[model] = messages;
    }

    /// Changes a slot's choice.
    pub(crate) fn set(&mut self, slot: usize, choice: usize) {
        self.count(slot, -1.0);
        self.layout.choices[slot] = choice;
        self.count(slot, 1.0);
    }

    /// Moves layers of one model to a device, each in the option it had where it is allowed there;
    /// false, and nothing moves, if a place has no choice.
    pub(crate) fn shift(&mut self, slots: std::ops::Range<usize>, device: usize) -> bool {
        let question = self.question;
        let choices = |slot: usize| &question.choices[question.place(slot, device)];
        if slots.clone().any(|slot| choices(slot).is_empty()) {
            return false;
        }
        let model = question.model_of[slots.start];
        for slot in slots {
            let option = self.choice(slot).option;
            let same = choices(slot).iter().position(|choice| choice.option == option);
            self.put(slot, At { device, choice: same.unwrap_or(0) });
        }
        self.send(model);
        true
    }

    /// Where a slot is.
    pub(crate) fn at(&self, slot: usize) -> At {
        At { device: self.layout.devices[slot], choice: self.layout.choices[slot] }
    }

    /// Puts a slot elsewhere; the model's messages are as they were until [`Self::send`].
    pub(crate) fn put(&mut self, slot: usize, at: At) {
        self.count(slot, -1.0);
        (self.layout.devices[slot], self.layout.choices[slot]) = (at.device, at.choice);
        self.count(slot, 1.0);
    }

    pub(crate) fn badness(&self) -> Badness {
        let excess = self.excess();
        let cost = match self.question.deployment.objective {
            // The busiest counts; of equals, all others a little.
            Objective::Bottleneck => {
                let loads = self.time.iter().chain(&self.sending);
                let busiest = loads.fold(0.0f64, |most, &load| most.max(load));
                busiest + 1e-3 * self.time.iter().sum::<f64>() / self.time.len() as f64
            }
            Objective::Latency | Objective::Memory => self.cost,
        };
        Badness { excess: if excess < EXCESS_MIN { 0.0 } else { excess }, cost }
    }

    /// By how much limits are exceeded, in limits.
    fn excess(&self) -> f64 {
        let deployment = self.question.deployment;
        let mut excess: f64 = self.over.iter().sum();
        for (model, owner) in deployment.models.iter().enumerate() {
            let latency = self.request[model] + self.messages[model].time;
            excess += over(self.loss[model], owner.loss_max.map(|limit| limit.0))
                + over(latency, deployment.latency_max.map(|limit| limit.0))
                + self.messages[model].broken;
        }
        excess
    }

    /// By how much limits are exceeded, and costs of `most`; of a bottleneck, by each device.
    pub(crate) fn excess_over(&self, most: u64) -> f64 {
        self.excess()
            + match self.question.deployment.objective {
                Objective::Bottleneck => {
                    let loads = self.time.iter().chain(&self.sending);
                    loads.map(|&load| over(load, Some(most))).sum()
                }
                Objective::Latency | Objective::Memory => over(self.cost, Some(most)),
            }
    }

    /// Whether a device exceeds a limit, or a bottleneck of `most`.
    pub(crate) fn is_over(&self, device: usize, most: u64) -> bool {
        let machine = &self.question.deployment.devices[device];
        let is_busy = self.time[device].max(self.sending[device]) > most as f64;
        self.bytes[device] > machine.memory.as_f64()
            || self.question.deployment.objective == Objective::Bottleneck && is_busy
    }
}

/// What a sum exceeds a limit by, in limits.
fn over(sum: f64, limit: Option<u64>) -> f64 {
    match limit {
        Some(limit) if sum > limit as f64 => (sum - limit as f64) / limit.max(1) as f64,
        _ => 0.0,
    }
}

/// Counts one more or one less; whether that is the first one, or was the last.
fn changes(count: &mut u32, up: bool) -> bool {
    *count = if up { *count + 1 } else { *count - 1 };
    *count == u32::from(up)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use edgeplan_problem::Problem as _;

    use super::*;
    use crate::small::questions;

    #[test]
    fn sums_are_those_of_evaluate() {
        let (mut feasible, mut checked) = (0, 0);
        for deployment in questions() {
            let question = Question::new(&deployment);
            let visited = deployment.try_each_plan::<Infallible>(&mut |plan| {
                let Some(layout) = Layout::of(&question, plan) else { return Ok(()) };
                let evaluation = deployment.evaluate(plan);
                let bad = Sums::new(&question, layout).badness();
                let name = &deployment.name;
                assert_eq!(bad.excess == 0.0, evaluation.is_feasible(), "{name}: {plan:?}");
                let off = bad.cost / evaluation.cost.as_f64().max(1.0) - 1.0;
                // Of a bottleneck, times of all devices count a little.
                let most = if deployment.objective == Objective::Bottleneck { 2e-3 } else { 1e-9 };
                let is_priced = evaluation.is_feasible();
                assert!(!is_priced || (-1e-9..=most).contains(&off), "{name}: {off}");
                feasible += usize::from(evaluation.is_feasible());
                checked += 1;
                Ok(())
            });
            visited.expect("nothing stops it");
        }
        assert!(feasible > 0 && feasible < checked, "{feasible} of {checked}");
    }

    #[test]
    fn changes_leave_the_sums_that_a_new_layout_has() {
        let mut moved = 0;
        for deployment in questions() {
            let question = Question::new(&deployment);
            let slots = question.slots();
            let devices = vec![0; slots];
            if (0..slots).any(|slot| question.choices[question.place(slot, 0)].is_empty()) {
                continue;
            }
            let mut sums = Sums::new(&question, Layout { devices, choices: vec![0; slots] });
            for step in 0..4 * slots {
                let (slot, device) = (step % slots, step % question.devices);
                let choices = &question.choices[question.place(slot, sums.layout.devices[slot])];
                sums.set(slot, step % choices.len());
                moved += usize::from(sums.shift(slot..slot + 1, device));
                let fresh = Sums::new(&question, sums.layout.clone()).badness();
                let kept = sums.badness();
                assert!((kept.excess - fresh.excess).abs() < 1e-6, "{kept:?} {fresh:?}");
                assert!((kept.cost - fresh.cost).abs() <= 1e-6 * fresh.cost, "{kept:?} {fresh:?}");
            }
        }
        assert!(moved > 50, "{moved}");
    }
}

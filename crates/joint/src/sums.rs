//! Sums of a layout in the making: what it costs and by how much it exceeds limits. In floats, for
//! heuristics; callers evaluate their plans.

use edgeplan_problem::deployment::Objective;

use crate::paths::Arc;
use crate::question::{Choice, Question};
use crate::recipes::Layout;

/// Sums of a layout in the making.
#[derive(Clone)]
pub(crate) struct Sums<'a> {
    pub(crate) question: &'a Question<'a>,
    pub(crate) layout: Layout,
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
    messages: Vec<Messages>,
    cost: f64,
}

/// What the messages of a model take.
#[derive(Debug, Clone, Default)]
struct Messages {
    /// Time of one request.
    time: f64,
    /// By device and round.
    sending: Vec<f64>,
    bytes: Vec<f64>,
    /// Messages without a way, and runs on devices that the model had left.
    broken: f64,
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
            messages: vec![Messages::default(); models],
            cost: 0.0,
            layout,
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
        let models = self.question.models();
        let row = device * models..(device + 1) * models;
        let was_used = self.layers[row.clone()].iter().any(|&layers| layers > 0);
        let mut once = 0.0;
        if changes(&mut self.layers[device * models + model], up) {
            once += owner.activation.as_f64();
        }
        if was_used != self.layers[row].iter().any(|&layers| layers > 0) {
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
    }

    /// Counts a model's messages again.
    fn send(&mut self, model: usize) {
        let question = self.question;
        let devices = question.devices;
        let mut messages = Messages {
            sending: vec![0.0; devices],
            bytes: vec![0.0; devices],
            ..Messages::default()
        };
        let weight = question.weight(model) as f64;
        let mut left = vec![false; devices];
        for arc in self.layout.arcs_of(question, model) {
            let (from, to) = (question.ends(arc).from, question.ends(arc).to);
            match question.sent(arc) {
                Some(sent) => {
                    messages.time += sent.time as f64;
                    messages.sending[from] += weight * sent.time as f64;
                    messages.bytes[from] += weight * sent.bytes as f64;
                }
                None => messages.broken += 1.0,
            }
            if let Arc::Hop { .. } = arc {
                left[from] = true;
                if left[to] && question.is_contiguous() {
                    messages.broken += 1.0;
                }
            }
        }
        if question.deployment.objective == Objective::Latency {
            self.cost += weight * (messages.time - self.messages[model].time);
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
            self.count(slot, -1.0);
            self.layout.devices[slot] = device;
            let same = choices(slot).iter().position(|choice| choice.option == option);
            self.layout.choices[slot] = same.unwrap_or(0);
            self.count(slot, 1.0);
        }
        self.send(model);
        true
    }

    pub(crate) fn badness(&self) -> Badness {
        let deployment = self.question.deployment;
        let over = |sum: f64, limit: Option<u64>| match limit {
            Some(limit) if sum > limit as f64 => (sum - limit as f64) / limit.max(1) as f64,
            _ => 0.0,
        };
        let mut excess = 0.0;
        let mut busiest = 0.0f64;
        for (device, machine) in deployment.devices.iter().enumerate() {
            let sending: f64 = self.messages.iter().map(|m| m.sending[device]).sum();
            let bytes: f64 = self.messages.iter().map(|m| m.bytes[device]).sum();
            busiest = busiest.max(self.time[device]).max(sending);
            excess += over(self.bytes[device], Some(machine.memory.0))
                + over(self.time[device], self.question.compute_max(device))
                + over(sending, deployment.bottleneck_max.map(|limit| limit.0))
                + over(bytes, machine.traffic_max.map(|limit| limit.0));
        }
        for (model, owner) in deployment.models.iter().enumerate() {
            let latency = self.request[model] + self.messages[model].time;
            excess += over(self.loss[model], owner.loss_max.map(|limit| limit.0))
                + over(latency, deployment.latency_max.map(|limit| limit.0))
                + self.messages[model].broken;
        }
        let cost = match deployment.objective {
            // The busiest counts; of equals, all others a little.
            Objective::Bottleneck => {
                busiest + 1e-3 * self.time.iter().sum::<f64>() / self.time.len() as f64
            }
            Objective::Latency | Objective::Memory => self.cost,
        };
        Badness { excess: if excess < EXCESS_MIN { 0.0 } else { excess }, cost }
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

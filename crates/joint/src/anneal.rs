//! Plans by simulated annealing (Kirkpatrick, Gelatt and Vecchi, Science 220, 1983): what exceeds
//! limits, and a target of the cost, is the energy. Where nothing does, that is a plan, and the
//! next target lies below it.

use std::ops::Range;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::question::Question;
use crate::recipes::Layout;
use crate::sums::{At, Sums};

/// How far and how long to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) moves: u64,
    /// Temperature at first, in limits.
    pub(crate) hot: f64,
    pub(crate) seed: u64,
}

/// Temperature at last.
const COLD: f64 = 5e-4;
/// A next target is by this share below the last plan.
const LOWER: f64 = 2e-3;
/// Moves between two looks at the clock, and two temperatures.
const LOOK_EVERY: u64 = 256;
/// Below this, energies are none: sums of shares in floats.
const NONE: f64 = 1e-12;

/// A search in progress.
struct Annealing<'a> {
    sums: Sums<'a>,
    random: Pcg64Mcg,
    energy: f64,
    /// Plans are to cost no more.
    target: u64,
    /// What the last move changed.
    undo: Vec<(usize, At)>,
    /// The models that it changed.
    models: Vec<usize>,
}

/// The best layout found from this one that costs less than `cutoff`, as far as `more` allows.
pub(crate) fn annealed(
    question: &Question<'_>,
    layout: Layout,
    cutoff: u64,
    schedule: Schedule,
    more: &mut dyn FnMut() -> bool,
) -> Option<Layout> {
    let mut search = Annealing {
        sums: Sums::new(question, layout),
        random: Pcg64Mcg::seed_from_u64(schedule.seed),
        energy: 0.0,
        target: cutoff.saturating_sub(1),
        undo: Vec::new(),
        models: Vec::new(),
    };
    search.energy = search.sums.excess_over(search.target);
    let mut best = None;
    let mut temperature = schedule.hot;
    for number in 0..schedule.moves {
        if search.energy <= NONE {
            let cost = search.sums.badness().cost;
            best = Some(search.sums.layout.clone());
            search.target = search.target.min((cost * (1.0 - LOWER)) as u64);
            search.energy = search.sums.excess_over(search.target);
        }
        if number % LOOK_EVERY == 0 {
            if !more() {
                break;
            }
            let share = number as f64 / schedule.moves as f64;
            temperature = schedule.hot * (COLD / schedule.hot).powf(share);
        }
        search.step(temperature);
    }
    best
}

/// A layout to begin with: each model on a device of its own as far as that may hold it, least
/// bytes. None if a layer has no device.
pub(crate) fn spread(question: &Question<'_>) -> Option<Layout> {
    let mut layout = Layout { devices: Vec::new(), choices: Vec::new() };
    for slot in 0..question.slots() {
        let before = match question.starts.binary_search(&slot) {
            Ok(model) => model % question.devices,
            Err(_) => *layout.devices.last()?,
        };
        let from_there = (0..question.devices).map(|next| (before + next) % question.devices);
        let choices = |device: usize| &question.choices[question.place(slot, device)];
        let device = from_there.into_iter().find(|&device| !choices(device).is_empty())?;
        let least = (0..choices(device).len()).min_by_key(|&index| choices(device)[index].bytes)?;
        layout.devices.push(device);
        layout.choices.push(least);
    }
    Some(layout)
}

impl Annealing<'_> {
    fn step(&mut self, temperature: f64) {
        self.undo.clear();
        self.models.clear();
        if !self.propose() {
            return;
        }
        for index in 0..self.models.len() {
            self.sums.send(self.models[index]);
        }
        let energy = self.sums.excess_over(self.target);
        let rise = energy - self.energy;
        if rise <= 0.0 || self.random.random::<f64>() < (-rise / temperature).exp() {
            self.energy = energy;
            return;
        }
        while let Some((slot, at)) = self.undo.pop() {
            self.sums.put(slot, at);
        }
        for index in 0..self.models.len() {
            self.sums.send(self.models[index]);
        }
    }

    /// Makes a random move, messages aside; false if there is none of its kind.
    fn propose(&mut self) -> bool {
        let slot = self.slot();
        match self.random.random_range(0..100) {
            0..30 => self.choose(slot),
            30..45 => self.choose_two(slot),
            45..75 => self.bound(slot),
            75..85 => self.relocate(slot),
            85..93 => self.swap(slot),
            _ => self.split(slot),
        }
    }

    /// Any slot, or one of a device that exceeds a limit.
    fn slot(&mut self) -> usize {
        let slots = self.sums.question.slots();
        let mut slot = self.random.random_range(0..slots);
        if self.random.random_bool(0.5) {
            let device = self.random.random_range(0..self.sums.question.devices);
            if self.sums.is_over(device, self.target) {
                let held = (0..slots).map(|next| (slot + next) % slots);
                let mut held = held.filter(|&slot| self.sums.layout.devices[slot] == device);
                slot = held.next().unwrap_or(slot);
            }
        }
        slot
    }

    fn put(&mut self, slot: usize, at: At) {
        self.undo.push((slot, self.sums.at(slot)));
        self.sums.put(slot, at);
    }

    /// Another choice of a slot.
    fn choose(&mut self, slot: usize) -> bool {
        let At { device, choice } = self.sums.at(slot);
        let count = self.sums.question.choices[self.sums.question.place(slot, device)].len();
        if count < 2 {
            return false;
        }
        let other = (choice + self.random.random_range(1..count)) % count;
        self.put(slot, At { device, choice: other });
        true
    }

    /// Other choices of two slots of a model.
    fn choose_two(&mut self, slot: usize) -> bool {
        let slots = self.sums.question.slots_of(self.sums.question.model_of[slot]);
        let other = self.random.random_range(slots);
        let chosen = self.choose(slot);
        other != slot && self.choose(other) || chosen
    }

    /// The run of a slot.
    fn run(&self, slot: usize) -> Range<usize> {
        let devices = &self.sums.layout.devices;
        let slots = self.sums.question.slots_of(self.sums.question.model_of[slot]);
        let same = |&other: &usize| devices[other] == devices[slot];
        let start = slot - (slots.start..slot).rev().take_while(same).count();
        start..slot + (slot..slots.end).take_while(same).count()
    }

    /// Moves slots of one model to a device, some of them in other choices.
    fn shift(&mut self, slots: Range<usize>, device: usize) -> bool {
        let question = self.sums.question;
        let choices = |slot: usize| &question.choices[question.place(slot, device)];
        if slots.clone().any(|slot| choices(slot).is_empty()) {
            return false;
        }
        let model = question.model_of[slots.start];
        if !self.models.contains(&model) {
            self.models.push(model);
        }
        let varied = self.random.random_bool(0.5);
        for slot in slots {
            let At { device: from, choice } = self.sums.at(slot);
            let option = question.choices[question.place(slot, from)][choice].option;
            let same = choices(slot).iter().position(|choice| choice.option == option);
            let choice = match same {
                Some(same) if !varied || self.random.random_bool(0.7) => same,
                _ => self.random.random_range(0..choices(slot).len()),
            };
            self.put(slot, At { device, choice });
        }
        true
    }

    /// Moves the border between a slot's run and the one before or after.
    fn bound(&mut self, slot: usize) -> bool {
        let run = self.run(slot);
        let slots = self.sums.question.slots_of(self.sums.question.model_of[slot]);
        let device = self.sums.layout.devices[slot];
        let (grow, left) = (self.random.random_bool(0.5), self.random.random_bool(0.5));
        let neighbour = match left {
            true if run.start > slots.start => self.run(run.start - 1),
            false if run.end < slots.end => self.run(run.end),
            _ => return false,
        };
        let most = if grow { neighbour.len() } else { run.len() };
        let count = self.count(most);
        let to = if grow { device } else { self.sums.layout.devices[neighbour.start] };
        let moved = match (grow, left) {
            (true, true) => neighbour.end - count..neighbour.end,
            (true, false) => neighbour.start..neighbour.start + count,
            (false, true) => run.start..run.start + count,
            (false, false) => run.end - count..run.end,
        };
        self.shift(moved, to)
    }

    /// One, mostly, up to `most`.
    fn count(&mut self, most: usize) -> usize {
        if most > 1 && self.random.random_bool(0.4) {
            self.random.random_range(1..=most)
        } else {
            1
        }
    }

    /// Moves a slot's run to another device.
    fn relocate(&mut self, slot: usize) -> bool {
        let device = self.random.random_range(0..self.sums.question.devices);
        device != self.sums.layout.devices[slot] && self.shift(self.run(slot), device)
    }

    /// Swaps the devices of two runs.
    fn swap(&mut self, slot: usize) -> bool {
        let other = self.random.random_range(0..self.sums.question.slots());
        let (one, two) = (self.sums.layout.devices[slot], self.sums.layout.devices[other]);
        if one == two {
            return false;
        }
        let (first, second) = (self.run(slot), self.run(other));
        self.shift(first, two) && self.shift(second, one) || !self.undo.is_empty()
    }

    /// Moves an end of a slot's run to another device; with free placement, any part.
    fn split(&mut self, slot: usize) -> bool {
        let run = self.run(slot);
        let device = self.random.random_range(0..self.sums.question.devices);
        if device == self.sums.layout.devices[slot] {
            return false;
        }
        let count = self.count(run.len());
        let start = match (self.sums.question.is_contiguous(), self.random.random_bool(0.5)) {
            (false, _) => self.random.random_range(run.start..=run.end - count),
            (true, true) => run.start,
            (true, false) => run.end - count,
        };
        self.shift(start..start + count, device)
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Problem as _;

    use super::*;
    use crate::small::questions;

    #[test]
    fn layouts_keep_limits_and_most_are_the_best() {
        let (mut found, mut optimal) = (0, 0);
        for deployment in questions() {
            let question = Question::new(&deployment);
            let Some(layout) = spread(&question) else { continue };
            let schedule = Schedule { moves: 20_000, hot: 0.2, seed: 1 };
            let best = deployment.brute_force().map(|(cost, _)| cost);
            let near = annealed(&question, layout, u64::MAX, schedule, &mut || true);
            let Some(near) = near else { continue };
            let evaluation = deployment.evaluate(&near.plan(&question));
            assert!(evaluation.is_feasible(), "{}", deployment.name);
            let best = best.expect("there is a plan");
            assert!(evaluation.cost >= best, "{}", deployment.name);
            (found, optimal) = (found + 1, optimal + usize::from(evaluation.cost == best));
        }
        assert!(found > 20 && 10 * optimal > 8 * found, "{optimal} of {found}");
    }
}

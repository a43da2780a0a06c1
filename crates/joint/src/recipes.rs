//! Choices for a given placement: prices first, then single changes that repair, then single and
//! double changes that improve. A heuristic in floats; callers evaluate its plans.

use edgeplan_problem::Watch;
use edgeplan_problem::deployment::{Assignment, DeviceId, Objective, Plan};

use crate::configuration::{Configuration, Held};
use crate::domain::Domain;
use crate::paths::Arc;
use crate::question::Question;
use crate::sums::{Badness, EXCESS_MIN, Sums};

/// Where each slot is, and in which choice of its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) devices: Vec<usize>,
    pub(crate) choices: Vec<usize>,
}

impl Layout {
    /// As a plan.
    pub(crate) fn plan(&self, question: &Question<'_>) -> Plan {
        let assigned = |slot: usize| {
            let device = self.devices[slot];
            let choice = &question.choices[question.place(slot, device)][self.choices[slot]];
            Assignment { device: DeviceId(device as u16), option: choice.option }
        };
        let models = (0..question.models())
            .map(|model| question.slots_of(model).map(assigned).collect())
            .collect();
        Plan { models }
    }

    /// What each device holds, and what it sends where that is a part of it; of devices that do
    /// neither, nothing.
    pub(crate) fn configurations(
        &self,
        question: &Question<'_>,
        routed: bool,
    ) -> Vec<Configuration> {
        let arcs = if routed { self.arcs(question) } else { Vec::new() };
        let is_entry = |arc: &&Arc| matches!(arc, Arc::Enter { .. });
        let device = |device: usize| {
            let slots = (0..self.devices.len()).filter(|&slot| self.devices[slot] == device);
            let held = |slot: usize| Held { slot: slot as u32, choice: self.choices[slot] as u16 };
            let own = || arcs.iter().filter(|&&arc| question.ends(arc).from == device);
            let sends = own().filter(is_entry).chain(own().filter(|arc| !is_entry(arc)));
            let sends = sends.copied().collect();
            Configuration { device, held: slots.map(held).collect(), sends }
        };
        let all = (0..question.devices).map(device);
        all.filter(|one| !(one.held.is_empty() && one.sends.is_empty())).collect()
    }

    /// The messages of all models.
    pub(crate) fn arcs(&self, question: &Question<'_>) -> Vec<Arc> {
        (0..question.models()).flat_map(|model| self.arcs_of(question, model)).collect()
    }

    /// The messages of a model.
    pub(crate) fn arcs_of(&self, question: &Question<'_>, model: usize) -> Vec<Arc> {
        let slots = question.slots_of(model);
        let mut arcs = vec![Arc::Enter { model, device: self.devices[slots.start] }];
        for slot in slots.start..slots.end - 1 {
            let (from, to) = (self.devices[slot], self.devices[slot + 1]);
            if from != to {
                arcs.push(Arc::Hop { slot, from, to });
            }
        }
        arcs.push(Arc::Leave { model, device: self.devices[slots.end - 1] });
        arcs
    }

    /// A plan's layout; none if it uses choices that others beat.
    pub(crate) fn of(question: &Question<'_>, plan: &Plan) -> Option<Self> {
        let assigned = plan.models.iter().flatten();
        let devices: Vec<usize> = assigned.clone().map(|at| at.device.index()).collect();
        let found = assigned.enumerate().map(|(slot, at)| {
            let choices = &question.choices[question.place(slot, at.device.index())];
            choices.iter().position(|choice| choice.option == at.option)
        });
        Some(Self { choices: found.collect::<Option<_>>()?, devices })
    }
}

/// Prices that a first choice goes by, in costs.
#[derive(Debug, Clone)]
pub(crate) struct Guide {
    /// By model, per unit of loss.
    pub(crate) loss: Vec<f64>,
    /// By slot and option.
    pub(crate) options: Vec<f64>,
}

impl Sums<'_> {
    /// The choice of a slot after which the layout is best, if that is better than now.
    fn try_slot(&mut self, slot: usize, domain: &Domain) -> Option<(usize, Badness)> {
        let now = self.layout.choices[slot];
        let place = self.question.place(slot, self.layout.devices[slot]);
        let mut best: Option<(usize, Badness)> = None;
        for choice in domain.choices(place).filter(|&choice| choice != now) {
            self.set(slot, choice);
            let bad = self.badness();
            if best.is_none_or(|(_, least)| bad < least) {
                best = Some((choice, bad));
            }
        }
        self.set(slot, now);
        best
    }

    /// Changes that lessen the excess, those of the least cost for it first.
    pub(crate) fn repair(&mut self, domain: &Domain) -> bool {
        for _ in 0..4 * self.layout.devices.len() {
            let now = self.badness();
            if now.excess == 0.0 {
                return true;
            }
            if self.watch.check().is_err() {
                return false;
            }
            let mut best: Option<(f64, usize, usize)> = None;
            for slot in 0..self.layout.devices.len() {
                let before = self.layout.choices[slot];
                let place = self.question.place(slot, self.layout.devices[slot]);
                for choice in domain.choices(place).filter(|&choice| choice != before) {
                    self.set(slot, choice);
                    let bad = self.badness();
                    if bad.excess < now.excess - EXCESS_MIN {
                        let rate = (bad.cost - now.cost).max(0.0) / (now.excess - bad.excess);
                        let gain = -1e-9 * (now.excess - bad.excess);
                        if best.is_none_or(|(least, ..)| rate + gain < least) {
                            best = Some((rate + gain, slot, choice));
                        }
                    }
                }
                self.set(slot, before);
            }
            let Some((_, slot, choice)) = best else { return false };
            self.set(slot, choice);
        }
        self.badness().excess == 0.0
    }

    /// Single changes while they improve.
    pub(crate) fn improve(&mut self, domain: &Domain) -> bool {
        let mut any = false;
        loop {
            let mut better = false;
            for slot in 0..self.layout.devices.len() {
                let now = self.badness();
                if let Some((choice, bad)) = self.try_slot(slot, domain)
                    && bad < now
                    && now.cost - bad.cost > 1e-9 * now.cost
                {
                    self.set(slot, choice);
                    better = true;
                }
            }
            any |= better;
            if !better {
                return any;
            }
        }
    }

    /// Changes of two layers of a model, or of a device, that improve.
    fn improve_in_pairs(&mut self, domain: &Domain) -> bool {
        let slots = self.layout.devices.len();
        let mut any = false;
        for one in 0..slots {
            if self.watch.check().is_err() {
                break;
            }
            let place = self.question.place(one, self.layout.devices[one]);
            for choice in domain.choices(place) {
                let before = self.layout.choices[one];
                if choice == before {
                    continue;
                }
                let now = self.badness();
                self.set(one, choice);
                let mut best: Option<(usize, usize, Badness)> = None;
                for two in 0..slots {
                    if two == one || !self.is_tied(one, two) {
                        continue;
                    }
                    if let Some((choice, bad)) = self.try_slot(two, domain)
                        && best.is_none_or(|(.., least)| bad < least)
                    {
                        best = Some((two, choice, bad));
                    }
                }
                match best {
                    Some((two, choice, bad))
                        if bad < now && now.cost - bad.cost > 1e-9 * now.cost =>
                    {
                        self.set(two, choice);
                        any = true;
                    }
                    _ => self.set(one, before),
                }
            }
        }
        any
    }

    fn is_tied(&self, one: usize, two: usize) -> bool {
        self.question.model_of[one] == self.question.model_of[two]
            || self.layout.devices[one] == self.layout.devices[two]
    }
}

/// How much is done for a placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// Single changes.
    Brief,
    /// Pairs of changes too.
    Thorough,
}

/// Choices for a placement, begun at these; none if no limit-keeping ones were found.
pub(crate) fn repaired(
    question: &Question<'_>,
    domain: &Domain,
    layout: Layout,
    care: Care,
    watch: Watch<'_>,
) -> Option<Layout> {
    let mut sums = Sums::new(question, layout);
    sums.watch = watch;
    if !sums.repair(domain) {
        return None;
    }
    sums.improve(domain);
    if care == Care::Thorough {
        for _ in 0..4 {
            if !sums.improve_in_pairs(domain) {
                break;
            }
            sums.improve(domain);
        }
    }
    Some(sums.layout)
}

/// Each layer's choice of least cost with its loss priced; none if a place is closed.
pub(crate) fn guided(
    question: &Question<'_>,
    domain: &Domain,
    devices: &[usize],
    guide: &Guide,
) -> Option<Layout> {
    let choices = devices.iter().enumerate().map(|(slot, &device)| {
        let place = question.place(slot, device);
        let price = guide.loss[question.model_of[slot]];
        let cost = |&index: &usize| {
            let choice = &question.choices[place][index];
            let own = match question.deployment.objective {
                Objective::Bottleneck => choice.time,
                Objective::Latency | Objective::Memory => question.cost(slot, choice),
            };
            let option = guide.options[question.option(slot, choice.option)];
            own as f64 + option + price * choice.loss as f64
        };
        domain.choices(place).min_by(|a, b| cost(a).total_cmp(&cost(b)))
    });
    Some(Layout { devices: devices.to_vec(), choices: choices.collect::<Option<_>>()? })
}

//! What follows from a domain: choices that no plan within the limits has.

use crate::domain::Domain;
use crate::prices::Ceilings;
use crate::question::Question;

/// A domain that allows no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Empty;

/// Removes what cannot be, until nothing more follows.
pub(crate) fn propagate(
    question: &Question<'_>,
    domain: &mut Domain,
    ceilings: &Ceilings,
) -> Result<(), Empty> {
    loop {
        let mut changed = close_outside_of_runs(question, domain);
        changed |= close_beyond_memory(question, domain)?;
        changed |= close_beyond_loss(question, domain)?;
        changed |= close_beyond_reach(question, domain, ceilings);
        if (0..question.slots()).any(|slot| devices(question, domain, slot).next().is_none()) {
            return Err(Empty);
        }
        if !changed {
            return Ok(());
        }
    }
}

/// Devices that may hold a layer.
pub(crate) fn devices<'a>(
    question: &'a Question<'_>,
    domain: &'a Domain,
    slot: usize,
) -> impl Iterator<Item = usize> + use<'a> {
    (0..question.devices).filter(move |&device| domain.is_open(question.place(slot, device)))
}

/// The only device that may hold a layer.
pub(crate) fn sole_device(question: &Question<'_>, domain: &Domain, slot: usize) -> Option<usize> {
    let mut devices = devices(question, domain, slot);
    let first = devices.next();
    if devices.next().is_none() { first } else { None }
}

/// Contiguous: a device that must hold layers of a model holds all between them, and none beyond
/// the next that it may not hold.
fn close_outside_of_runs(question: &Question<'_>, domain: &mut Domain) -> bool {
    let mut changed = false;
    if !question.is_contiguous() {
        return changed;
    }
    for model in 0..question.models() {
        let slots = question.slots_of(model);
        let mut run: Vec<Option<(usize, usize)>> = vec![None; question.devices];
        for slot in slots.clone() {
            if let Some(device) = sole_device(question, domain, slot) {
                let first = run[device].map_or(slot, |(first, _)| first);
                run[device] = Some((first, slot));
            }
        }
        for (device, run) in run.into_iter().enumerate() {
            let Some((first, last)) = run else { continue };
            for slot in first + 1..last {
                for other in (0..question.devices).filter(|&other| other != device) {
                    changed |= domain.keep(question.place(slot, other), 0);
                }
            }
            let mut within = true;
            for slot in (slots.start..first).rev() {
                within &= domain.is_open(question.place(slot, device));
                changed |= !within && domain.keep(question.place(slot, device), 0);
            }
            within = true;
            for slot in last + 1..slots.end {
                within &= domain.is_open(question.place(slot, device));
                changed |= !within && domain.keep(question.place(slot, device), 0);
            }
        }
    }
    changed
}

/// What a device holds for certain, and what a run to another layer adds at least, within its
/// memory and time.
fn close_beyond_reach(question: &Question<'_>, domain: &mut Domain, ceilings: &Ceilings) -> bool {
    let mut changed = false;
    let soles: Vec<Option<usize>> =
        (0..question.slots()).map(|slot| sole_device(question, domain, slot)).collect();
    for (device, machine) in question.deployment.devices.iter().enumerate() {
        let time_max = ceilings.compute[device];
        let needed = |domain: &Domain, slot: usize| least_need(question, domain, slot, device);
        let mut base = Need { bytes: machine.overhead.0, time: 0 };
        let mut held: Vec<Option<(usize, usize)>> = vec![None; question.models()];
        for slot in (0..question.slots()).filter(|&slot| soles[slot] == Some(device)) {
            let model = question.model_of[slot];
            let Some(need) = needed(domain, slot) else { continue };
            if held[model].is_none() {
                base.bytes += question.deployment.models[model].activation.0;
            }
            held[model] = Some((held[model].map_or(slot, |(first, _)| first), slot));
            base = base.and(need);
        }
        let fits = |need: Need| {
            need.bytes <= machine.memory.0 && time_max.is_none_or(|max| need.time <= max)
        };
        for model in 0..question.models() {
            let slots = question.slots_of(model);
            match held[model] {
                Some((first, last)) if question.is_contiguous() => {
                    let before = (slots.start..first).rev().collect::<Vec<_>>();
                    let after = (last + 1..slots.end).collect::<Vec<_>>();
                    for side in [before, after] {
                        let mut sum = base;
                        for slot in side {
                            let Some(need) = needed(domain, slot) else { break };
                            sum = sum.and(need);
                            changed |= !fits(sum) && domain.keep(question.place(slot, device), 0);
                        }
                    }
                }
                _ => {
                    let mut once = base;
                    if held[model].is_none() {
                        once.bytes += question.deployment.models[model].activation.0;
                    }
                    for slot in slots.filter(|&slot| soles[slot] != Some(device)) {
                        let Some(need) = needed(domain, slot) else { continue };
                        changed |=
                            !fits(once.and(need)) && domain.keep(question.place(slot, device), 0);
                    }
                }
            }
        }
    }
    changed
}

/// What is taken of a device.
#[derive(Debug, Clone, Copy)]
struct Need {
    bytes: u64,
    time: u64,
}

impl Need {
    fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, time: self.time + other.time }
    }
}

/// The least bytes and the least time of a layer on a device; none if it may not be there.
fn least_need(
    question: &Question<'_>,
    domain: &Domain,
    slot: usize,
    device: usize,
) -> Option<Need> {
    let place = question.place(slot, device);
    let choices = || domain.choices(place).map(|choice| &question.choices[place][choice]);
    let weight = question.weight(question.model_of[slot]);
    let bytes = choices().map(|choice| choice.bytes).min()?;
    Some(Need { bytes, time: weight * choices().map(|choice| choice.time).min()? })
}

/// Devices hold what they must; what does not fit beside that goes.
fn close_beyond_memory(question: &Question<'_>, domain: &mut Domain) -> Result<bool, Empty> {
    let mut changed = false;
    let soles: Vec<Option<usize>> =
        (0..question.slots()).map(|slot| sole_device(question, domain, slot)).collect();
    for (device, machine) in question.deployment.devices.iter().enumerate() {
        let least = |domain: &Domain, slot: usize| {
            let place = question.place(slot, device);
            domain.choices(place).map(|choice| question.choices[place][choice].bytes).min()
        };
        let mut needed = machine.overhead.0;
        let mut holds = vec![false; question.models()];
        let mut any = false;
        for slot in (0..question.slots()).filter(|&slot| soles[slot] == Some(device)) {
            let model = question.model_of[slot];
            if !std::mem::replace(&mut holds[model], true) {
                needed += question.deployment.models[model].activation.0;
            }
            needed += least(domain, slot).unwrap_or(0);
            any = true;
        }
        if any && needed > machine.memory.0 {
            return Err(Empty);
        }
        for (slot, &sole) in soles.iter().enumerate() {
            let place = question.place(slot, device);
            let Some(own) = least(domain, slot) else { continue };
            let model = question.model_of[slot];
            let others = match sole == Some(device) {
                true => needed - own,
                false if holds[model] => needed,
                false => needed + question.deployment.models[model].activation.0,
            };
            let fits = |choice: &usize| {
                others + question.choices[place][*choice].bytes <= machine.memory.0
            };
            let kept =
                domain.choices(place).filter(fits).fold(0, |bits, choice| bits | 1 << choice);
            changed |= domain.keep(place, kept);
        }
    }
    Ok(changed)
}

/// A choice may lose what the budget leaves when all other layers lose least.
fn close_beyond_loss(question: &Question<'_>, domain: &mut Domain) -> Result<bool, Empty> {
    let mut changed = false;
    for (index, model) in question.deployment.models.iter().enumerate() {
        let Some(budget) = model.loss_max.map(|loss| loss.0) else { continue };
        let least = |slot: usize| {
            let places = (0..question.devices).map(|device| question.place(slot, device));
            let losses = places.flat_map(|place| {
                domain.choices(place).map(move |choice| question.choices[place][choice].loss)
            });
            losses.min().ok_or(Empty)
        };
        let least: Vec<u64> = question.slots_of(index).map(least).collect::<Result<_, _>>()?;
        let sum: u64 = least.iter().sum();
        let Some(left) = budget.checked_sub(sum) else { return Err(Empty) };
        for (slot, own) in question.slots_of(index).zip(least) {
            for device in 0..question.devices {
                let place = question.place(slot, device);
                let fits = |choice: &usize| {
                    question.choices[place][*choice].loss <= own.saturating_add(left)
                };
                let kept =
                    domain.choices(place).filter(fits).fold(0, |bits, choice| bits | 1 << choice);
                changed |= domain.keep(place, kept);
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Problem as _;
    use edgeplan_problem::deployment::Objective;

    use super::*;
    use crate::recipes::Layout;
    use crate::small::{feasible_plans, questions};

    #[test]
    fn no_plan_below_a_ceiling_is_lost() {
        let mut closed = 0;
        for deployment in questions() {
            if deployment.objective != Objective::Bottleneck {
                continue;
            }
            let question = Question::new(&deployment);
            let plans = feasible_plans(&deployment);
            let costs = plans.iter().map(|plan| deployment.evaluate(plan).cost.0);
            let costs: Vec<u64> = costs.collect();
            let mut cutoffs = costs.clone();
            cutoffs.sort_unstable();
            cutoffs.dedup();
            for &cutoff in cutoffs.iter().take(5) {
                let mut domain = question.whole();
                let ceilings = Ceilings::new(&question, cutoff + 1);
                let left = propagate(&question, &mut domain, &ceilings);
                assert_eq!(left, Ok(()), "a plan costs {cutoff}");
                let below = plans.iter().zip(&costs).filter(|&(_, &cost)| cost <= cutoff);
                for layout in below.filter_map(|(plan, _)| Layout::of(&question, plan)) {
                    for slot in 0..question.slots() {
                        let place = question.place(slot, layout.devices[slot]);
                        assert!(domain.allows(place, layout.choices[slot]), "{}", deployment.name);
                    }
                }
                closed += usize::from(domain != question.whole());
            }
        }
        assert!(closed > 10, "{closed} domains got smaller");
    }

    #[test]
    fn no_feasible_plan_is_lost() {
        let (mut closed, mut empty) = (0, 0);
        for deployment in questions() {
            let question = Question::new(&deployment);
            let plans = feasible_plans(&deployment);
            let mut domain = question.whole();
            if propagate(&question, &mut domain, &Ceilings::new(&question, u64::MAX)).is_err() {
                assert!(plans.is_empty(), "{}", deployment.name);
                empty += 1;
                continue;
            }
            for layout in plans.iter().filter_map(|plan| Layout::of(&question, plan)) {
                for slot in 0..question.slots() {
                    let place = question.place(slot, layout.devices[slot]);
                    assert!(domain.allows(place, layout.choices[slot]), "{}", deployment.name);
                }
            }
            closed += usize::from(domain != question.whole());
        }
        assert!(closed > 0, "{closed} domains got smaller, {empty} empty");
    }
}

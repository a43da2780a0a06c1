//! What follows from a domain: choices that no plan within the limits has.

use crate::domain::Domain;
use crate::question::Question;

/// A domain that allows no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Empty;

/// Removes what cannot be, until nothing more follows.
pub(crate) fn propagate(question: &Question<'_>, domain: &mut Domain) -> Result<(), Empty> {
    loop {
        let mut changed = close_outside_of_runs(question, domain);
        changed |= close_beyond_memory(question, domain)?;
        changed |= close_beyond_loss(question, domain)?;
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
    use super::*;
    use crate::recipes::Layout;
    use crate::small::{feasible_plans, questions};

    #[test]
    fn no_feasible_plan_is_lost() {
        let (mut closed, mut empty) = (0, 0);
        for deployment in questions() {
            let question = Question::new(&deployment);
            let plans = feasible_plans(&deployment);
            let mut domain = question.whole();
            if propagate(&question, &mut domain).is_err() {
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

//! Where a node is split: a layer's devices first, then a layer's choices.

use crate::domain::Domain;
use crate::master::Mixture;
use crate::propagate::{devices, sole_device};
use crate::question::Question;

/// Shares this near to all or nothing are decided.
const DECIDED: f64 = 1e-5;

/// The parts of a domain, which share no plan and lose none. A domain of one layout has none.
pub(crate) fn split(question: &Question<'_>, domain: &Domain, mixture: &Mixture) -> Vec<Domain> {
    let place = undecided_place(question, domain, mixture);
    let place = place.or_else(|| {
        // Nothing is fractional, and yet the plan is none, or not the best: any decision will do.
        let open = |slot: &usize| sole_device(question, domain, *slot).is_none();
        let choice = undecided_choice(question, domain, mixture);
        if choice.is_some() { None } else { (0..question.slots()).find(open) }
            .and_then(|slot| devices(question, domain, slot).next().map(|device| (slot, device)))
    });
    if let Some((slot, device)) = place {
        let (mut here, mut elsewhere) = (domain.clone(), domain.clone());
        for other in 0..question.devices {
            let place = question.place(slot, other);
            if other == device { elsewhere.close(place) } else { here.close(place) }
        }
        // The last one is looked at first.
        let likely = mixture.places[question.place(slot, device)] >= 0.5 - DECIDED;
        return if likely { vec![elsewhere, here] } else { vec![here, elsewhere] };
    }
    let choice =
        undecided_choice(question, domain, mixture).or_else(|| any_choice(question, domain));
    let Some((slot, small)) = choice else { return Vec::new() };
    let (mut one, mut other) = (domain.clone(), domain.clone());
    for device in 0..question.devices {
        let place = question.place(slot, device);
        let bits = domain.bits(place);
        let matching = domain
            .choices(place)
            .filter(|&choice| small.contains(&question.choices[place][choice].option.0))
            .fold(0, |bits, choice| bits | 1 << choice);
        one.keep(place, matching);
        other.keep(place, bits & !matching);
    }
    vec![one, other]
}

/// Gives layers to the devices that have nearly all of them, and one that has most of one; whether
/// that decides anything.
pub(crate) fn decide(question: &Question<'_>, domain: &mut Domain, mixture: &Mixture) -> bool {
    let mut open: Vec<(f64, usize, usize)> = Vec::new();
    for slot in 0..question.slots() {
        if sole_device(question, domain, slot).is_none() {
            let share = |device: usize| mixture.places[question.place(slot, device)];
            let heaviest =
                devices(question, domain, slot).max_by(|&a, &b| share(a).total_cmp(&share(b)));
            open.extend(heaviest.map(|device| (share(device), slot, device)));
        }
    }
    open.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (index, &(share, slot, device)) in open.iter().enumerate() {
        if index > 0 && share < NEARLY_ALL {
            break;
        }
        for other in (0..question.devices).filter(|&other| other != device) {
            domain.close(question.place(slot, other));
        }
    }
    !open.is_empty()
}

/// Shares that a dive takes for decided.
const NEARLY_ALL: f64 = 0.8;

/// The place whose share is nearest to a half.
fn undecided_place(
    question: &Question<'_>,
    domain: &Domain,
    mixture: &Mixture,
) -> Option<(usize, usize)> {
    let mut best: Option<(f64, usize, usize)> = None;
    for slot in 0..question.slots() {
        if sole_device(question, domain, slot).is_some() {
            continue;
        }
        for device in devices(question, domain, slot) {
            let share = mixture.places[question.place(slot, device)];
            let distance = (share - 0.5).abs();
            if distance < 0.5 - DECIDED && best.is_none_or(|(least, ..)| distance < least - 1e-9) {
                best = Some((distance, slot, device));
            }
        }
    }
    best.map(|(_, slot, device)| (slot, device))
}

/// The layer whose choices are most mixed, and options that take about half.
fn undecided_choice(
    question: &Question<'_>,
    domain: &Domain,
    mixture: &Mixture,
) -> Option<(usize, Vec<u16>)> {
    let mut best: Option<(f64, usize, Vec<u16>)> = None;
    for slot in 0..question.slots() {
        let mut shares: Vec<(u64, u16, f64)> = Vec::new();
        for device in devices(question, domain, slot) {
            let place = question.place(slot, device);
            for index in domain.choices(place) {
                let choice = &question.choices[place][index];
                let share = mixture.choices.get(&(place, index as u16)).copied().unwrap_or(0.0);
                match shares.iter_mut().find(|entry| entry.1 == choice.option.0) {
                    Some(entry) => entry.2 += share,
                    None => shares.push((choice.bytes, choice.option.0, share)),
                }
            }
        }
        shares.sort_by_key(|&(bytes, option, _)| (bytes, option));
        let mut sum = 0.0;
        for (index, &(.., share)) in shares.iter().enumerate().take(shares.len().max(1) - 1) {
            sum += share;
            let distance = (sum - 0.5).abs();
            if distance < 0.5 - DECIDED && best.as_ref().is_none_or(|(d, ..)| distance < d - 1e-9) {
                let small = shares[..=index].iter().map(|entry| entry.1).collect();
                best = Some((distance, slot, small));
            }
        }
    }
    best.map(|(_, slot, small)| (slot, small))
}

/// A layer that has several choices, and one of them.
fn any_choice(question: &Question<'_>, domain: &Domain) -> Option<(usize, Vec<u16>)> {
    (0..question.slots()).find_map(|slot| {
        let options = devices(question, domain, slot).flat_map(|device| {
            let place = question.place(slot, device);
            domain.choices(place).map(move |choice| question.choices[place][choice].option.0)
        });
        let mut options: Vec<u16> = options.collect();
        options.sort_unstable();
        options.dedup();
        (options.len() > 1).then(|| (slot, vec![options[0]]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::Layout;
    use crate::small::{feasible_plans, mixture, questions};

    fn is_allowed(question: &Question<'_>, domain: &Domain, layout: &Layout) -> bool {
        (0..question.slots()).all(|slot| {
            let place = question.place(slot, layout.devices[slot]);
            domain.allows(place, layout.choices[slot])
        })
    }

    #[test]
    fn parts_share_no_plan_and_lose_none() {
        let mut leaves = 0;
        for (seed, deployment) in questions().iter().enumerate() {
            let question = Question::new(deployment);
            let plans = feasible_plans(deployment);
            let layouts: Vec<Layout> =
                plans.iter().filter_map(|plan| Layout::of(&question, plan)).collect();
            let mut open = vec![question.whole()];
            while let Some(domain) = open.pop() {
                let within = layouts.iter().filter(|layout| is_allowed(&question, &domain, layout));
                let within: Vec<&Layout> = within.collect();
                if within.len() < 2 {
                    leaves += within.len();
                    continue;
                }
                let mixture = mixture(&question, &domain, (seed + open.len()) as u64);
                let parts = split(&question, &domain, &mixture);
                assert_eq!(parts.len(), 2, "{} plans are not one", within.len());
                for layout in within {
                    let parts = parts.iter().filter(|part| is_allowed(&question, part, layout));
                    assert_eq!(parts.count(), 1, "{layout:?}");
                }
                open.extend(parts);
            }
        }
        assert!(leaves > 100, "{leaves}");
    }

    #[test]
    fn a_dive_decides_at_least_one_layer_until_all_are() {
        for (seed, deployment) in questions().iter().enumerate() {
            let question = Question::new(deployment);
            let mut domain = question.whole();
            let undecided = |domain: &Domain| {
                let open = |slot: &usize| sole_device(&question, domain, *slot).is_none();
                (0..question.slots()).filter(open).count()
            };
            let mut left = undecided(&domain);
            while left > 0 {
                let mixture = mixture(&question, &domain, seed as u64);
                assert!(decide(&question, &mut domain, &mixture));
                assert!(undecided(&domain) < left);
                left = undecided(&domain);
            }
            let mixture = mixture(&question, &domain, seed as u64);
            assert!(!decide(&question, &mut domain, &mixture), "nothing is left to decide");
        }
    }
}

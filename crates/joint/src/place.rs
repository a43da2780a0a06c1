//! Placements out of a mixture: each layer where most of it is, with few hops.

use crate::domain::Domain;
use crate::master::Mixture;
use crate::question::Question;

/// What a hop must gain, in shares of layers.
const HOP: f64 = 0.05;
/// How often a device that a contiguous model would enter twice is closed to its smaller run.
const MENDS_MAX: usize = 8;

/// A device for every slot; none if a contiguous one was not found.
pub(crate) fn placement(
    question: &Question<'_>,
    domain: &Domain,
    mixture: &Mixture,
) -> Option<Vec<usize>> {
    let models = (0..question.models()).map(|model| placed(question, domain, mixture, model));
    models.collect::<Option<Vec<_>>>().map(|models| models.concat())
}

fn placed(
    question: &Question<'_>,
    domain: &Domain,
    mixture: &Mixture,
    model: usize,
) -> Option<Vec<usize>> {
    let mut domain = domain.clone();
    for _ in 0..MENDS_MAX {
        let devices = heaviest(question, &domain, mixture, model)?;
        if !question.is_contiguous() {
            return Some(devices);
        }
        let Some((device, kept)) = entered_twice(&devices) else { return Some(devices) };
        for (layer, slot) in question.slots_of(model).enumerate() {
            if !kept.contains(&layer) {
                domain.close(question.place(slot, device));
            }
        }
    }
    None
}

/// A device that has two runs, and its longer one.
fn entered_twice(devices: &[usize]) -> Option<(usize, std::ops::Range<usize>)> {
    let runs = runs(devices);
    let twice = runs.iter().enumerate().find_map(|(index, run)| {
        let others = runs[..index].iter();
        others.map(|other| other.0).find(|&device| device == run.0)
    })?;
    let own = runs.into_iter().filter(|run| run.0 == twice);
    own.max_by_key(|run| run.1.len())
}

/// Maximal runs of a model's layers: device and layers.
pub(crate) fn runs(devices: &[usize]) -> Vec<(usize, std::ops::Range<usize>)> {
    let mut runs: Vec<(usize, std::ops::Range<usize>)> = Vec::new();
    for (layer, &device) in devices.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.0 == device => run.1.end = layer + 1,
            _ => runs.push((device, layer..layer + 1)),
        }
    }
    runs
}

/// The devices of most weight, a hop counted against it.
fn heaviest(
    question: &Question<'_>,
    domain: &Domain,
    mixture: &Mixture,
    model: usize,
) -> Option<Vec<usize>> {
    let devices = question.devices;
    let slots = question.slots_of(model);
    let mut best: Vec<Vec<(f64, usize)>> = Vec::with_capacity(slots.len());
    for slot in slots.clone() {
        let row = (0..devices).map(|device| {
            let place = question.place(slot, device);
            if !domain.is_open(place) {
                return (f64::NEG_INFINITY, device);
            }
            let own = mixture.places[place];
            let Some(before) = best.last() else { return (own, device) };
            let reached = |other: usize| before[other].0 - if other == device { 0.0 } else { HOP };
            let from = (0..devices)
                .max_by(|&a, &b| {
                    reached(a).total_cmp(&reached(b)).then((a == device).cmp(&(b == device)))
                })
                .unwrap_or(device);
            (own + reached(from), from)
        });
        let row = row.collect();
        best.push(row);
    }
    let last = best.last()?;
    let mut device = (0..devices).max_by(|&a, &b| last[a].0.total_cmp(&last[b].0))?;
    if last[device].0 == f64::NEG_INFINITY {
        return None;
    }
    let mut found = Vec::with_capacity(best.len());
    for row in best.iter().rev() {
        found.push(device);
        device = row[device].1;
    }
    found.reverse();
    Some(found)
}

//! Better placements near a given one: runs that grow, shrink, move, split and swap. After each
//! move choices are repaired; the first move that betters the layout is kept.

use std::ops::Range;

use crate::domain::Domain;
use crate::place::runs;
use crate::question::Question;
use crate::recipes::Layout;
use crate::sums::Sums;

/// Layers that go to other devices.
type Move = Vec<(Range<usize>, usize)>;

/// Moves until none betters the layout, or `more` says no. The layout may exceed limits at first;
/// what is returned may, too.
pub(crate) fn improved(
    question: &Question<'_>,
    domain: &Domain,
    layout: Layout,
    more: &mut dyn FnMut() -> bool,
) -> Layout {
    let mut best = Sums::new(question, layout);
    best.repair(domain);
    best.improve(domain);
    loop {
        let mut better = false;
        for model in 0..question.models() {
            for moved in moves(question, &best.layout, model) {
                if !more() {
                    return best.layout;
                }
                let mut next = best.clone();
                if !moved.into_iter().all(|(slots, device)| next.shift(slots, device)) {
                    continue;
                }
                let now = best.badness();
                let quick = next.badness();
                // A repair costs time, and seldom much less than what the move leaves to it.
                if quick.excess > now.excess + EXCESS_WORTH || quick.cost > COST_WORTH * now.cost {
                    continue;
                }
                next.repair(domain);
                next.improve(domain);
                let bad = next.badness();
                if bad.excess < now.excess - 1e-9
                    || bad.excess <= now.excess && bad.cost < now.cost * (1.0 - 1e-9)
                {
                    best = next;
                    better = true;
                    break;
                }
            }
        }
        if !better {
            return best.layout;
        }
    }
}

/// Moves that exceed limits by so much more are not repaired.
const EXCESS_WORTH: f64 = 1.0;
/// Nor moves that cost so much more.
const COST_WORTH: f64 = 1.2;
/// Layers that move together from an end of a run.
const STEPS: [usize; 6] = [1, 2, 3, 5, 8, 13];

/// All moves of one model's runs.
fn moves(question: &Question<'_>, layout: &Layout, model: usize) -> Vec<Move> {
    let slots = question.slots_of(model);
    let first = slots.start;
    let runs = runs(&layout.devices[slots]);
    let whole = |run: &Range<usize>| first + run.start..first + run.end;
    let mut moves: Vec<Move> = Vec::new();
    for (index, (device, run)) in runs.iter().enumerate() {
        let run = whole(run);
        for other in (0..question.devices).filter(|other| other != device) {
            moves.push(vec![(run.clone(), other)]);
            for step in STEPS.into_iter().filter(|&step| step < run.len()) {
                moves.push(vec![(run.start..run.start + step, other)]);
                moves.push(vec![(run.end - step..run.end, other)]);
            }
        }
        for (other, second) in &runs[index + 1..] {
            if other != device {
                moves.push(vec![(run.clone(), *other), (whole(second), *device)]);
            }
        }
    }
    moves
}

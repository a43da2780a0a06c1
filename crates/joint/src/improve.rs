//! Better placements near a given one: runs that grow, shrink, move, split and swap. After each
//! move choices are repaired; the first move that betters the layout is kept.

use std::ops::Range;

use edgeplan_problem::Watch;

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
    watch: Watch<'_>,
) -> Layout {
    let mut best = Sums::new(question, layout);
    best.watch = watch;
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

#[cfg(test)]
mod tests {
    use edgeplan_problem::Problem as _;

    use super::*;
    use crate::propagate::devices;
    use crate::recipes::{Care, Guide, guided, repaired};
    use crate::small::questions;

    /// From every layer on its last open device: repaired, improved, and held against the optimum.
    #[test]
    fn plans_keep_limits_and_are_no_better_than_the_best() {
        let (mut found, mut optimal, mut repairs) = (0, 0, 0);
        for deployment in questions() {
            let question = Question::new(&deployment);
            let domain = question.whole();
            let best = deployment.brute_force().map(|(cost, _)| cost);
            let last = |slot| devices(&question, &domain, slot).last();
            let Some(start) = (0..question.slots()).map(last).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let options = vec![0.0; question.slots() * question.options];
            let guide = Guide { loss: vec![0.0; question.models()], options };
            let layout = guided(&question, &domain, &start, &guide).expect("places are open");
            let before = Sums::new(&question, layout.clone()).badness();
            if let Some(layout) =
                repaired(&question, &domain, layout.clone(), Care::Thorough, Watch::default())
            {
                assert!(deployment.evaluate(&layout.plan(&question)).is_feasible());
                repairs += 1;
            }
            let near = improved(&question, &domain, layout, &mut || true, Watch::default());
            let after = Sums::new(&question, near.clone()).badness();
            assert!(after.excess < before.excess || after <= before, "{before:?} {after:?}");
            let evaluation = deployment.evaluate(&near.plan(&question));
            assert_eq!(evaluation.is_feasible(), after.excess == 0.0);
            if evaluation.is_feasible() {
                let best = best.expect("there is a plan");
                assert!(evaluation.cost >= best, "{}", deployment.name);
                (found, optimal) = (found + 1, optimal + usize::from(evaluation.cost == best));
            }
        }
        assert!(repairs > 0 && 2 * optimal > found, "{repairs}; {optimal} of {found}");
    }
}

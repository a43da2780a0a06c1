//! Plans near relaxed paths: what is too much is moved or stored more coarsely at least cost, then
//! single moves and pairs of moves make the plan cheaper.

use edgeplan_problem::deployment::Assignment;
use rustc_hash::{FxHashMap, FxHashSet};

use super::average::average;
use super::dual::Weighted;
use super::moves::{Draft, Effect, Move};
use super::network::Network;
use crate::tuning::TUNING;

/// Makes plans of paths; of the same path only once.
#[derive(Debug)]
pub(super) struct Rounding<'a> {
    pub(super) network: &'a Network<'a>,
    tried: FxHashSet<Vec<Assignment>>,
    /// The least cost of a plan so far, scaled.
    best: f64,
}

impl<'a> Rounding<'a> {
    pub(super) fn new(network: &'a Network<'a>) -> Self {
        Self { network, tried: FxHashSet::default(), best: f64::INFINITY }
    }

    /// A cheaper plan near one that another solver found; none if there is none, if the plan is no
    /// news, or if an option of it is left out here because others beat it.
    pub(super) fn polish(
        &mut self,
        plan: &[Assignment],
        is_late: &dyn Fn() -> bool,
    ) -> Option<Vec<Assignment>> {
        let chain = self.network.chain;
        let is_known = |(layer, &at): (usize, &Assignment)| chain.choice(layer, at).is_some();
        if !plan.iter().enumerate().all(is_known) {
            return None;
        }
        let mut draft = Draft::new(self.network, plan);
        let before = draft.cost();
        if before >= self.best || !self.tried.insert(plan.to_vec()) {
            return None;
        }
        while !is_late() && (improve(&mut draft) || exchange(&mut draft) || shift(&mut draft)) {}
        self.best = self.best.min(draft.cost());
        (draft.cost() < before).then(|| draft.assignments())
    }

    /// A plan near the average of a mixture; none if its heaviest path returns to a host, if the
    /// average was tried before, or cannot be mended.
    pub(super) fn round(
        &mut self,
        mixture: &[Weighted],
        is_late: &dyn Fn() -> bool,
    ) -> Option<Vec<Assignment>> {
        if !mixture.first()?.path.is_contiguous() {
            return None;
        }
        let path = average(self.network, mixture)?;
        let mut draft = Draft::new(self.network, &path);
        if !self.tried.insert(path) {
            return None;
        }
        if !draft.cost().is_finite() {
            return None;
        }
        mend(&mut draft)?;
        while !is_late() && improve(&mut draft) {}
        // Worth it near the best plan only.
        let near = |share: f64| self.best * (1.0 + share);
        if draft.cost() < near(TUNING.hosts.exchanged_near) && self.best.is_finite() {
            while !is_late() && (exchange(&mut draft) || improve(&mut draft)) {}
        }
        if draft.cost() < near(TUNING.hosts.shifted_near) && self.best.is_finite() {
            while !is_late() && shift(&mut draft) {}
        }
        self.best = self.best.min(draft.cost());
        Some(draft.assignments())
    }
}

/// Moves until everything fits: first blocks to other hosts, until each holds no more than all of
/// its memory, then layers within their hosts; least cost for what is too much first.
fn mend(draft: &mut Draft<'_>) -> Option<()> {
    let rate = |cost: f64, gained: f64| cost.max(0.0) / gained;
    for _ in 0..draft.layers() {
        let too_much = draft.excess_of_hosts();
        if too_much <= 0.0 {
            break;
        }
        let moved = draft.with_moved_blocks().into_iter().filter_map(|other| {
            let gained = too_much - other.excess_of_hosts();
            (gained > 0.0).then(|| (rate(other.cost() - draft.cost(), gained), other))
        });
        *draft = moved.min_by(|(a, _), (b, _)| a.total_cmp(b))?.1;
    }
    for _ in 0..TUNING.hosts.mending_rounds {
        if draft.excess() <= 0.0 {
            return Some(());
        }
        let rated = draft.mending_moves().into_iter().filter_map(|step| {
            let gained = -draft.excess_of(&step);
            (gained > 0.0).then(|| (rate(step.cost, gained), step))
        });
        let mut rated: Vec<(f64, Move)> = rated.collect();
        rated.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut moved = vec![false; draft.layers()];
        for (_, step) in rated {
            // Moves before it may have mended what it mends.
            let now = draft.priced(step.layer, step.to).filter(|now| draft.excess_of(now) < 0.0);
            if let Some(now) = now.filter(|_| !moved[step.layer]) {
                draft.apply(&now);
                moved[step.layer] = true;
            }
        }
        if !moved.contains(&true) {
            break;
        }
    }
    (draft.excess() <= 0.0).then_some(())
}

/// Takes moves that save and fit, those that save most first; whether there were any.
fn improve(draft: &mut Draft<'_>) -> bool {
    let mut moves = draft.moves();
    moves.retain(|step| step.cost < 0.0 && draft.fits_after(&[&draft.effect(*step)]));
    moves.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut improved = false;
    for step in moves {
        // Moves before it may have changed what it does.
        let now = draft.priced(step.layer, step.to);
        let Some(step) = now.filter(|step| step.cost < 0.0) else { continue };
        if draft.fits_after(&[&draft.effect(step)]) {
            draft.apply(&step);
            improved = true;
        }
    }
    improved
}

/// Takes pairs of moves that save together and fit; whether there were any.
///
/// Of moves that differ in their layers only those of least loss stand for all.
fn exchange(draft: &mut Draft<'_>) -> bool {
    let mut moves = draft.moves();
    moves.sort_by_key(|step| draft.loss_of(step));
    let mut kinds: FxHashMap<_, usize> = FxHashMap::default();
    moves.retain(|step| {
        let known = kinds.entry(draft.kind(step)).or_default();
        *known += 1;
        *known <= TUNING.hosts.alike_moves
    });
    moves.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut improved = false;
    let mut moved = vec![false; draft.layers()];
    // Of layers that are not moved yet, moves change what they did at first.
    let moves: Vec<Effect> = moves.into_iter().map(|step| draft.effect(step)).collect();
    for (index, first) in moves.iter().enumerate().take_while(|(_, first)| first.step.cost < 0.0) {
        let Some(pair) = best_pair(draft, first, &moves[index + 1..], &moved) else { continue };
        for step in pair {
            draft.apply(&step);
            // What neighbours' moves cost has changed.
            let near = step.layer.saturating_sub(1)..(step.layer + 2).min(moved.len());
            moved[near].fill(true);
        }
        improved = true;
    }
    improved
}

/// A move and the best one to go with it, of layers that are not near one another nor moved.
fn best_pair(
    draft: &Draft<'_>,
    first: &Effect,
    others: &[Effect],
    moved: &[bool],
) -> Option<[Move; 2]> {
    if moved[first.step.layer] {
        return None;
    }
    let fits = |second: &&Effect| {
        second.step.layer.abs_diff(first.step.layer) > 1
            && !moved[second.step.layer]
            && draft.fits_after(&[first, second])
    };
    // In the order of their costs: the first that fits is the best.
    let saving = others.iter().take_while(|second| first.step.cost + second.step.cost < 0.0);
    saving.into_iter().find(fits).map(|second| [first.step, second.step])
}

/// Moves a block at the border of a host to another host, or several; whether a plan that is
/// cheaper was found so.
fn shift(draft: &mut Draft<'_>) -> bool {
    for first in draft.with_moved_blocks() {
        let mut shifted = first;
        for _ in 0..TUNING.hosts.shifted_blocks {
            let mut plan = shifted.clone();
            if mend(&mut plan).is_some() {
                while improve(&mut plan) {}
                if plan.cost() < draft.cost() {
                    *draft = plan;
                    return true;
                }
            }
            let Some(further) = shifted.moved_on() else { break };
            shifted = further;
        }
    }
    false
}

//! The tree of DFTSP: a level for each class of requests, a branch for each number taken from it.

use edgeplan_problem::batching::{Batching, RequestId, Resources};
use edgeplan_problem::{Run, Stop};

use crate::dftsp::Pruning;
use crate::items::{Item, chains};

/// The companions of a batch's tightest member.
pub(super) struct Tree<'t, 'r, 'a> {
    pub(super) run: &'t mut Run<'r, Batching>,
    pub(super) pruning: Pruning,
    classes: &'a [Vec<Item>],
    /// `candidates[level]`: in this class and all later ones.
    candidates: Vec<usize>,
    /// Partial choices looked at.
    pub(super) nodes: u64,
}

/// Requests of one output length each, cheapest first. Memory and time of a class's members are
/// equal, so "cheapest" is about both bands; where they disagree, the class is split.
pub(super) fn classes(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut lengths: Vec<u32> = items.iter().map(|item| item.output).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let class = |length: u32| {
        let members = items.iter().filter(|item| item.output == length).copied();
        chains(members.collect(), [true; 4])
    };
    lengths.into_iter().flat_map(class).collect()
}

impl<'t, 'r, 'a> Tree<'t, 'r, 'a> {
    pub(super) fn new(
        run: &'t mut Run<'r, Batching>,
        pruning: Pruning,
        classes: &'a [Vec<Item>],
    ) -> Self {
        let mut candidates: Vec<usize> = classes.iter().map(Vec::len).collect();
        for level in (1..candidates.len()).rev() {
            candidates[level - 1] += candidates[level];
        }
        candidates.push(0);
        Self { run, pruning, classes, candidates, nodes: 0 }
    }

    /// Depth first: `needed` more members from the classes of this level on, within what is left.
    /// The first batch of the asked size ends the search. `left` is nothing where the members
    /// taken so far already need too much; without pruning that is only noticed at a leaf.
    pub(super) fn search(
        &mut self,
        level: usize,
        needed: usize,
        left: Option<Resources>,
    ) -> Result<Option<Vec<RequestId>>, Stop> {
        self.run.step()?;
        self.nodes += 1;
        if needed == 0 {
            return Ok(left.map(|_| Vec::new()));
        }
        let cut = match self.pruning {
            Pruning::Online => left.is_none() || self.candidates[level] < needed,
            Pruning::None => false,
        };
        if cut || level == self.classes.len() {
            return Ok(None);
        }
        let class = &self.classes[level];
        for count in (0..=needed.min(class.len())).rev() {
            let taken = &class[..count];
            let after = left.and_then(|left| spend(left, taken));
            if let Some(mut members) = self.search(level + 1, needed - count, after)? {
                members.extend(taken.iter().map(|item| item.request));
                return Ok(Some(members));
            }
        }
        Ok(None)
    }
}

/// What is left after these; nothing if they need too much.
pub(super) fn spend(left: Resources, taken: &[Item]) -> Option<Resources> {
    taken.iter().try_fold(left, |left, item| {
        let [uplink, downlink, memory, work] = item.demand;
        let demand = Resources { uplink, downlink, memory, work };
        demand.fits(left).then(|| left - demand)
    })
}

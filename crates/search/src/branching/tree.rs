//! The tree: what rounds leave open is split, the part of the least bound first.

use std::rc::Rc;

use edgeplan_methods::frontier::Frontier;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Run, Stop};

use super::decision::{Decision, undecided};
use crate::bounding::{CaseSearch, Open, RoundOutcome};
use crate::chain::{Chain, Choice, Hop};
use crate::dual::state::DualState;
use crate::tuning::TUNING;

/// A part of the case that is still to be looked at.
struct Node {
    /// No plan of it costs less, scaled.
    bound: f64,
    /// The part that this one is a side of, as it was left, and which side.
    part: Rc<Part>,
    side: Option<Decision>,
    /// How often it was left open with nothing to decide: index of what is done next.
    effort: usize,
}

/// A part as it was left: both of its sides begin from here.
#[derive(Clone)]
struct Part {
    chain: Chain,
    state: DualState,
}

/// Bytes that open nodes may take for each value that the solver's tables may hold.
const BYTES_PER_TABLE_VALUE: usize = 8;

impl CaseSearch<'_> {
    /// Splits what is open until nothing is, or `nodes_max` nodes were looked at, or the open ones
    /// take more memory than the tables may. No plan costs less than what is returned.
    pub(crate) fn branch(
        &self,
        run: &mut Run<'_, Deployment>,
        root: Open,
        nodes_max: Option<usize>,
    ) -> Result<Cost, Stop> {
        if root.bound > self.cutoff(run) {
            return Ok(self.goal.beyond(run, &self.chain));
        }
        if nodes_max == Some(0) {
            return Ok(self.cost(root.bound));
        }
        let mut open = Tree::default();
        open.grow(self.chain.clone(), root, 0);
        // The part of the least bound first: only that one raises the bound of all.
        for looked in 0.. {
            let Some(node) = open.nodes.pop() else { break };
            let bound = node.bound.min(open.stuck);
            if bound > self.cutoff(run) {
                break;
            }
            self.goal.report(run, self.cost(bound));
            let is_full = open.bytes > BYTES_PER_TABLE_VALUE * self.solver.table_max;
            // A part that is stuck keeps the bound where it is: no other node can raise it.
            if nodes_max == Some(looked) || is_full || open.stuck < node.bound {
                return Ok(self.cost(bound));
            }
            run.count("nodes", 1);
            open.bytes -= size(&node.part.chain);
            let Part { mut chain, state } = Rc::unwrap_or_clone(node.part);
            node.side.inspect(|side| side.apply(&mut chain));
            let mut part = self.part(chain);
            let left = part.round(run, TUNING.tree.efforts[node.effort], state)?;
            if self.goal.is_reached(run) {
                return Ok(self.cost(bound));
            }
            if let RoundOutcome::Open(mut left) = left {
                left.bound = left.bound.max(node.bound);
                open.grow(part.chain, left, node.effort);
            }
        }
        Ok(match open.stuck > self.cutoff(run) {
            true => self.goal.beyond(run, &self.chain),
            false => self.cost(open.stuck),
        })
    }
}

/// The open nodes.
struct Tree {
    /// Of equal bounds the last made is next.
    nodes: Frontier<Node>,
    made: u64,
    /// Bytes of the nodes' chains, those that two nodes share counted twice.
    bytes: usize,
    /// The least bound of what no effort closed.
    stuck: f64,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: Frontier::default(), made: 0, bytes: 0, stuck: f64::INFINITY }
    }
}

impl Tree {
    /// Adds what is left of a part: both sides of a decision, or the same again with more effort.
    fn grow(&mut self, chain: Chain, left: Open, effort: usize) {
        let sides = undecided(&chain, &left.state.mixture);
        let part = Rc::new(Part { chain, state: left.state });
        let mut push = |side: Option<Decision>, effort: usize| {
            self.made += 1;
            self.bytes += size(&part.chain);
            let (bound, part) = (left.bound, Rc::clone(&part));
            self.nodes.push(bound, self.made, Node { bound, part, side, effort });
        };
        match sides {
            Some(sides) => sides.into_iter().for_each(|side| push(Some(side), effort)),
            None if effort + 1 < TUNING.tree.efforts.len() => push(None, effort + 1),
            None => self.stuck = self.stuck.min(left.bound),
        }
    }
}

/// Bytes of a chain's choices and hops, nearly all that a node holds.
fn size(chain: &Chain) -> usize {
    let choices: usize = chain.choices.iter().map(Vec::len).sum();
    let hops: usize = chain.hops.iter().map(Vec::len).sum();
    choices * size_of::<Choice>() + hops * size_of::<Hop>()
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::{Limits, Silent};

    use super::*;
    use crate::bounding::goal::Goal;
    use crate::chain::Measure;
    use crate::solver::ChainSearch;

    /// What the tree alone proves, with at most so many nodes, and the best plan that it found.
    fn branched(question: &Deployment, nodes_max: Option<usize>) -> (Cost, Option<Cost>) {
        let mut observer = Silent;
        let limits = Limits { gap: 0.0, ..Limits::default() };
        let mut run = Run::new(question, limits, &mut observer);
        let chain = Chain::new(question, Measure::Latency, None);
        let root = Open { bound: 0.0, state: DualState::new(&chain) };
        let solver = ChainSearch::default();
        let goal = Goal::Cheapest { reports: true };
        let search = CaseSearch { solver: &solver, chain, allows_one_run: true, goal };
        let proven = search.branch(&mut run, root, nodes_max).expect("nothing stops it");
        (proven, run.best().map(|(_, cost)| *cost))
    }

    #[test]
    fn the_tree_proves_what_brute_force_finds_and_no_more_with_few_nodes() {
        for seed in 0..20 {
            let family = Random { layers: 5, devices: 3, formats: 2, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let best = question.brute_force().map(|(cost, _)| cost);
            let (proven, found) = branched(&question, None);
            assert_eq!((proven, found), (best.unwrap_or(Cost::MAX), best), "seed {seed}");
            for nodes in [0, 1] {
                let proven = branched(&question, Some(nodes)).0;
                assert!(proven <= best.unwrap_or(Cost::MAX), "seed {seed}: {proven}");
                assert!(nodes > 0 || proven == Cost::ZERO, "seed {seed}: {proven}");
            }
        }
    }

    #[test]
    fn the_least_bound_comes_first() {
        let chain = Chain::new(
            &random(&Random { layers: 2, devices: 2, ..Random::default() })
                .checked()
                .expect("the generator makes sense"),
            Measure::Latency,
            None,
        );
        let mut tree = Tree::default();
        for bound in [5.0, 3.0, 3.0, 4.0] {
            let left = Open { bound, state: DualState::new(&chain) };
            tree.grow(chain.clone(), left, 0);
        }
        // Nothing is undecided in an empty mixture: each is to be tried again with more effort.
        let order: Vec<f64> =
            std::iter::from_fn(|| tree.nodes.pop().map(|node| node.bound)).collect();
        assert_eq!(order, [3.0, 3.0, 4.0, 5.0]);
    }
}

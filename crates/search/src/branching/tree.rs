//! The tree: what rounds leave open is split, the part of the least bound first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Run, Stop};

use crate::branching::{Decision, undecided};
use crate::chain::{Chain, Choice, Hop};
use crate::rounds::{BALANCED, Left, Open, Round, Search, State, round};

/// What a node does, by how often it was left open with nothing to decide.
const NODE: [Round; 4] = [
    round((1024, 20, 3), (BALANCED, usize::MAX)),
    round((4096, 20, 3), (BALANCED, usize::MAX)),
    round((4096, 20, 3), (100_000, usize::MAX)),
    round((16_384, 40, 3), (usize::MAX, usize::MAX)),
];

/// A part of the case that is still to be looked at.
struct Node {
    /// No plan of it costs less, scaled.
    bound: f64,
    /// Counts nodes, so that their order is one.
    number: usize,
    /// The part that this one is a side of, as it was left, and which side.
    part: Rc<(Chain, State)>,
    side: Option<Decision>,
    /// Index in [`NODE`].
    effort: usize,
}

impl Search<'_> {
    /// Splits what is open until nothing is, or `nodes_max` nodes were looked at, or the open ones
    /// take more memory than the tables may. No plan costs less than what is returned.
    pub(crate) fn branch(
        &self,
        run: &mut Run<'_, Deployment>,
        root: Open,
        nodes_max: usize,
    ) -> Result<Cost, Stop> {
        if root.bound > self.limit(run) {
            return Ok(self.beyond(run));
        }
        if nodes_max == 0 {
            return Ok(self.cost(root.bound));
        }
        let mut open = Tree::default();
        open.grow(self.chain.clone(), root, 0);
        for looked in 0.. {
            let Some(node) = open.nodes.pop() else { break };
            let bound = node.bound.min(open.stuck);
            if bound > self.limit(run) {
                break;
            }
            self.report(run, self.cost(bound));
            let full = open.bytes > 8 * self.solver.table_max;
            if looked == nodes_max || full || open.stuck < node.bound {
                return Ok(self.cost(bound));
            }
            run.count("nodes", 1);
            open.bytes -= size(&node.part.0);
            let (mut chain, state) = Rc::unwrap_or_clone(node.part);
            node.side.inspect(|side| side.apply(&mut chain));
            let mut part = Search { chain, goal: self.goal.of_a_part(), ..*self };
            let left = part.round(run, NODE[node.effort], state)?;
            if self.is_reached(run) {
                return Ok(self.cost(bound));
            }
            if let Left::Open(mut left) = left {
                left.bound = left.bound.max(node.bound);
                open.grow(part.chain, left, node.effort);
            }
        }
        Ok(if open.stuck > self.limit(run) { self.beyond(run) } else { self.cost(open.stuck) })
    }
}

/// The open nodes.
struct Tree {
    nodes: BinaryHeap<Node>,
    made: usize,
    /// Bytes of the nodes' chains, those that two nodes share counted twice.
    bytes: usize,
    /// The least bound of what no effort closed.
    stuck: f64,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: BinaryHeap::new(), made: 0, bytes: 0, stuck: f64::INFINITY }
    }
}

impl Tree {
    /// Adds what is left of a part: both sides of a decision, or the same again with more effort.
    fn grow(&mut self, chain: Chain, left: Open, effort: usize) {
        let sides = undecided(&chain, &left.state.mixture);
        let part = Rc::new((chain, left.state));
        let mut push = |side: Option<Decision>, effort: usize| {
            self.made += 1;
            self.bytes += size(&part.0);
            let (bound, part) = (left.bound, Rc::clone(&part));
            self.nodes.push(Node { bound, number: self.made, part, side, effort });
        };
        match sides {
            Some(sides) => sides.into_iter().for_each(|side| push(Some(side), effort)),
            None if effort + 1 < NODE.len() => push(None, effort + 1),
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

/// The next node is the one of the least bound, of these the last made.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound.total_cmp(&self.bound).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Node {}

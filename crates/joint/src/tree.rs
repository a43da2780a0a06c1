//! Open nodes, and which one is next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use crate::domain::Domain;
use crate::prices::Prices;

/// Of so many nodes so many are the last made: a plunge, which ends in plans.
const PLUNGE_EVERY: u64 = 50;
const PLUNGE: u64 = 20;

/// A part of all plans that is still to be looked at.
pub(crate) struct Node {
    /// No plan of it costs less.
    pub(crate) bound: u64,
    pub(crate) number: u64,
    pub(crate) domain: Domain,
    pub(crate) prices: Rc<Prices>,
}

/// The open nodes: most of the time the one of the least bound is next, at times the last made.
#[derive(Default)]
pub(crate) struct Open {
    heap: BinaryHeap<Node>,
    /// Made while plunging.
    stack: Vec<Node>,
}

impl Open {
    pub(crate) fn push(&mut self, node: Node) {
        self.stack.push(node);
    }

    /// The next node, of which `looked` were looked at.
    pub(crate) fn pop(&mut self, looked: u64) -> Option<Node> {
        if looked % PLUNGE_EVERY < PLUNGE
            && let Some(node) = self.stack.pop()
        {
            return Some(node);
        }
        self.heap.extend(self.stack.drain(..));
        self.heap.pop()
    }

    /// The least bound of all.
    pub(crate) fn least(&self) -> u64 {
        let waiting = self.stack.iter().map(|node| node.bound);
        waiting.chain(self.heap.peek().map(|node| node.bound)).min().unwrap_or(u64::MAX)
    }
}

/// The next node is the one of the least bound, of these the last made.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound.cmp(&self.bound).then(self.number.cmp(&other.number))
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

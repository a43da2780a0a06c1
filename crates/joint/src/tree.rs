//! Open nodes, and which one is next.

use std::rc::Rc;

use edgeplan_methods::frontier::Frontier;

use crate::domain::Domain;
use crate::gains::Decided;
use crate::prices::Prices;

/// Of so many nodes so many are the last made: a plunge, which ends in plans.
const PLUNGE_EVERY: u64 = 50;
const PLUNGE: u64 = 20;

/// A part of all plans that is still to be looked at.
pub(crate) struct Node {
    /// No plan of it costs less.
    pub(crate) bound: u64,
    /// How many were made before it.
    pub(crate) number: u64,
    pub(crate) domain: Domain,
    /// How it differs from the node above.
    pub(crate) decided: Option<Decided>,
    pub(crate) prices: Rc<Prices>,
}

/// The open nodes: most of the time the one of the least bound is next, at times the last made.
#[derive(Default)]
pub(crate) struct Open {
    waiting: Frontier<Node>,
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
        for node in self.stack.drain(..) {
            self.waiting.push(node.bound, node.number, node);
        }
        self.waiting.pop()
    }

    /// The least bound of all.
    pub(crate) fn least(&self) -> u64 {
        let nodes = self.stack.iter().chain(self.waiting.peek());
        nodes.map(|node| node.bound).min().unwrap_or(u64::MAX)
    }
}

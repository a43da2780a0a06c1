//! The open nodes of a branch and bound.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Open nodes: the one of the least bound is next, of equal bounds the one of the largest rank.
///
/// ```
/// use edgeplan_methods::frontier::Frontier;
///
/// let mut open = Frontier::default();
/// for (rank, (bound, name)) in [(2.5, "a"), (1.0, "b"), (1.0, "c")].into_iter().enumerate() {
///     open.push(bound, rank as u64, name);
/// }
/// assert_eq!(open.peek(), Some(&"c"));
/// let order: Vec<&str> = std::iter::from_fn(|| open.pop()).collect();
/// assert_eq!(order, ["c", "b", "a"]);
/// ```
#[derive(Debug, Clone)]
pub struct Frontier<T> {
    heap: BinaryHeap<Entry<T>>,
}

/// A bound that orders as the number that it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound(u64);

impl From<u64> for Bound {
    fn from(bound: u64) -> Self {
        Self(bound)
    }
}

impl From<f64> for Bound {
    /// As [`f64::total_cmp`] orders.
    fn from(bound: f64) -> Self {
        let bits = bound.to_bits();
        let sign = 1 << 63;
        Self(if bits & sign == 0 { bits | sign } else { !bits })
    }
}

#[derive(Debug, Clone)]
struct Entry<T> {
    bound: Bound,
    rank: u64,
    node: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (Reverse<Bound>, u64) {
        (Reverse(self.bound), self.rank)
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> Default for Frontier<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new() }
    }
}

impl<T> Frontier<T> {
    /// Adds a node with its bound and its rank among nodes of the same bound. O(log n).
    pub fn push(&mut self, bound: impl Into<Bound>, rank: u64, node: T) {
        self.heap.push(Entry { bound: bound.into(), rank, node });
    }

    /// Takes the next node. O(log n).
    pub fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|entry| entry.node)
    }

    /// The next node.
    pub fn peek(&self) -> Option<&T> {
        self.heap.peek().map(|entry| &entry.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_order_as_bounds() {
        let floats = [f64::NEG_INFINITY, -2.0, -0.0, 0.0, 1e-300, 1.0, 1.5, f64::INFINITY];
        assert!(floats.windows(2).all(|pair| Bound::from(pair[0]) < Bound::from(pair[1])));
    }
}

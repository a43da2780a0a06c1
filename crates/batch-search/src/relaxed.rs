//! How much can still be served if only one sum counted, and members could be taken in part.

use std::cmp::Ordering;

use crate::items::Item;

/// Parts of a whole that demands are added up in.
const WHOLE: u64 = 1 << 20;

/// A fractional knapsack, ready for any capacity.
#[derive(Debug, Clone)]
struct Knapsack {
    /// Sums of (cost, weight) over the items by cost per weight; the empty sum first.
    sums: Vec<(u64, u64)>,
}

impl Knapsack {
    fn new(mut items: Vec<(u64, u64)>) -> Self {
        let dearer = |a: &(u64, u64), b: &(u64, u64)| -> Ordering {
            (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)))
        };
        items.sort_unstable_by(dearer);
        let mut sums = vec![(0, 0)];
        for (cost, weight) in items {
            let (costs, weights) = sums[sums.len() - 1];
            sums.push((costs + cost, weights + weight));
        }
        Self { sums }
    }

    /// The most weight within that capacity, rounded down. O(log n).
    fn most(&self, capacity: u64) -> u64 {
        let fitting = self.sums.partition_point(|&(cost, _)| cost <= capacity);
        let (cost, weight) = self.sums[fitting - 1];
        let Some(&(next_cost, next_weight)) = self.sums.get(fitting) else { return weight };
        let part = u128::from(next_weight - weight) * u128::from(capacity - cost)
            / u128::from(next_cost - cost);
        weight + part as u64
    }
}

/// Upper bounds on the weight of batches from given items: a knapsack for each resource, and one
/// for the sum of all, each as a part of its whole.
#[derive(Debug, Clone)]
pub(super) struct Relaxed {
    capacity: [u64; 4],
    single: [Knapsack; 4],
    together: Knapsack,
}

impl Relaxed {
    /// Parts are of `capacity`. O(n log n).
    pub(super) fn new<'a>(
        items: impl Iterator<Item = &'a Item> + Clone,
        capacity: [u64; 4],
    ) -> Self {
        let single = [0, 1, 2, 3].map(|r| {
            Knapsack::new(items.clone().map(|item| (item.demand[r], item.weight)).collect())
        });
        let joint = |item: &Item| (parts(item.demand, capacity), item.weight);
        Self { capacity, single, together: Knapsack::new(items.map(joint).collect()) }
    }

    /// No batch within `left`, which is at most the capacity, weighs more.
    pub(super) fn most(&self, left: [u64; 4]) -> u64 {
        let single = self.single.iter().zip(left).map(|(knapsack, left)| knapsack.most(left));
        let single = single.min().unwrap_or(0);
        single.min(self.together.most(parts(left, self.capacity)))
    }
}

/// The sum of all resources, each as a part of its whole, rounded down: what fits into a rest does
/// so here, because a sum of floors is at most the floor of the sum.
fn parts(amounts: [u64; 4], wholes: [u64; 4]) -> u64 {
    let part = |(amount, whole): (u64, u64)| {
        (u128::from(amount) * u128::from(WHOLE) / u128::from(whole.max(1))) as u64
    };
    amounts.into_iter().zip(wholes).map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knapsack_takes_the_cheapest_first_and_the_last_in_part() {
        let knapsack = Knapsack::new(vec![(4, 1), (2, 1), (3, 3), (0, 1)]);
        assert_eq!(knapsack.most(0), 1);
        assert_eq!(knapsack.most(2), 3);
        assert_eq!(knapsack.most(5), 5);
        assert_eq!(knapsack.most(8), 5);
        assert_eq!(knapsack.most(9), 6);
    }
}

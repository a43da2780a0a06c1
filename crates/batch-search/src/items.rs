//! What a tree chooses from, in chains: the first of a chain is at least as good as those after it.

use edgeplan_problem::batching::{Batching, Mode, RequestId};

/// A request in a given mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) request: RequestId,
    pub(super) output: u32,
    pub(super) weight: u64,
    /// Uplink, downlink, memory, work.
    pub(super) demand: [u64; 4],
}

impl Item {
    /// The request, if it can be served in that mode.
    pub(super) fn new(instance: &Batching, mode: Mode, request: RequestId) -> Option<Self> {
        let demand = instance.demand(mode, request)?.to_array();
        let asked = instance.request(request);
        Some(Self { request, output: asked.output, weight: u64::from(asked.weight), demand })
    }

    /// Whether it takes no more of what is counted and is worth no less: any batch that has the
    /// other and not this one can swap them.
    fn is_no_worse(&self, other: &Self, counted: [bool; 4]) -> bool {
        let no_more = |r: usize| !counted[r] || self.demand[r] <= other.demand[r];
        self.weight >= other.weight && (0..4).all(no_more)
    }
}

/// Splits items into few chains, each from the best item to the worst. Some best batch takes a
/// prefix of every chain. Only resources that are `counted` make a difference. O(n^2).
pub(super) fn chains(mut items: Vec<Item>, counted: [bool; 4]) -> Vec<Vec<Item>> {
    let key = |item: &Item| {
        let demand = [0, 1, 2, 3].map(|r| if counted[r] { item.demand[r] } else { 0 });
        let [uplink, downlink, memory, work] = demand;
        (work, memory, uplink, downlink, std::cmp::Reverse(item.weight), item.request)
    };
    items.sort_unstable_by_key(key);
    let mut chains: Vec<Vec<Item>> = Vec::new();
    for item in items {
        let follows = |chain: &&mut Vec<Item>| {
            chain.last().is_some_and(|last| last.is_no_worse(&item, counted))
        };
        match chains.iter_mut().find(follows) {
            Some(chain) => chain.push(item),
            None => chains.push(vec![item]),
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(request: u32, weight: u64, demand: [u64; 4]) -> Item {
        Item { request: RequestId(request), output: 1, weight, demand }
    }

    #[test]
    fn a_chain_runs_from_the_best_to_the_worst() {
        let items =
            vec![item(0, 1, [5, 1, 2, 2]), item(1, 1, [1, 5, 2, 2]), item(2, 1, [1, 1, 1, 1])];
        let found = chains(items.clone(), [true; 4]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|chain| !chain.is_empty()));
        // Without the band that tells them apart, all are comparable.
        assert_eq!(chains(items, [true, false, true, true]).len(), 1);
    }

    #[test]
    fn what_is_worth_more_is_not_behind_what_is_worth_less() {
        let found = chains(vec![item(0, 1, [1; 4]), item(1, 9, [2; 4])], [true; 4]);
        assert_eq!(found.len(), 2);
    }
}

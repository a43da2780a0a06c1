//! The problems that are reduced, as the literature states them, and their answers by trying
//! everything: for tests, and to see a certificate confirmed.

/// Bin packing (Garey and Johnson, Computers and Intractability, 1979, SR1): do items of these
/// sizes fit into so many bins? 3-partition (SP15) is the case of three items for each bin, all of
/// them between a quarter and a half of it, that fill the bins to the brim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinPacking {
    /// Sizes of the items.
    pub sizes: Vec<u64>,
    /// What a bin holds.
    pub capacity: u64,
    /// Bins.
    pub bins: usize,
}

/// Multiple knapsack (Martello and Toth, Knapsack Problems, 1990, chapter 6): is there a choice of
/// items, each in at most one knapsack, that is worth the profit?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipleKnapsack {
    /// Weight and profit of each item.
    pub items: Vec<(u64, u64)>,
    /// What each knapsack holds.
    pub capacities: Vec<u64>,
    /// The profit that is asked for.
    pub profit: u64,
}

/// Partition (Garey and Johnson, SP12): is there a part of the items with half of their sum?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Sizes of the items.
    pub sizes: Vec<u64>,
}

/// Weight and profit of an item on an agent in one way; `None` where there is no such way.
pub type Way = Option<(u64, u64)>;

/// Generalized assignment and multiple-choice knapsack in one (Martello and Toth, chapters 7 and
/// 2.7): each item is done by at most one agent in at most one way; the weights of what an agent
/// does are within its capacity. Is the profit possible? One way for each agent is generalized
/// assignment, one agent multiple-choice knapsack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// `ways[item][way][agent]`.
    pub ways: Vec<Vec<Vec<Way>>>,
    /// What each agent can do.
    pub capacities: Vec<u64>,
    /// The profit that is asked for.
    pub profit: u64,
}

/// Bin packing in two resources (vector packing: Garey, Graham, Johnson and Yao, Journal of
/// Combinatorial Theory A 21, 1976): can so many of the items be packed, each into one bin, with
/// both sums of every bin within the capacities?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoResources {
    /// What each item takes of both; at least 1.
    pub items: Vec<[u64; 2]>,
    /// What each bin has of both.
    pub capacity: [u64; 2],
    /// Bins.
    pub bins: usize,
    /// Items that are to be packed.
    pub packed: usize,
}

impl BinPacking {
    /// The answer, by trying everything: O(bins ^ items).
    pub fn is_possible(&self) -> bool {
        let mut rooms = vec![self.capacity; self.bins];
        put(&self.sizes, &mut rooms)
    }
}

/// Whether these items fit into these rooms.
fn put(sizes: &[u64], rooms: &mut [u64]) -> bool {
    let Some((&size, rest)) = sizes.split_first() else { return true };
    for bin in 0..rooms.len() {
        // A room as large as one before it is as good as that one.
        if rooms[bin] < size || rooms[..bin].contains(&rooms[bin]) {
            continue;
        }
        rooms[bin] -= size;
        if put(rest, rooms) {
            return true;
        }
        rooms[bin] += size;
    }
    false
}

impl MultipleKnapsack {
    /// The answer, by trying everything: O((knapsacks + 1) ^ items).
    pub fn is_possible(&self) -> bool {
        worth(&self.items, &mut self.capacities.clone()) >= self.profit
    }

    /// What the items that are left out may be worth; `None` where not even all of them suffice.
    pub fn spare(&self) -> Option<u64> {
        let all: u64 = self.items.iter().map(|item| item.1).sum();
        all.checked_sub(self.profit)
    }
}

/// The greatest profit of these items in these rooms.
fn worth(items: &[(u64, u64)], rooms: &mut [u64]) -> u64 {
    let Some((&(weight, profit), rest)) = items.split_first() else { return 0 };
    let mut best = worth(rest, rooms);
    for room in 0..rooms.len() {
        if rooms[room] >= weight {
            rooms[room] -= weight;
            best = best.max(profit + worth(rest, rooms));
            rooms[room] += weight;
        }
    }
    best
}

impl Partition {
    /// The answer, by trying everything: O(2 ^ items).
    pub fn is_possible(&self) -> bool {
        let all: u64 = self.sizes.iter().sum();
        all.is_multiple_of(2) && sums_to(&self.sizes, all / 2)
    }
}

fn sums_to(sizes: &[u64], sum: u64) -> bool {
    match sizes.split_first() {
        None => sum == 0,
        Some((&size, rest)) => sums_to(rest, sum) || size <= sum && sums_to(rest, sum - size),
    }
}

impl Assignment {
    /// The answer, by trying everything: O((agents * ways + 1) ^ items).
    pub fn is_possible(&self) -> bool {
        assigned(&self.ways, &mut self.capacities.clone()) >= self.profit
    }
}

/// The greatest profit of these items with what agents have left.
fn assigned(items: &[Vec<Vec<Way>>], rooms: &mut [u64]) -> u64 {
    let Some((ways, rest)) = items.split_first() else { return 0 };
    let mut best = assigned(rest, rooms);
    for agents in ways {
        for (agent, way) in agents.iter().enumerate() {
            let Some((weight, profit)) = *way else { continue };
            if rooms[agent] >= weight {
                rooms[agent] -= weight;
                best = best.max(profit + assigned(rest, rooms));
                rooms[agent] += weight;
            }
        }
    }
    best
}

impl TwoResources {
    /// The answer, by trying everything: O((bins + 1) ^ items).
    pub fn is_possible(&self) -> bool {
        packed(&self.items, &mut vec![self.capacity; self.bins]) >= self.packed
    }
}

/// The most of these items that fit into these rooms.
fn packed(items: &[[u64; 2]], rooms: &mut [[u64; 2]]) -> usize {
    let Some((&[one, two], rest)) = items.split_first() else { return 0 };
    let mut best = packed(rest, rooms);
    for bin in 0..rooms.len() {
        let [left, right] = rooms[bin];
        if left >= one && right >= two && !rooms[..bin].contains(&rooms[bin]) {
            rooms[bin] = [left - one, right - two];
            best = best.max(1 + packed(rest, rooms));
            rooms[bin] = [left, right];
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_answers_by_hand() {
        let packing = |sizes: &[u64], bins| BinPacking { sizes: sizes.into(), capacity: 10, bins };
        assert!(packing(&[6, 5, 5, 4], 2).is_possible());
        // 20 in all, and two odd sizes above a half.
        assert!(!packing(&[7, 7, 4, 2], 2).is_possible());
        assert!(!packing(&[1], 0).is_possible());
        let knapsack = |profit| MultipleKnapsack {
            items: vec![(3, 30), (4, 50), (5, 60)],
            capacities: vec![4, 5],
            profit,
        };
        assert!(knapsack(110).is_possible() && !knapsack(111).is_possible());
        assert_eq!((knapsack(110).spare(), knapsack(141).spare()), (Some(30), None));
        assert!(Partition { sizes: vec![3, 1, 1, 2, 2, 1] }.is_possible());
        assert!(!Partition { sizes: vec![3, 1, 1] }.is_possible());
        assert!(!Partition { sizes: vec![6, 2, 2] }.is_possible());
        let two = Some((2, 3));
        let assignment = |profit| Assignment {
            ways: vec![
                vec![vec![two, None]],
                vec![vec![two, Some((9, 9))], vec![Some((1, 1)), None]],
            ],
            capacities: vec![3, 8],
            profit,
        };
        assert!(assignment(4).is_possible() && !assignment(5).is_possible());
        let vectors = |packed| TwoResources {
            items: vec![[1, 3], [3, 1], [2, 2]],
            capacity: [4, 4],
            bins: 1,
            packed,
        };
        assert!(vectors(2).is_possible() && !vectors(3).is_possible());
    }
}

//! Generalized assignment as its literature draws it: costs to minimise, every item assigned.

use edgeplan_files::{InputError, within};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::source::{Assignment, Way};

/// How weights and costs are drawn (Martello and Toth, *Knapsack Problems*, 1990, section 7.6; Chu
/// and Beasley, Computers and Operations Research 24, 1997, whose sets `gapc` and `gapd` in the
/// OR-Library are of these kinds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostSet {
    /// Weights of 5 to 25, costs of 10 to 50, independent.
    C,
    /// Weights of 1 to 100; what weighs little costs much: 111 less the weight, and up to 10 more
    /// or less.
    D,
}

/// Parameters of generalized assignment with costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Which kind.
    pub set: CostSet,
    /// Items.
    pub items: usize,
    /// Agents.
    pub agents: usize,
    /// The seed.
    pub seed: u64,
}

/// What an item is worth beyond its cost: more than all costs together, so that no profit comes
/// from leaving one out. The least cost of an assignment of all items is `items` times that, less
/// the largest profit.
pub fn worth(family: &Costs) -> u64 {
    let most = match family.set {
        CostSet::C => 50,
        CostSet::D => 120,
    };
    1 + most * family.items as u64
}

/// Draws it: capacities are four fifths of an agent's share of all weights, and a profit of 0 is
/// asked for, which says nothing.
///
/// # Errors
/// Parameters out of range.
pub fn costs(family: &Costs) -> Result<Assignment, InputError> {
    let Costs { set, items, agents, seed } = *family;
    within("generate", "requests", items as u64, &(1..=10_000))?;
    within("generate", "servers", agents as u64, &(1..=1024))?;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let worth = worth(family);
    let mut loads = vec![0; agents];
    let mut ways: Vec<Vec<Vec<Way>>> = Vec::with_capacity(items);
    for _ in 0..items {
        let mut agent = |load: &mut u64| {
            let (weight, cost) = match set {
                CostSet::C => (rng.random_range(5..=25), rng.random_range(10..=50)),
                CostSet::D => {
                    let weight = rng.random_range(1..=100);
                    (weight, 101 - weight + rng.random_range(0..=20))
                }
            };
            *load += weight;
            Some((weight, worth - cost))
        };
        ways.push(vec![loads.iter_mut().map(&mut agent).collect()]);
    }
    let capacities = loads.iter().map(|load| load * 4 / (5 * agents as u64)).collect();
    Ok(Assignment { ways, capacities, profit: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_their_ranges_and_capacities_are_scarce() {
        for (set, weights, costs_allowed) in
            [(CostSet::C, 5..=25, 10..=50), (CostSet::D, 1..=100, 1..=120)]
        {
            let family = Costs { set, items: 40, agents: 5, seed: 3 };
            let drawn = costs(&family).unwrap();
            assert_eq!(drawn, costs(&family).unwrap());
            let mut sums = vec![0; 5];
            for item in &drawn.ways {
                for (agent, way) in item[0].iter().enumerate() {
                    let (weight, profit) = way.unwrap();
                    assert!(weights.contains(&weight), "{weight}");
                    assert!(costs_allowed.contains(&(worth(&family) - profit)), "{profit}");
                    sums[agent] += weight;
                }
            }
            let scarce = |(sum, capacity): (u64, u64)| capacity == sum * 4 / 25;
            assert!(sums.into_iter().zip(drawn.capacities).all(scarce));
        }
        assert!(costs(&Costs { set: CostSet::C, items: 0, agents: 5, seed: 0 }).is_err());
    }
}

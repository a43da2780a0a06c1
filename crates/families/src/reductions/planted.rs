//! Source instances with a known answer: `yes` by a planted solution, `no` by an argument of
//! residues that no relaxation sees. What is drawn for the two differs by a unit here and there.

use edgeplan_files::{InputError, within};
use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::groups::Groups;
use super::source::{Assignment, BinPacking, MultipleKnapsack, Partition, TwoResources, Way};

/// The answer that an instance is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// There is a solution: one was planted.
    Yes,
    /// There is none: residues forbid it.
    No,
    /// Not known: numbers are drawn and left as they are.
    Open,
}

/// Parameters of bin packing and 3-partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bins {
    /// Bins.
    pub bins: usize,
    /// What a bin holds, 100 to 100,000; where residues ask for it, one more.
    pub capacity: u64,
    /// Room beyond that in each bin, in thousandths, 0 to 1000; none where the answer is `no`.
    pub slack_permille: u64,
    /// The answer.
    pub wanted: Wanted,
    /// The seed.
    pub seed: u64,
}

impl Bins {
    fn check(&self) -> Result<(), InputError> {
        within("generate", "bins", self.bins as u64, &(1..=1024))?;
        capacity(self.capacity)?;
        let slack = if self.wanted == Wanted::No { 0 } else { 1000 };
        within("generate", "slack-permille", self.slack_permille, &(0..=slack))?;
        several("bins", self.bins, self.wanted)
    }

    fn with(&self, sizes: Vec<u64>, full: u64) -> BinPacking {
        let capacity = full + full * self.slack_permille / 1000;
        BinPacking { sizes, capacity, bins: self.bins }
    }
}

/// Numbers up to here keep every sum of rows that engines see exact.
fn capacity(capacity: u64) -> Result<(), InputError> {
    within("generate", "capacity", capacity, &(100..=100_000))
}

/// One bin can always be filled: there is no `no`.
fn several(key: &str, count: usize, wanted: Wanted) -> Result<(), InputError> {
    let least = if wanted == Wanted::No { 2 } else { 1 };
    within("generate", key, count as u64, &(least..=1024))
}

/// 3-partition: three items for each bin, between a quarter and a half of it, that fill all bins.
///
/// `No`: all sizes have the residue `r`, not 0, modulo a prime that divides the number of bins, and
/// three of them never have the residue of a bin, `3 r` against `B`; the sum of all sizes is that
/// of all bins nevertheless.
///
/// # Errors
/// Parameters out of range.
pub fn three_partition(family: &Bins) -> Result<BinPacking, InputError> {
    family.check()?;
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let groups = Groups { count: family.bins, each: 3, full: family.capacity };
    groups.check(family.wanted)?;
    let (sizes, full) = groups.draw(family.wanted, &mut rng);
    Ok(family.with(sizes, full))
}

/// Bin packing: two to five items for each bin, that fill all bins.
///
/// `No`: the two largest items are odd and above half a bin, all others and the bins even, and the
/// bins must be full. The bin of one of the two would need the other one as well, but both do not
/// fit. `Open`: three items for each bin between a tenth and a half, and bins of the mean load and
/// the slack.
///
/// # Errors
/// Parameters out of range.
pub fn bin_packing(family: &Bins) -> Result<BinPacking, InputError> {
    family.check()?;
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let full = family.capacity.next_multiple_of(2);
    if family.wanted == Wanted::Open {
        let drawn = (0..3 * family.bins).map(|_| rng.random_range(full / 10..=full / 2));
        let sizes: Vec<u64> = drawn.collect();
        let mean = sizes.iter().sum::<u64>().div_ceil(family.bins as u64);
        return Ok(family.with(sizes, mean));
    }
    let unit = if family.wanted == Wanted::No { 2 } else { 1 };
    let mut sizes = Vec::new();
    for bin in 0..family.bins {
        let whole = full / unit;
        let large = if bin < 2 { rng.random_range(whole / 2 + 2..=whole * 3 / 4) } else { 0 };
        let parts = rng.random_range(2..=5_u64) - u64::from(large > 0);
        let rest = cut(whole - large, parts, &mut rng);
        sizes.extend([large].into_iter().filter(|size| *size > 0).chain(rest).map(|s| s * unit));
        // The first bin's large item takes one from the second bin's.
        if family.wanted == Wanted::No && bin < 2 {
            let place = sizes.iter().rposition(|&size| size == large * unit).unwrap_or_default();
            sizes[place] = if bin == 0 { sizes[place] + 1 } else { sizes[place] - 1 };
        }
    }
    sizes.shuffle(&mut rng);
    Ok(family.with(sizes, full))
}

/// Parts of at least a quarter of their mean with that sum.
fn cut(sum: u64, parts: u64, rng: &mut impl Rng) -> Vec<u64> {
    let least = (sum / parts / 4).max(1);
    let spare = sum - least * parts;
    let mut marks: Vec<u64> = (1..parts).map(|_| rng.random_range(0..=spare)).collect();
    marks.sort_unstable();
    marks.push(spare);
    let mut before = 0;
    let part = |mark: u64| least + mark - std::mem::replace(&mut before, mark);
    marks.into_iter().map(part).collect()
}

/// Multiple knapsack: six items for each knapsack, between a quarter and a half of it, worth what
/// they weigh; asked for is that every knapsack be full.
///
/// `No`: all weights have the parity that a sum of three must not have; two are too few and four
/// too many.
///
/// # Errors
/// Parameters out of range.
pub fn multiple_knapsack(family: &Bins) -> Result<MultipleKnapsack, InputError> {
    within("generate", "knapsacks", family.bins as u64, &(1..=512))?;
    capacity(family.capacity)?;
    within("generate", "slack-permille", family.slack_permille, &(0..=0))?;
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let Bins { bins, capacity, wanted, .. } = *family;
    // Of an even capacity, weights that bar it are odd, and have no divisor.
    let full = if wanted == Wanted::No { capacity.next_multiple_of(2) } else { capacity };
    let groups = Groups { count: bins, each: 3, full };
    let (low, high) = groups.range(full);
    let mut inside = match wanted {
        Wanted::Yes => groups.draw(Wanted::Yes, &mut rng).0,
        Wanted::No | Wanted::Open => (0..3 * bins).map(|_| rng.random_range(low..=high)).collect(),
    };
    inside.extend((0..3 * bins).map(|_| rng.random_range(low..=high)));
    if wanted == Wanted::No {
        let odd = (full + 1) % 2;
        for weight in &mut inside {
            let other = if *weight < high { *weight + 1 } else { *weight - 1 };
            *weight = if *weight % 2 == odd { *weight } else { other };
        }
    }
    inside.shuffle(&mut rng);
    let items = inside.into_iter().map(|weight| (weight, weight)).collect();
    Ok(MultipleKnapsack { items, capacities: vec![full; bins], profit: full * bins as u64 })
}

/// Partition: that many sizes below `2^bits`.
///
/// `No`: all sizes are even but two, which together are more than half of the sum, an even number.
/// Both are not in one part, and with one of them a part is odd.
///
/// # Errors
/// Parameters out of range.
pub fn partition(
    items: usize,
    bits: u64,
    wanted: Wanted,
    seed: u64,
) -> Result<Partition, InputError> {
    within("generate", "items", items as u64, &(3..=4096))?;
    within("generate", "bits", bits, &(3..=40))?;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let most = (1u64 << bits) - 1;
    let mut sizes: Vec<u64> = Vec::with_capacity(items);
    match wanted {
        Wanted::Open => {
            sizes.extend((0..items).map(|_| rng.random_range(1..=most)));
            // An odd sum has an answer that needs no search.
            sizes[0] += sizes.iter().sum::<u64>() % 2;
        }
        Wanted::Yes => {
            // Always to the lighter side, so that one more item makes up for the difference.
            let mut sides = [0_u64; 2];
            while sides[0] == sides[1] {
                sizes.clear();
                sides = [0; 2];
                for _ in 1..items {
                    let size = rng.random_range(1..=most);
                    sides[usize::from(sides[0] > sides[1])] += size;
                    sizes.push(size);
                }
            }
            sizes.push(sides[0].abs_diff(sides[1]));
        }
        Wanted::No => {
            sizes.extend((2..items).map(|_| 2 * rng.random_range(1..=most / 2)));
            let two = sizes.iter().sum::<u64>() + 4;
            let one = two / 2 + (two / 2 + 1) % 2;
            sizes.extend([one, two - one]);
        }
    }
    sizes.shuffle(&mut rng);
    Ok(Partition { sizes })
}

/// Parameters of generalized assignment and multiple-choice knapsack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agents {
    /// Items.
    pub items: usize,
    /// Agents; one is multiple-choice knapsack.
    pub agents: usize,
    /// Ways to do an item; one is generalized assignment.
    pub ways: usize,
    /// The answer, `Yes` or `No`.
    pub wanted: Wanted,
    /// The seed.
    pub seed: u64,
}

/// The most that an item weighs.
const WEIGHT_MAX: u64 = 64;

/// Generalized assignment, or multiple-choice knapsack: weights up to 64, profits that are the
/// weight and 64, and agents that one assignment fills. The profit that is asked for needs all
/// items done and all agents full.
///
/// `No`: an item's weights all have one parity, so that the load of all agents together has one
/// too; the agents have room for one more.
///
/// # Errors
/// Parameters out of range.
pub fn assignment(family: &Agents) -> Result<Assignment, InputError> {
    let Agents { items, agents, ways, wanted, seed } = *family;
    within("generate", "requests", items as u64, &(1..=100_000))?;
    within("generate", "servers", agents as u64, &(1..=1024))?;
    within("generate", "variants", ways as u64, &(1..=64))?;
    if wanted == Wanted::Open {
        let problem = "`open` is for packings and partitions; `yes` and `no` are allowed";
        return Err(InputError::key("generate", "answer", problem));
    }
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut capacities = vec![0; agents];
    let mut drawn: Vec<Vec<Vec<Way>>> = Vec::with_capacity(items);
    for _ in 0..items {
        let parity = rng.random_range(0..2_u64);
        let mut weight = || 2 * rng.random_range(4..WEIGHT_MAX / 2) + parity;
        let mut agent = |_| {
            let weight = weight();
            Some((weight, weight + WEIGHT_MAX))
        };
        let item: Vec<Vec<Way>> =
            (0..ways).map(|_| (0..agents).map(&mut agent).collect()).collect();
        let (way, place) = (rng.random_range(0..ways), rng.random_range(0..agents));
        capacities[place] += item[way][place].map_or(0, |(weight, _)| weight);
        drawn.push(item);
    }
    if wanted == Wanted::No {
        capacities[0] += 1;
    }
    let profit = capacities.iter().sum::<u64>() + WEIGHT_MAX * items as u64;
    Ok(Assignment { ways: drawn, capacities, profit })
}

/// Parameters of packing in two resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nodes {
    /// Bins. Of one bin, half of the items are asked for.
    pub nodes: usize,
    /// Items of a full bin, at least 2.
    pub each: usize,
    /// What a bin has of the first resource, 100 to 100,000.
    pub capacity: u64,
    /// The answer.
    pub wanted: Wanted,
    /// The seed.
    pub seed: u64,
}

/// Packing in two resources: what an item takes of the one, another one takes of the other. With
/// `a` and `M - a` for each item, `B` and `k M - B` for each bin, no bin holds more than `k` items,
/// and `k` of them only if their `a` sum to `B`.
///
/// `No`: by residues, as in [`three_partition`].
///
/// # Errors
/// Parameters out of range.
pub fn two_resources(family: &Nodes) -> Result<TwoResources, InputError> {
    let Nodes { nodes, each, capacity: full, wanted, seed } = *family;
    within("generate", "nodes", nodes as u64, &(1..=256))?;
    within("generate", "each", each as u64, &(2..=256))?;
    capacity(full)?;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    // The other half of a single bin's items would fill a second one.
    let groups = Groups { count: nodes.max(2), each, full };
    groups.check(wanted)?;
    let (sizes, full) = groups.draw(wanted, &mut rng);
    let most = sizes.iter().max().copied().unwrap_or_default() + full / (4 * each as u64);
    let capacity = [full, each as u64 * most - full];
    // Beyond that, shares in billionths are too coarse for the reduction.
    let items_most = 1_000_000_000 / (4 * capacity[0].max(capacity[1]) + 1);
    within("generate", "nodes times each", sizes.len() as u64, &(1..=items_most))?;
    Ok(TwoResources {
        items: sizes.iter().map(|&size| [size, most - size]).collect(),
        capacity,
        bins: nodes,
        packed: nodes * each,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [Wanted; 2] = [Wanted::Yes, Wanted::No];

    fn confirmed(what: &str, wanted: Wanted, seed: u64, possible: bool) {
        assert_eq!(possible, wanted == Wanted::Yes, "{what}, {wanted:?}, seed {seed}");
    }

    #[test]
    fn answers_are_what_trying_everything_finds() {
        for (wanted, seed) in WANTED.into_iter().flat_map(|w| (0..40).map(move |s| (w, s))) {
            for (bins, capacity) in [(2, 1000), (3, 999), (3, 100), (4, 117)] {
                let family = Bins { bins, capacity, slack_permille: 0, wanted, seed };
                let packing = three_partition(&family).unwrap();
                let (sum, full) = (packing.sizes.iter().sum::<u64>(), packing.capacity);
                assert_eq!((sum, packing.sizes.len()), (full * bins as u64, 3 * bins));
                assert!(packing.sizes.iter().all(|&s| 4 * s > full && 2 * s < full), "{packing:?}");
                confirmed("3-partition", wanted, seed, packing.is_possible());
                let packing = bin_packing(&family).unwrap();
                assert_eq!(packing.sizes.iter().sum::<u64>(), packing.capacity * bins as u64);
                confirmed("bin packing", wanted, seed, packing.is_possible());
            }
            let family = Bins { bins: 1, capacity: 1001, slack_permille: 0, wanted, seed };
            let knapsack = multiple_knapsack(&family).unwrap();
            confirmed("multiple knapsack", wanted, seed, knapsack.is_possible());
            let knapsack = multiple_knapsack(&Bins { bins: 2, ..family });
            confirmed("multiple knapsack", wanted, seed, knapsack.unwrap().is_possible());
            for (items, bits) in [(3, 4), (9, 3), (12, 20)] {
                let found = partition(items, bits, wanted, seed).unwrap();
                assert_eq!(found.sizes.len(), items);
                assert!(found.sizes.iter().all(|&size| size > 0), "{found:?}");
                confirmed("partition", wanted, seed, found.is_possible());
            }
            for (items, agents, ways) in [(5, 2, 1), (6, 1, 3), (1, 1, 1)] {
                let found = assignment(&Agents { items, agents, ways, wanted, seed }).unwrap();
                confirmed("assignment", wanted, seed, found.is_possible());
            }
            for (nodes, each) in [(1, 4), (1, 5), (2, 3), (3, 3), (3, 2)] {
                let family = Nodes { nodes, each, capacity: 300, wanted, seed };
                let found = two_resources(&family).unwrap();
                confirmed("two resources", wanted, seed, found.is_possible());
            }
        }
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let family =
            Bins { bins: 1, capacity: 100, slack_permille: 0, wanted: Wanted::No, seed: 0 };
        let error = three_partition(&family).unwrap_err().to_string();
        assert!(error.contains("bins: 1; 2 to 1024 are allowed"), "{error}");
        let error = bin_packing(&Bins { bins: 2, slack_permille: 5, ..family }).unwrap_err();
        assert!(error.to_string().contains("slack-permille: 5; 0 to 0 are allowed"), "{error}");
        let open = Agents { items: 3, agents: 1, ways: 2, wanted: Wanted::Open, seed: 0 };
        let error = assignment(&open).unwrap_err().to_string();
        assert!(error.contains("answer: `open` is for packings"), "{error}");
    }
}

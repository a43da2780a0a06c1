//! Reductions against the problems that they reduce: for random small instances, trying everything
//! there, trying every plan here, and exact solvers say the same.

use std::ops::Range;

use edgeplan_families::reductions::source::{
    Assignment, BinPacking, MultipleKnapsack, Partition, TwoResources, Way,
};
use edgeplan_families::reductions::{
    Agents, Bins, Known, Nodes, Question, Reduction, Shape, Wanted, epoch, epoch_cost, halves,
    halves_cost, knapsacks, knapsacks_cost, packing, packing_cost, schedule, schedule_cost,
};
use edgeplan_problem::batching::Batching;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_problem::{Cost, Limits, Problem, Silent, Verdict, solve};
use edgeplan_solvers::{Entry, find, find_batching, find_scheduling};
use edgeplan_tests::{batching_optimum, best_schedule, brute_force, refused, run, text};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

const SEEDS: Range<u64> = 0..300;

/// What a solver says to "is there a plan within that cost"; none where it does not say, or does
/// not take the question.
fn says<P: Problem>(entry: &Entry<P>, problem: &P, within: u64) -> Option<bool> {
    let limits = Limits { gap: 1e-6, ..Limits::default() };
    let outcome = solve(problem, (entry.make)().as_ref(), limits, &mut Silent);
    assert!(!outcome.verdict.is_wrong(), "{}: {:?}", entry.name, outcome.verdict);
    match outcome.verdict {
        Verdict::Infeasible => Some(false),
        Verdict::Unsupported(_) => None,
        _ if outcome.cost().is_some_and(|cost| cost <= Cost(within)) => Some(true),
        _ if outcome.lower_bound().is_some_and(|bound| bound > Cost(within)) => Some(false),
        _ => None,
    }
}

/// Counts of a check over many seeds.
#[derive(Debug, Default)]
struct Count {
    yes: usize,
    no: usize,
    silent: usize,
}

/// Runs a check for every seed: it returns the truth, and how often a solver did not say.
fn all(seeds: Range<u64>, check: impl Fn(u64) -> (bool, usize) + Send + Sync) {
    let seen: Vec<(bool, usize)> = seeds.into_par_iter().map(check).collect();
    let yes = seen.iter().filter(|seen| seen.0).count();
    let silent = seen.iter().map(|seen| seen.1).sum();
    let count = Count { yes, no: seen.len() - yes, silent };
    // Else one direction of the proof was not tested.
    assert!(10 * count.yes > seen.len() && 10 * count.no > seen.len(), "{count:?}");
    assert_eq!(count.silent, 0, "{count:?}");
}

/// Trying every plan and exact solvers agree with the truth; returns who said nothing.
fn deployed(what: &str, deployment: Deployment, within: u64, truth: bool) -> usize {
    let deployment = deployment.checked().unwrap_or_else(|error| panic!("{what}: {error}"));
    let tried = brute_force(&deployment).cost().is_some_and(|cost| cost <= Cost(within));
    assert_eq!(tried, truth, "{what}: trying every plan, {deployment:?}");
    let mut silent = 0;
    for name in ["chain-search", "joint", "highs"] {
        match says(find(name).unwrap(), &deployment, within) {
            Some(said) => assert_eq!(said, truth, "{what}: {name}, {deployment:?}"),
            // `joint` refuses what shares no memory.
            None => silent += usize::from(name != "joint"),
        }
    }
    silent
}

fn numbers(random: &mut Pcg64Mcg, count: usize, most: u64) -> Vec<u64> {
    (0..count).map(|_| random.random_range(1..=most)).collect()
}

#[test]
fn items_fit_into_bins_exactly_if_there_is_a_plan() {
    for shape in [Shape::Models, Shape::Hosts, Shape::Layers, Shape::Host] {
        all(SEEDS, |seed| {
            let mut random = Pcg64Mcg::seed_from_u64(seed);
            let bins = random.random_range(2..=3_usize);
            let count = random.random_range(4..=6_usize);
            let sizes = numbers(&mut random, count, 9);
            let full = sizes.iter().sum::<u64>().div_ceil(bins as u64);
            let source = BinPacking { sizes, capacity: full + random.random_range(0..2_u64), bins };
            let truth = source.is_possible();
            let what = format!("{source:?} as {shape:?}");
            (truth, deployed(&what, packing(&source, shape), packing_cost(&source), truth))
        });
    }
}

#[test]
fn the_profit_is_possible_exactly_if_there_is_a_plan() {
    all(SEEDS, |seed| {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let count = random.random_range(3..=6_usize);
        let (weights, profits) = (numbers(&mut random, count, 9), numbers(&mut random, count, 9));
        let knapsacks_count = random.random_range(1..=2_usize);
        let all: u64 = profits.iter().sum();
        let source = MultipleKnapsack {
            items: weights.into_iter().zip(profits).collect(),
            capacities: numbers(&mut random, knapsacks_count, 14),
            // Now and then more than all items are worth.
            profit: random.random_range(all / 3..=all + 1),
        };
        let truth = source.is_possible();
        let what = format!("{source:?}");
        (truth, deployed(&what, knapsacks(&source), knapsacks_cost(&source), truth))
    });
}

#[test]
fn halves_exist_exactly_if_memory_and_quality_can_both_be_met() {
    all(SEEDS, |seed| {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let count = random.random_range(3..=9_usize);
        let mut sizes = numbers(&mut random, count, 12);
        // An odd sum is refused before the reduction.
        sizes[0] += sizes.iter().sum::<u64>() % 2;
        let source = Partition { sizes };
        let truth = source.is_possible();
        let what = format!("{source:?}");
        (truth, deployed(&what, halves(&source), halves_cost(&source), truth))
    });
}

fn scheduled(what: &str, scheduling: Scheduling, within: u64, truth: bool) -> usize {
    let scheduling = scheduling.checked().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(best_schedule(&scheduling) <= Cost(within), truth, "{what}: trying every plan");
    let said = says(find_scheduling("highs").unwrap(), &scheduling, within);
    assert_eq!(said.unwrap_or(truth), truth, "{what}: highs");
    // No exact one; what it does say is true.
    let heuristic = says(find_scheduling("schedule-search").unwrap(), &scheduling, within);
    assert_eq!(heuristic.unwrap_or(truth), truth, "{what}: schedule-search");
    usize::from(said.is_none())
}

#[test]
fn the_assignment_is_possible_exactly_if_users_can_be_that_satisfied() {
    // Generalized assignment, multiple-choice knapsack, and both at once.
    for (agents, ways) in [(3, 1), (1, 3), (2, 2)] {
        all(SEEDS, |seed| {
            let mut random = Pcg64Mcg::seed_from_u64(seed);
            let items = random.random_range(2..=5_usize);
            let mut way = |_: usize| -> Way {
                let there = random.random_range(0..8_u64) > 0;
                there.then(|| (random.random_range(1..=9), random.random_range(0..=9)))
            };
            let drawn: Vec<Vec<Vec<Way>>> = (0..items)
                .map(|_| (0..ways).map(|_| (0..agents).map(&mut way).collect()).collect())
                .collect();
            let best = |item: &Vec<Vec<Way>>| item.iter().flatten().flatten().map(|w| w.1).max();
            let most: u64 = drawn.iter().filter_map(best).sum();
            let capacities = numbers(&mut random, agents, 14);
            let profit = random.random_range(most / 2..=most);
            let source = Assignment { ways: drawn, capacities, profit };
            let truth = source.is_possible();
            let what = format!("{source:?}");
            match schedule_cost(&source) {
                Some(within) => (truth, scheduled(&what, schedule(&source), within, truth)),
                None => panic!("{what}: no cost"),
            }
        });
    }
}

fn batched(what: &str, batching: &Batching, within: u64, truth: bool) -> usize {
    assert_eq!(batching_optimum(batching) <= Cost(within), truth, "{what}: trying every plan");
    let mut silent = 0;
    for name in ["batch-search", "highs", "dftsp"] {
        match says(find_batching(name).unwrap(), batching, within) {
            Some(said) => assert_eq!(said, truth, "{what}: {name}"),
            // All but the program are of one node.
            None => silent += usize::from(name == "highs" || batching.nodes.len() == 1),
        }
    }
    silent
}

#[test]
fn vectors_fit_exactly_if_so_many_are_served() {
    all(SEEDS, |seed| {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let bins = random.random_range(1..=2_usize);
        let count = random.random_range(3..=6_usize);
        let items: Vec<[u64; 2]> =
            (0..count).map(|_| [random.random_range(1..=9), random.random_range(1..=9)]).collect();
        let capacity = [random.random_range(8..=18), random.random_range(8..=18)];
        let packed = random.random_range(count / 2..=count);
        let source = TwoResources { items, capacity, bins, packed };
        let truth = source.is_possible();
        let what = format!("{source:?}");
        let batching = epoch(&source, "vectors").build("vectors").unwrap();
        (truth, batched(&what, &batching, epoch_cost(&source).unwrap(), truth))
    });
}

/// What is drawn with an answer has that answer, as a question, too.
#[test]
fn drawn_answers_are_those_of_exact_solvers() {
    let families = |wanted: Wanted, seed: u64| {
        let bins = Bins { bins: 2, capacity: 400, slack_permille: 0, wanted, seed };
        [
            Reduction::ThreePartition(Bins { bins: 3, ..bins }, Shape::Models),
            Reduction::ThreePartition(bins, Shape::Layers),
            Reduction::BinPacking(bins, Shape::Hosts),
            Reduction::BinPacking(bins, Shape::Host),
            Reduction::MultipleKnapsack(Bins { bins: 1, ..bins }),
            Reduction::Partition { items: 10, bits: 8, wanted, seed },
            Reduction::Assignment(Agents { items: 6, agents: 2, ways: 1, wanted, seed }),
            Reduction::Assignment(Agents { items: 6, agents: 1, ways: 3, wanted, seed }),
            Reduction::TwoResources(Nodes { nodes: 1, each: 4, capacity: 400, wanted, seed }),
            Reduction::TwoResources(Nodes { nodes: 2, each: 3, capacity: 400, wanted, seed }),
        ]
    };
    let drawn: Vec<(Wanted, u64)> =
        [Wanted::Yes, Wanted::No].into_iter().flat_map(|w| (0..20).map(move |s| (w, s))).collect();
    let silent: Vec<String> = drawn
        .into_par_iter()
        .flat_map(|(wanted, seed)| families(wanted, seed))
        .filter_map(|family| {
            let reduced = family.draw().unwrap();
            let Known { possible, within } = reduced.known.unwrap();
            let said = match &reduced.question {
                Question::Deployment(problem) => says(find("highs").unwrap(), problem, within.0),
                Question::Scheduling(problem) => {
                    says(find_scheduling("highs").unwrap(), problem, within.0)
                }
                Question::Batching(problem) => {
                    says(find_batching("highs").unwrap(), problem, within.0)
                }
            };
            assert_eq!(said.unwrap_or(possible), possible, "{family:?}");
            said.is_none().then(|| format!("{family:?}"))
        })
        .collect();
    assert!(silent.is_empty(), "{} said nothing: {}", silent.len(), silent[0]);
}

#[test]
fn an_instance_of_a_hard_problem_is_written_and_answered() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("hard.json").display().to_string();
    let generate = |answer: &str| {
        let answer = format!("answer={answer}");
        let family = ["generate", "family", "three-partition", "bins=3", &answer, "seeds=7"];
        let output = run(&[&family[..], &["--out", &file]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let said = generate("no");
    assert!(said.contains("there is no plan within a cost of 9000000, by construction"), "{said}");
    let answered = run(&["plan", "--gap", "0", "--solver", "highs", &file]);
    assert_eq!(answered.status.code(), Some(1), "{}", text(&answered.stdout));
    assert!(generate("yes").contains("there is a plan within a cost of 9000000"));
    let answered = run(&["plan", "--gap", "0", "--solver", "highs", &file]);
    assert!(answered.status.success(), "{}", text(&answered.stdout));
    refused(&["generate", "family", "three-partition", "bins=3"], "missing field `answer`");
    refused(&["generate", "family", "tree-partition", "bins=3"], "did you mean `three-partition`?");
}

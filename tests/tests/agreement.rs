//! Every solver against the oracle: exact ones equal it, others are never better and never wrong.

use edgeplan_instances::generate::{Random, random};
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Limits, Outcome, Silent, Verdict, gap, reconcile, solve};
use edgeplan_search::ChainSearch;
use edgeplan_solvers::{DEPLOYMENT, Entry, Guarantee, find};
use edgeplan_tests::{Optimum, brute_force, small};
use rayon::prelude::*;

/// CBC errs on some of the same kind of instance: there, being caught is what is tested.
const MAY_BE_WRONG: &str = "cbc";
const SEEDS: std::ops::Range<u64> = 0..540;

fn check(entry: &Entry, seed: u64, truth: &Optimum) -> Result<bool, String> {
    let instance: Deployment = small(seed);
    let solver = (entry.make)();
    let outcome: Outcome<_> = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
    let complain = |what: &str| {
        let verdict = &outcome.verdict;
        Err(format!("{} on seed {seed}: {what}: {verdict:?}, truth {:?}", entry.name, truth.cost()))
    };
    let exact = entry.guarantee == Guarantee::Exact;
    match (&outcome.verdict, truth) {
        (Verdict::Unsupported(_), _) if !exact => Ok(false),
        (Verdict::Wrong(_), _) if entry.name == MAY_BE_WRONG => Ok(false),
        (Verdict::Infeasible, Optimum::Infeasible) => Ok(true),
        (Verdict::Unknown { .. }, Optimum::Infeasible) if !exact => Ok(true),
        (Verdict::Optimal { cost, lower_bound }, Optimum::Cost(best, _)) => {
            if cost == best && lower_bound <= best { Ok(true) } else { complain("false optimum") }
        }
        (Verdict::Feasible { cost, lower_bound }, Optimum::Cost(best, _)) if !exact => {
            let bound: Option<Cost> = *lower_bound;
            let sound = cost >= best && bound.is_none_or(|bound| bound <= *best);
            if sound { Ok(true) } else { complain("better than the optimum") }
        }
        (Verdict::Unknown { lower_bound }, Optimum::Cost(best, _)) if !exact => {
            let sound = lower_bound.is_none_or(|bound| bound <= *best);
            if sound { Ok(false) } else { complain("false bound") }
        }
        _ => complain("not the truth"),
    }
}

#[test]
fn every_solver_agrees_with_brute_force() {
    let truths: Vec<(u64, Optimum)> =
        SEEDS.into_par_iter().map(|seed| (seed, brute_force(&small(seed)))).collect();
    let feasible = truths.iter().filter(|(_, truth)| truth.cost().is_some()).count();
    assert!(feasible > SEEDS.count() / 2, "only {feasible} are feasible");
    for entry in DEPLOYMENT {
        let results: Vec<Result<bool, String>> =
            truths.par_iter().map(|(seed, truth)| check(entry, *seed, truth)).collect();
        let answered = results.iter().filter(|result| matches!(result, Ok(true))).count();
        let errors: Vec<String> = results.into_iter().filter_map(Result::err).collect();
        assert!(errors.is_empty(), "{} errors, first:\n{}", errors.len(), errors[0]);
        if entry.guarantee == Guarantee::Exact {
            // CBC's false claims are rare; that many would be a fault of ours.
            assert!(answered * 100 >= truths.len() * 95, "{} answered {answered}", entry.name);
        }
        println!("{:24} answered {answered} of {}", entry.name, truths.len());
        assert!(answered > 0, "{} answers nothing", entry.name);
    }
}

#[test]
fn the_chain_search_agrees_on_two_thousand_more() {
    let entry = find("chain-search").expect("registered");
    let errors: Vec<String> = (540..2600u64)
        .into_par_iter()
        .filter_map(|seed| check(entry, seed, &brute_force(&small(seed))).err())
        .collect();
    assert!(errors.is_empty(), "{} errors, first:\n{}", errors.len(), errors[0]);
}

/// With hardly any labels everything must be proven by bounds and branching.
#[test]
fn branching_agrees_with_labels() {
    let question = |seed: u64| {
        let objective = [Objective::Latency, Objective::Latency, Objective::Memory];
        let family = Random {
            layers: 10 + seed as usize % 7,
            devices: 4 + seed as usize % 3,
            formats: 4,
            memory_percent: 115,
            objective: objective[seed as usize % 3],
            seed,
            ..Random::default()
        };
        random(&family).checked().expect("the generator makes sense")
    };
    let results: Vec<(bool, bool)> = (0..200)
        .into_par_iter()
        .map(|seed| {
            let instance = question(seed);
            let limits = Limits { steps: Some(100_000), ..Limits::default() };
            let roomy = solve(&instance, &ChainSearch::default(), limits, &mut Silent);
            let cramped = ChainSearch { labels_max: 2, ..ChainSearch::default() };
            let cramped = solve(&instance, &cramped, limits, &mut Silent);
            let mut outcomes = [("labels", roomy), ("branching", cramped)];
            reconcile(&mut outcomes);
            for (_, outcome) in &outcomes {
                assert!(!matches!(outcome.verdict, Verdict::Wrong(_)), "seed {seed}: {outcomes:?}");
            }
            let cramped = &outcomes[1].1;
            let closed = matches!(cramped.verdict, Verdict::Optimal { .. } | Verdict::Infeasible);
            (cramped.work.contains_key("nodes"), closed)
        })
        .collect();
    let branched = results.iter().filter(|result| result.0).count();
    let proven = results.iter().filter(|result| **result == (true, true)).count();
    println!("{branched} branch, {proven} of them are proven");
    assert!(branched >= 60, "only {branched} branch");
    assert!(proven >= 30, "only {proven} of {branched} are proven");
}

#[test]
fn highs_and_cbc_agree_on_larger_questions() {
    for seed in 0..6 {
        let family = Random {
            layers: 12,
            devices: 3,
            formats: 3,
            memory_percent: 143,
            objective: [Objective::Latency, Objective::Bottleneck, Objective::Memory]
                [seed as usize % 3],
            placement: [Placement::Contiguous, Placement::Free][seed as usize / 3],
            seed,
        };
        let instance = random(&family).checked().expect("the generator makes sense");
        let mut outcomes = ["highs", "cbc"].map(|name| {
            let solver = (find(name).expect("registered").make)();
            (name, solve(&instance, solver.as_ref(), Limits::default(), &mut Silent))
        });
        reconcile(&mut outcomes);
        let costs = outcomes.each_ref().map(|(_, outcome)| outcome.cost());
        assert!(
            matches!(outcomes[0].1.verdict, Verdict::Optimal { .. }),
            "seed {seed}: {outcomes:?}"
        );
        assert!(
            matches!(outcomes[1].1.verdict, Verdict::Optimal { .. }),
            "seed {seed}: {outcomes:?}"
        );
        let [Some(highs), Some(cbc)] = costs else { panic!("seed {seed}: {costs:?}") };
        assert!(gap(cbc.max(highs), cbc.min(highs)) <= Limits::GAP, "seed {seed}: {costs:?}");
    }
}

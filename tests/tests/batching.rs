//! Every solver of batching problems against brute force.

use edgeplan_problem::batching::Batching;
use edgeplan_problem::{Cost, Limits, Outcome, Silent, Verdict, solve};
use edgeplan_solvers::{BATCHING, Entry, Guarantee, find_batching};
use edgeplan_tests::{batching_optimum, small_batching};
use rayon::prelude::*;

const SEEDS: std::ops::Range<u64> = 0..1_500;

/// Whether it answered with the optimum; an error where its answer cannot be true.
fn check(entry: &Entry<Batching>, seed: u64, best: Cost) -> Result<bool, String> {
    let instance = small_batching(seed);
    let solver = (entry.make)();
    let outcome: Outcome<_> = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
    let exact = entry.guarantee == Guarantee::Exact;
    let truth = match outcome.verdict {
        Verdict::Unsupported(_) => return Ok(false),
        Verdict::Optimal { cost, .. } => cost == best,
        Verdict::Feasible { cost, lower_bound } => {
            !exact && cost >= best && lower_bound.is_none_or(|bound| bound <= best)
        }
        _ => false,
    };
    let found = outcome.cost() == Some(best);
    if truth { Ok(found) } else { Err(format!("seed {seed}: {:?}, truth {best}", outcome.verdict)) }
}

#[test]
fn every_batching_solver_agrees_with_brute_force() {
    let truths: Vec<(u64, Cost)> =
        SEEDS.into_par_iter().map(|seed| (seed, batching_optimum(&small_batching(seed)))).collect();
    let partial = truths.iter().filter(|&&(seed, best)| {
        let all = small_batching(seed).weight();
        best.0 > 0 && best.0 < all
    });
    let partial = partial.count();
    assert!(partial > SEEDS.count() / 3, "only {partial} choose between requests");
    for entry in BATCHING {
        let results: Vec<Result<bool, String>> =
            truths.par_iter().map(|&(seed, best)| check(entry, seed, best)).collect();
        let errors: Vec<&String> = results.iter().filter_map(|r| r.as_ref().err()).collect();
        assert!(errors.is_empty(), "{}: {} wrong, first: {}", entry.name, errors.len(), errors[0]);
        let found = results.iter().filter(|result| **result == Ok(true)).count();
        println!("{:16} optimal on {found} of {}", entry.name, truths.len());
        assert!(found > 0, "{} finds nothing", entry.name);
    }
}

#[test]
fn every_exact_solver_takes_what_it_is_made_for() {
    for name in ["batch-search", "dftsp", "brute-force", "highs", "cbc"] {
        let entry = find_batching(name).expect("registered");
        let taken = SEEDS.filter(|&seed| {
            let instance = small_batching(seed);
            instance.nodes.len() == 1 && (entry.make)().supports(&instance).is_ok()
        });
        assert!(taken.count() >= 500, "{name}");
    }
}

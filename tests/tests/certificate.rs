//! Certificates of bounds: sound ones are accepted, corrupted ones are not, and whatever a
//! certificate says, the checker never proves more than is true.

use edgeplan_certificate::{Certificate, Rejected, check};
use edgeplan_instances::generate::{Network, Random, Realistic, random, realistic, tight};
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Limits, Run, Silent, solve};
use edgeplan_search::ChainSearch;
use edgeplan_solvers::find;
use edgeplan_tests::{brute_force, small};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

fn certify(instance: &Deployment) -> Certificate {
    let mut silent = Silent;
    let mut run = Run::new(instance, Limits::default(), &mut silent);
    ChainSearch::default().certify(&mut run).expect("no limit is set")
}

fn has_certificate(instance: &Deployment) -> bool {
    instance.models.len() == 1
        && instance.placement == Placement::Contiguous
        && instance.objective != Objective::Bottleneck
}

#[test]
fn the_checker_proves_what_is_claimed_and_never_more_than_is_true() {
    let mut checked = 0;
    for seed in 0..600 {
        let instance = small(seed);
        if !has_certificate(&instance) {
            continue;
        }
        let certificate = certify(&instance);
        let proven = check(&instance, &certificate).expect("a fresh certificate");
        let truth = brute_force(&instance).cost();
        assert!(truth.is_none_or(|cost| proven <= cost), "seed {seed}: {proven} > {truth:?}");
        for mutation in 0..8 {
            let mut spoiled = corrupted(&certificate, seed * 8 + mutation);
            spoiled.lower_bound = Cost::ZERO;
            if let (Ok(proven), Some(cost)) = (check(&instance, &spoiled), truth) {
                assert!(proven <= cost, "seed {seed}, mutation {mutation}: {proven} > {cost}");
            }
        }
        checked += 1;
    }
    assert!(checked > 100, "only {checked}");
}

/// The certificate with some of its numbers drawn anew.
fn corrupted(certificate: &Certificate, seed: u64) -> Certificate {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut spoiled = certificate.clone();
    let devices = spoiled.unit.len();
    spoiled.loss_price = random.random_range(0..1 << 42);
    for price in &mut spoiled.visit_price {
        *price = random.random_range(0..1 << 44);
    }
    for unit in &mut spoiled.unit {
        *unit = random.random_range(1..20);
    }
    for bytes in spoiled.reference.iter_mut().flatten() {
        *bytes = random.random_range(0..20);
    }
    for (own, set) in spoiled.remembered.iter_mut().enumerate() {
        *set = (0..devices).filter(|&other| other != own && random.random_bool(0.5)).collect();
    }
    spoiled
}

fn larger() -> Vec<Deployment> {
    let family = Random { layers: 26, devices: 5, formats: 4, ..Random::default() };
    let plain = random(&family).checked().expect("the generator makes sense");
    let sites = Realistic { network: Network::EdgeSites, devices: 5, ..Realistic::default() };
    let sites = realistic(&sites).expect("the generator makes sense");
    vec![tight(plain.clone(), 110).expect("there is a uniform format"), plain, sites]
}

#[test]
fn larger_bounds_are_proven_and_raised_ones_rejected() {
    for instance in larger() {
        let certificate = certify(&instance);
        let proven = check(&instance, &certificate).expect("a fresh certificate");
        let solver = (find("chain-search").expect("registered").make)();
        let outcome = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
        let cost = outcome.cost().expect("there is a plan");
        assert!(proven <= cost && cost.as_f64() < 1.05 * proven.as_f64(), "{proven}, {cost}");
        let raised = Certificate { lower_bound: Cost(proven.0 + 1), ..certificate.clone() };
        assert!(matches!(check(&instance, &raised), Err(Rejected::Unproven { .. })));
        let mut free = certificate.clone();
        free.visit_price.fill(0);
        free.loss_price = 0;
        assert!(matches!(check(&instance, &free), Err(Rejected::Unproven { .. })));
        let mut short = certificate;
        short.unit.pop();
        assert!(matches!(check(&instance, &short), Err(Rejected::Malformed(_))));
    }
}

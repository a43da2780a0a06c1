//! Certificates of bounds: what the search writes is accepted and proves what it claims, corrupted
//! ones never prove more than is true, and `plan` derives its bounds again.

use edgeplan_certificate::{Certificate, HostCertificate, Rejected, check, check_hosts};
use edgeplan_families::{Hosts, Network, Random, Realistic, hosts, random, realistic, tight};
use edgeplan_files::deployment::read_instance;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Limits, Run, Silent, solve};
use edgeplan_search::{ChainSearch, Climbing, uncertified};
use edgeplan_solvers::find;
use edgeplan_tests::{brute_force, json, refused, run, small, text};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

fn certify(instance: &Deployment, climbing: Climbing) -> Certificate {
    let mut silent = Silent;
    let mut run = Run::new(instance, Limits::default(), &mut silent);
    ChainSearch::default().certify(&mut run, climbing).expect("no limit is set")
}

fn certify_hosts(instance: &Deployment, known: Option<Cost>) -> HostCertificate {
    let mut silent = Silent;
    let mut run = Run::new(instance, Limits::default(), &mut silent);
    ChainSearch::default().certify_hosts(&mut run, known).expect("no limit is set")
}

/// Small instances that have a certificate, over hosts of several devices or not, with the truth
/// about them.
fn certified(
    seeds: std::ops::Range<u64>,
    of_hosts: bool,
) -> impl Iterator<Item = (u64, Deployment, Option<Cost>)> {
    let instances = seeds.map(|seed| (seed, small(seed)));
    let instances = instances.filter(move |(_, instance)| {
        uncertified(instance).is_none() && instance.has_hosts() == of_hosts
    });
    instances.map(|(seed, instance)| {
        let truth = brute_force(&instance).cost();
        (seed, instance, truth)
    })
}

#[test]
fn what_the_search_claims_is_what_its_certificate_proves() {
    let (mut plans, mut tight, mut infeasible) = (0, 0, 0);
    for (seed, instance, truth) in certified(0..4_000, false) {
        for climbing in [Climbing::Thorough, Climbing::Brief(truth)] {
            let certificate = certify(&instance, climbing);
            let proven = check(&instance, &certificate, truth);
            let proven = proven.unwrap_or_else(|rejected| panic!("seed {seed}: {rejected}"));
            match truth {
                Some(_) => {
                    assert_eq!(proven, certificate.lower_bound, "seed {seed}, {climbing:?}");
                    plans += 1;
                    tight += u64::from(Some(proven) == truth);
                }
                None => infeasible += u64::from(proven == Cost::MAX),
            }
        }
    }
    assert!(
        plans > 1_000 && tight > plans / 2 && infeasible > 100,
        "{plans}, {tight}, {infeasible}"
    );
}

#[test]
fn what_is_claimed_of_hosts_is_true_and_one_more_is_refused() {
    let (mut plans, mut positive, mut infeasible) = (0, 0, 0);
    for (seed, instance, truth) in certified(0..8_000, true) {
        for known in [None, truth] {
            let certificate = certify_hosts(&instance, known);
            let claimed = certificate.lower_bound;
            assert_eq!(check_hosts(&instance, &certificate, truth), Ok(claimed), "seed {seed}");
            let Some(cost) = truth else {
                infeasible += u64::from(claimed == Cost::MAX);
                continue;
            };
            plans += 1;
            positive += u64::from(claimed > Cost::ZERO);
            let raised = HostCertificate { lower_bound: Cost(claimed.0 + 1), ..certificate };
            let refused = check_hosts(&instance, &raised, Some(cost));
            assert!(refused.is_err(), "seed {seed}: {refused:?}");
        }
    }
    assert!(plans > 200 && positive > plans / 3, "{plans}, {positive}, {infeasible}");
}

#[test]
fn a_plan_on_hosts_is_derived_again_and_its_certificate_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let [path, plan, bound] = ["instance.json", "plan.json", "bound.json"].map(file);
    let family = Hosts { devices: 3, blocks: 16, ..Hosts::default() };
    let instance = hosts(&family).unwrap();
    std::fs::write(&path, edgeplan_files::deployment::write_instance(&instance)).unwrap();
    let answer = json(&["plan", &path, "--certificate", &bound, "--out", &plan]);
    let [lower, derived, certified] =
        ["lower_bound_ns", "rederived_lower_bound", "certified_lower_bound"]
            .map(|key| answer[key].as_u64().unwrap_or_else(|| panic!("{key}: {answer}")));
    assert!(derived <= lower && certified * 100 > lower * 98, "{answer}");
    let output = run(&["check", &path, &plan, "--certificate", &bound]);
    let told = text(&output.stdout);
    assert!(output.status.success() && told.contains("no plan is below"), "{told}");
    // One nanosecond more is refused, and so is the file as one of paths over devices.
    let written = std::fs::read_to_string(&bound).unwrap();
    let raised = written.replace(&certified.to_string(), &(certified + 1).to_string());
    std::fs::write(&bound, raised).unwrap();
    refused(&["check", &path, &plan, "--certificate", &bound], "its prices prove");
    std::fs::write(&bound, written.replace("\"hosts\"", "\"certificate\"")).unwrap();
    refused(&["check", &path, &plan, "--certificate", &bound], "byte_price");
}

#[test]
fn a_corrupted_certificate_never_proves_more_than_is_true() {
    let (mut corruptions, mut accepted, mut positive) = (0, 0, 0);
    for (seed, instance, truth) in certified(0..1_200, false) {
        let Some(cost) = truth else { continue };
        let certificate = certify(&instance, Climbing::Thorough);
        for mutation in 0..24 {
            let mut spoiled = corrupted(&certificate, seed * 24 + mutation);
            corruptions += 1;
            let proven = check(&instance, &spoiled, None);
            spoiled.lower_bound = Cost(cost.0 + 1);
            let refused = check(&instance, &spoiled, None);
            assert!(refused.is_err(), "seed {seed}, {mutation}: {refused:?} of {cost}");
            if let Ok(proven) = proven {
                assert!(proven <= cost, "seed {seed}, {mutation}: {proven} of {cost}");
                accepted += 1;
                positive += u64::from(proven > Cost::ZERO);
            }
        }
    }
    // Else all were refused for another reason.
    assert!(corruptions > 4_000, "{corruptions}");
    assert!(accepted > corruptions * 9 / 10 && positive > accepted / 4, "{accepted}, {positive}");
}

/// The certificate with one kind of its numbers drawn anew, or all; it claims nothing.
fn corrupted(certificate: &Certificate, seed: u64) -> Certificate {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut spoiled = Certificate { lower_bound: Cost::ZERO, ..certificate.clone() };
    let devices = spoiled.unit.len();
    let kind = seed % 6;
    let wild =
        |random: &mut Pcg64Mcg| random.random_range(0..=u64::MAX) >> random.random_range(0..64);
    if kind == 0 || kind == 5 {
        spoiled.loss_price = wild(&mut random);
    }
    if kind == 1 || kind == 5 {
        spoiled.visit_price.iter_mut().for_each(|price| *price = wild(&mut random) >> 16);
    }
    if kind == 2 || kind == 5 {
        spoiled.unit.iter_mut().for_each(|unit| *unit = random.random_range(1..20));
    }
    if kind == 3 || kind == 5 {
        let references = spoiled.reference.iter_mut().flatten();
        references.for_each(|bytes| *bytes = wild(&mut random));
    }
    if kind == 4 || kind == 5 {
        for (own, set) in spoiled.remembered.iter_mut().enumerate() {
            *set = (0..devices).filter(|&other| other != own && random.random_bool(0.5)).collect();
        }
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
        let certificate = certify(&instance, Climbing::Thorough);
        let proven = check(&instance, &certificate, None).expect("a fresh certificate");
        let solver = (find("chain-search").expect("registered").make)();
        let outcome = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
        let cost = outcome.cost().expect("there is a plan");
        assert!(proven <= cost && cost.as_f64() < 1.05 * proven.as_f64(), "{proven}, {cost}");
        let brief = certify(&instance, Climbing::Brief(Some(cost)));
        let brief = check(&instance, &brief, Some(cost)).expect("a fresh certificate");
        assert!(cost.as_f64() < 1.1 * brief.as_f64(), "{brief}, {cost}");
        let raised = Certificate { lower_bound: Cost(proven.0 + 1), ..certificate.clone() };
        let rejected = check(&instance, &raised, None);
        assert_eq!(rejected, Err(Rejected::Unproven { claimed: Cost(proven.0 + 1), proven }));
        let above = Certificate { lower_bound: Cost(cost.0 + 1), ..certificate.clone() };
        let rejected = check(&instance, &above, Some(cost));
        assert_eq!(rejected, Err(Rejected::AbovePlan { bound: Cost(cost.0 + 1), cost }));
        let mut free = certificate.clone();
        free.visit_price.fill(0);
        free.loss_price = 0;
        assert!(matches!(check(&instance, &free, None), Err(Rejected::Unproven { .. })));
        let mut short = certificate;
        short.unit.pop();
        assert!(matches!(check(&instance, &short, None), Err(Rejected::Malformed(_))));
    }
}

const FOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/found/certificate");

fn found(name: &str) -> String {
    format!("{FOUND}/{name}.json")
}

fn found_json(name: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(found(name)).unwrap()).unwrap()
}

#[test]
fn a_certificate_whose_numbers_wrapped_is_refused() {
    let [instance, plan, forged] = ["i", "p", "forged"].map(found);
    let says = "no plan is below 1000000000000000000, but a feasible plan costs 12802097";
    refused(&["check", &instance, &plan, "--certificate", &forged], says);
    // What it does prove, without knowing of that plan: its steps round all memory away, which
    // costs nothing here.
    let read = std::fs::read_to_string(&instance).unwrap();
    let instance = read_instance("i.json", &read).unwrap();
    let forged = found_json("forged")["certificate"].clone();
    let forged: Certificate = serde_json::from_value(forged).unwrap();
    let claimed = Cost(1_000_000_000_000_000_000);
    let proven = Cost(12_802_097);
    assert_eq!(check(&instance, &forged, None), Err(Rejected::Unproven { claimed, proven }));
}

#[test]
fn a_certificate_that_would_fill_the_memory_is_refused_by_size() {
    let [instance, plan, bomb] = ["big", "bigp", "bomb"].map(found);
    let arguments = ["check", &instance, &plan, "--certificate", &bomb];
    refused(&arguments, "table values; at most 3145728 are allowed for this instance");
    // 400 MB of addresses are enough to say so.
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 400000 && exec \"$0\" \"$@\""])
        .arg(edgeplan_tests::edgeplan())
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(limited.status.code(), Some(2), "{}", text(&limited.stderr));
}

#[test]
fn an_option_of_no_bytes_has_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (instance, plan, bound) = (found("own_rejected"), path("plan.json"), path("bound.json"));
    let answer = json(&["plan", &instance, "--out", &plan, "--certificate", &bound]);
    assert_eq!(answer["cost_ns"], 5);
    assert_eq!(answer["certified_lower_bound"], 5);
    let checked = json(&["check", &instance, &plan, "--certificate", &bound]);
    assert_eq!(checked["certified_lower_bound"], 5);
    assert_eq!(checked["certified_gap"], 0.0);
}

#[test]
fn bounds_are_derived_again_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let instance = edgeplan_tests::generate(folder.path(), "instance.json", "3");
    for solver in ["chain-search", "highs"] {
        let answer = json(&["plan", &instance, "--solver", solver]);
        assert_eq!(answer["verdict"], "optimal");
        let derived = answer["rederived_lower_bound"].as_u64().unwrap();
        let (cost, bound) = (&answer["cost_ns"], &answer["lower_bound_ns"]);
        let (cost, bound) = (cost.as_u64().unwrap(), bound.as_u64().unwrap());
        assert!(derived <= cost && derived > bound * 9 / 10, "{answer}");
        assert!(answer["proof_withdrawn"].is_null(), "{answer}");
        let told = text(&run(&["plan", &instance, "--solver", solver]).stdout);
        assert!(
            told.contains("derived again by the independent checker: no plan is below"),
            "{told}"
        );
    }
}

#[test]
fn an_answer_without_a_certificate_is_still_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("instance.json").display().to_string();
    let bound = folder.path().join("bound.json").display().to_string();
    let has_plan = |instance: &Deployment| {
        instance.has_hosts()
            && uncertified(instance).is_some()
            && brute_force(instance).cost().is_some()
    };
    let hosts = (0..100).map(small).find(has_plan).unwrap();
    std::fs::write(&path, edgeplan_files::deployment::write_instance(&hosts)).unwrap();
    let output = run(&["plan", &path, "--certificate", &bound]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("optimal"), "{told}");
    let reason = uncertified(&hosts).unwrap();
    assert!(told.contains(&format!("no certificate was written: {reason}")), "{told}");
    assert!(told.contains(&format!("alone: {reason}")), "{told}");
    let output = run(&["plan", &path, "--certificate", &bound, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdict"], "optimal");
    assert_eq!(answer["certificate_missing"], reason);
    assert!(!std::path::Path::new(&bound).exists());
}

//! Certificates over configurations, of several models, free placement and bottlenecks: what
//! `joint` writes is accepted and proves nearly all; `plan` writes them and `check` reads them.

use edgeplan_certificate::{Rejected, check_configurations};
use edgeplan_joint::Joint;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Limits, Run, Silent, Solver as _};
use edgeplan_tests::{brute_force, json, refused, run, small, text};

/// What the root's prices prove of plans that cost less than `known`.
fn proven(instance: &Deployment, known: Option<Cost>) -> Result<Cost, Rejected> {
    let mut silent = Silent;
    let mut run = Run::new(instance, Limits::default(), &mut silent);
    let honest = Joint::default().certify(&mut run, known).expect("it is supported");
    check_configurations(instance, &honest, None)
}

#[test]
fn prices_prove_no_more_than_is_true_and_mostly_nearly_all() {
    let (mut shares, mut tight, mut infeasible) = (Vec::new(), 0, 0);
    for seed in 0..3_000 {
        let instance = small(seed);
        if instance.has_hosts() || Joint::default().supports(&instance).is_err() {
            continue;
        }
        let truth = brute_force(&instance).cost();
        let bound = proven(&instance, truth).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        match truth {
            Some(cost) => {
                assert!(bound <= cost, "seed {seed}: {bound} of {cost}");
                shares.push(bound.as_f64() / cost.as_f64().max(1.0));
                tight += usize::from(bound == cost);
            }
            None => infeasible += usize::from(bound == Cost::MAX),
        }
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(shares.len() > 1_000 && mean > 0.85, "{} instances, {mean}", shares.len());
    assert!(tight > shares.len() / 4 && infeasible > 50, "{tight}, {infeasible}");
}

/// A question's arguments, and the key of its cost.
const QUESTIONS: [(&[&str], &str); 4] = [
    (&["--objective", "bottleneck"], "cost_ns"),
    (&["--free"], "cost_ns"),
    (&["--free", "--objective", "memory"], "cost_bytes"),
    (&["--free", "--objective", "bottleneck"], "cost_ns"),
];

#[test]
fn plans_of_shared_devices_and_bottlenecks_have_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (instance, plan, bound) = (path("i.json"), path("p.json"), path("b.json"));
    for (arguments, key) in QUESTIONS {
        let size = ["--layers", "6", "--devices", "3", "--formats", "2", "--out", &instance];
        assert!(run(&[&["generate"], arguments, &size[..]].concat()).status.success());
        let answer = json(&["plan", &instance, "--out", &plan, "--certificate", &bound]);
        let cost = answer[key].as_u64().unwrap();
        assert_eq!(answer["verdict"], "optimal", "{arguments:?}");
        let certified = answer["certified_lower_bound"].as_u64().unwrap();
        assert!(certified <= cost && certified > cost * 8 / 10, "{arguments:?}: {certified}");
        let derived = answer["rederived_lower_bound"].as_u64().unwrap();
        assert!(derived <= cost && derived > cost * 8 / 10, "{arguments:?}: {derived}");
        let checked = json(&["check", &instance, &plan, "--certificate", &bound]);
        assert_eq!(checked["certified_lower_bound"], certified);
        let told = text(&run(&["check", &instance, &plan, "--certificate", &bound]).stdout);
        assert!(told.contains("certified: no plan is below"), "{told}");
        // A claim above what the prices prove is refused.
        let file = std::fs::read_to_string(&bound).unwrap();
        let mut file: serde_json::Value = serde_json::from_str(&file).unwrap();
        assert!(file["certificate"].is_null());
        file["configurations"]["lower_bound"] = (cost + 1).into();
        std::fs::write(&bound, file.to_string()).unwrap();
        let arguments = ["check", &instance, &plan, "--certificate", &bound];
        refused(&arguments, "a feasible plan costs");
        file["configurations"].as_object_mut().unwrap().remove("unit");
        std::fs::write(&bound, file.to_string()).unwrap();
        refused(&arguments, "unit");
        let both = file.as_object_mut().unwrap();
        both.remove("configurations");
        std::fs::write(&bound, file.to_string()).unwrap();
        refused(&arguments, "`configurations`");
    }
}

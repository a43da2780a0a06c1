//! Proofs that were false, and plans that were not found: each input with what is true of it.

use std::path::PathBuf;
use std::time::Duration;

use edgeplan_files::deployment::read_instance;
use edgeplan_problem::deployment::{Deployment, Objective, Plan};
use edgeplan_problem::{Limits, Nanos, Outcome, Silent, Verdict, solve};
use edgeplan_solvers::{DEPLOYMENT, Guarantee, find};
use edgeplan_tests::{run, text};

fn path(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/found/proof");
    folder.join(name).display().to_string()
}

fn read(name: &str) -> Deployment {
    let file = path(name);
    let text = std::fs::read_to_string(&file).expect("the file is there");
    read_instance(&file, &text).expect("an instance")
}

/// What each exact solver that takes the question says of it.
fn answers(instance: &Deployment) -> Vec<(&'static str, Outcome<Plan>)> {
    let exact = DEPLOYMENT.iter().filter(|entry| entry.guarantee == Guarantee::Exact);
    let limits = Limits { time: Some(Duration::from_secs(20)), gap: 0.0, ..Limits::default() };
    let answer = |solver: &dyn edgeplan_problem::Solver<Deployment>| {
        solve(instance, solver, limits, &mut Silent)
    };
    let answers = exact.map(|entry| (entry.name, answer((entry.make)().as_ref())));
    answers.filter(|(_, o)| !matches!(o.verdict, Verdict::Unsupported(_))).collect()
}

#[test]
fn layers_without_bytes_on_a_device_without_memory() {
    all_prove("small_827.json", 1);
    all_prove("small_360.json", 3);
}

#[test]
fn what_presolve_calls_infeasible_has_a_plan() {
    all_prove("denied_by_presolve.json", 4);
}

fn all_prove(name: &str, least: u64) {
    let answers = answers(&read(name));
    assert!(answers.len() >= 3, "{name}: {} exact solvers", answers.len());
    for (solver, outcome) in answers {
        let cost = outcome.cost().map(|cost| cost.0);
        assert!(matches!(outcome.verdict, Verdict::Optimal { .. }), "{name}, {solver}");
        assert_eq!(cost, Some(least), "{name}, {solver}");
    }
}

#[test]
fn free_placement_where_nothing_may_be_lost() {
    let answers = answers(&read("crash_small.json"));
    assert!(answers.len() >= 3, "{} exact solvers", answers.len());
    for (solver, outcome) in answers {
        assert_eq!(outcome.verdict, Verdict::Infeasible, "{solver}");
    }
}

#[test]
fn the_fastest_plan_is_a_plan_where_latency_is_limited() {
    let instance = read("memory-with-latency-max.json");
    let search = (find("chain-search").expect("registered").make)();
    let limits = Limits { time: Some(Duration::from_secs(30)), gap: 1e-4, ..Limits::default() };
    let outcome = solve(&instance, search.as_ref(), limits, &mut Silent);
    assert!(outcome.plan.is_some() && outcome.cost().is_some(), "{:?}", outcome.verdict);
}

#[test]
fn a_limit_that_not_even_the_best_plan_meets_is_a_proof() {
    let family = edgeplan_families::Random { layers: 8, devices: 4, ..Default::default() };
    let instance = edgeplan_families::random(&family);
    let instance = instance.checked().expect("the generator makes sense");
    let search = (find("chain-search").expect("registered").make)();
    for objective in [Objective::Latency, Objective::Bottleneck] {
        let question = Deployment { objective, ..instance.clone() };
        let least = solve(&question, search.as_ref(), Limits::default(), &mut Silent);
        let least = least.cost().expect("a plan").0;
        for other in [Objective::Latency, Objective::Bottleneck, Objective::Memory] {
            for (limit, possible) in [(least - 1, false), (least, true)] {
                let mut question = Deployment { objective: other, ..instance.clone() };
                match objective {
                    Objective::Latency => question.latency_max = Some(Nanos(limit)),
                    _ => question.bottleneck_max = Some(Nanos(limit)),
                }
                let limits = Limits { gap: 0.0, ..Limits::default() };
                let outcome = solve(&question, search.as_ref(), limits, &mut Silent);
                let what = format!("{objective:?} at most {limit}, {other:?} least");
                match possible {
                    true => assert!(outcome.cost().is_some(), "{what}: {:?}", outcome.verdict),
                    false => assert_eq!(outcome.verdict, Verdict::Infeasible, "{what}"),
                }
            }
        }
    }
}

#[test]
fn sums_that_are_not_exact_are_refused_by_name() {
    let mut instance = read("small_827.json");
    instance.models[0].layers[0].options[0].compute[0] = Some(Nanos(1 << 51));
    let instance = instance.checked().expect("the format allows that");
    let search = (find("chain-search").expect("registered").make)();
    let outcome = solve(&instance, search.as_ref(), Limits::default(), &mut Silent);
    let Verdict::Unsupported(reason) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(reason.to_string().contains("2^50 nanoseconds"), "{reason}");
}

#[test]
fn the_command_line_prints_what_is_true() {
    let output = run(&["plan", &path("small_827.json")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("optimal: 1 ns"), "{}", text(&output.stdout));
    let output = run(&["plan", &path("crash_small.json")]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("infeasible"), "{}", text(&output.stdout));
}

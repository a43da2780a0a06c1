//! Two models on five devices, which a price on memory alone leaves 59 % apart.

use edgeplan_families::reductions::{Question, Reduction, Wanted};
use edgeplan_files::deployment::read_instance;
use edgeplan_joint::Joint;
use edgeplan_problem::{Cost, Limits, Silent, Verdict, solve};

const TEXT: &str = include_str!("data/multi2-rand-12x5-120-s31.json");

#[test]
fn two_models_that_share_devices_are_proven() {
    let question = read_instance("multi2", TEXT).expect("an instance");
    let limits = Limits { steps: Some(20_000), gap: 1e-4, ..Limits::default() };
    let outcome = solve(&question, &Joint::default(), limits, &mut Silent);
    let Verdict::Optimal { cost, .. } = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    // Two other formulations prove this cost (units of the file).
    assert_eq!(cost, Cost(42_684_097));
}

#[test]
fn memory_for_nothing_is_infeasible() {
    let mut question = read_instance("multi2", TEXT).expect("an instance");
    question.devices.iter_mut().for_each(|device| device.memory = edgeplan_problem::Bytes(1));
    let outcome = solve(&question, &Joint::default(), Limits::default(), &mut Silent);
    assert_eq!(outcome.verdict, Verdict::Infeasible);
}

#[test]
fn out_of_steps_is_an_answer_with_a_bound() {
    let question = read_instance("multi2", TEXT).expect("an instance");
    let limits = Limits { steps: Some(60), ..Limits::default() };
    let outcome = solve(&question, &Joint::default(), limits, &mut Silent);
    assert!(outcome.lower_bound().is_some_and(|bound| bound <= Cost(42_684_097)));
}

/// Sizes of 22 bits beside a budget: HiGHS gives up on the master, and the search goes on.
#[test]
fn a_master_without_an_optimum_ends_nothing() {
    let partition = Reduction::Partition { items: 24, bits: 22, wanted: Wanted::Open, seed: 1 };
    let drawn = partition.draw().expect("it makes sense").question;
    let Question::Deployment(question) = drawn else { panic!("a partition is a deployment") };
    let limits = Limits { steps: Some(1_000_000), gap: 1e-6, ..Limits::default() };
    let outcome = solve(&question, &Joint::default(), limits, &mut Silent);
    assert!(matches!(outcome.verdict, Verdict::Optimal { .. }), "{:?}", outcome.verdict);
}

/// A coefficient of days over a limit of nothing is more than HiGHS takes: agreement, seed 518181.
#[test]
fn an_option_that_alone_breaks_a_limit_is_left_out() {
    let text = include_str!("data/latency-limit-of-zero.json");
    let question = read_instance("latency-limit-of-zero", text).expect("an instance");
    let outcome = solve(&question, &Joint::default(), Limits::default(), &mut Silent);
    let optimal = Verdict::Optimal { cost: Cost(0), lower_bound: Cost(0) };
    assert_eq!(outcome.verdict, optimal);
}

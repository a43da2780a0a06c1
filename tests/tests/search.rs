//! What the chain search owes besides being right: determinism, and an honest answer within limits.

use edgeplan_families::{Network, Random, Realistic, random, realistic, tight};
use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Limits, Outcome, Silent, Stop, gap, solve};
use edgeplan_search::ChainSearch;
use edgeplan_solvers::find;

fn questions() -> Vec<Deployment> {
    let family = Random { layers: 26, devices: 8, formats: 6, ..Random::default() };
    let of = |objective, placement| {
        random(&Random { objective, placement, ..family }).checked().expect("it makes sense")
    };
    let home = Realistic { network: Network::HomeLab, devices: 6, ..Realistic::default() };
    let home = tight(realistic(&home).expect("it makes sense"), 120).expect("a uniform format");
    vec![
        of(Objective::Latency, Placement::Contiguous),
        of(Objective::Latency, Placement::Free),
        of(Objective::Bottleneck, Placement::Contiguous),
        of(Objective::Memory, Placement::Contiguous),
        home,
    ]
}

#[test]
fn the_same_steps_give_the_same_plan_and_the_same_work() {
    for instance in questions() {
        let run = || {
            let limits = Limits { steps: Some(30_000), gap: 1e-4, ..Limits::default() };
            solve(&instance, &ChainSearch::default(), limits, &mut Silent)
        };
        let (first, second) = (run(), run());
        assert_eq!(first.plan, second.plan, "{}", instance.name);
        assert_eq!(first.work, second.work, "{}", instance.name);
        assert_eq!(first.verdict, second.verdict, "{}", instance.name);
    }
}

#[test]
fn with_little_memory_the_bound_still_holds() {
    for instance in questions() {
        let limits = Limits { steps: Some(200_000), gap: 1e-4, ..Limits::default() };
        let roomy = solve(&instance, &ChainSearch::default(), limits, &mut Silent);
        let small = ChainSearch { labels_max: 200, table_max: 50_000, ..ChainSearch::default() };
        let cramped = solve(&instance, &small, limits, &mut Silent);
        let told = |outcome: &Outcome<Plan>| match (outcome.cost(), outcome.lower_bound()) {
            (Some(cost), Some(bound)) => (cost, bound),
            _ => panic!("{}: {:?}", instance.name, outcome.verdict),
        };
        let (roomy, cramped) = (told(&roomy), told(&cramped));
        let best = roomy.0.min(cramped.0);
        assert!(roomy.1 <= best && cramped.1 <= best, "{}: {roomy:?}, {cramped:?}", instance.name);
        // Neither bound is idle: with little memory it is weaker, and yet most of the truth.
        let weak = if instance.placement == Placement::Free { 0.2 } else { 0.05 };
        assert!(gap(best, roomy.1) < weak, "{}: {roomy:?}", instance.name);
        assert!(gap(best, cramped.1) < 0.5, "{}: {cramped:?}", instance.name);
    }
}

#[test]
fn out_of_steps_is_an_answer_with_a_bound() {
    let instance = &questions()[4];
    let limits = Limits { steps: Some(3_000), ..Limits::default() };
    let search = (find("chain-search").expect("registered").make)();
    let outcome = solve(instance, search.as_ref(), limits, &mut Silent);
    assert_eq!(outcome.stopped, Some(Stop::Steps));
    assert!(outcome.lower_bound().is_some() && outcome.cost().is_some(), "{:?}", outcome.verdict);
}

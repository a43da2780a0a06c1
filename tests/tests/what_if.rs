//! The smallest fix of an infeasible question, and what more of a limit is worth.

use std::convert::Infallible;

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Bytes, Limits, Silent, solve};
use edgeplan_solvers::find;
use edgeplan_tests::{Optimum, brute_force, small};
use edgeplan_what_if::{
    Fix, Limit, Reason, fixes, joint_fix, looser_quality, more_memory, reason, slacks, worth,
};

fn solver() -> edgeplan_solvers::DeploymentSolver {
    (find("highs").expect("registered").make)()
}

/// The first small question that has a plan.
fn feasible() -> Deployment {
    let mut questions = (0..).map(small);
    questions.find(|q| brute_force(q) != Optimum::Infeasible).expect("most have one")
}

#[test]
fn every_fix_makes_a_plan_possible_and_is_nearly_the_smallest() {
    let (mut fixed, mut tight) = (0, 0);
    for seed in 0..200 {
        let instance = small(seed);
        if brute_force(&instance) != Optimum::Infeasible {
            continue;
        }
        for fix in fixes(&instance, solver().as_ref(), Limits::default()) {
            assert_eq!(fix.limit.value(&instance), Some(fix.from));
            let repaired = fix.limit.set(&instance, fix.to);
            assert_ne!(brute_force(&repaired), Optimum::Infeasible, "seed {seed}: {fix:?}");
            // Small numbers: the search ends within one unit of the truth.
            let below = fix.limit.set(&instance, fix.to.saturating_sub(2));
            fixed += 1;
            tight += usize::from(brute_force(&below) == Optimum::Infeasible);
        }
    }
    assert!(fixed > 50, "only {fixed} fixes");
    assert!(tight * 10 >= fixed * 9, "only {tight} of {fixed} are the smallest");
}

#[test]
fn where_no_single_limit_is_to_blame_several_are() {
    let (mut blamed, mut repaired) = (0, 0);
    for seed in 0..400 {
        let instance = small(seed);
        let nothing = || fixes(&instance, solver().as_ref(), Limits::default()).is_empty();
        if brute_force(&instance) != Optimum::Infeasible || !nothing() {
            continue;
        }
        blamed += 1;
        let joint = joint_fix(&instance, solver().as_ref(), Limits::default());
        if joint.is_empty() {
            let lift = |question: Deployment, limit: Limit| limit.lift(&question);
            let free = Limit::all(&instance).into_iter().fold(instance.clone(), lift);
            assert_eq!(brute_force(&free), Optimum::Infeasible, "seed {seed}");
            continue;
        }
        assert!(joint.len() > 1, "seed {seed}: {joint:?}");
        let changed = |question, fix: &Fix| fix.limit.set(&question, fix.to);
        let changed = joint.iter().fold(instance.clone(), changed);
        assert_ne!(brute_force(&changed), Optimum::Infeasible, "seed {seed}: {joint:?}");
        repaired += 1;
    }
    assert!(repaired > 5 && blamed > repaired, "{repaired} of {blamed}");
}

#[test]
fn a_model_that_is_too_large_is_so_without_a_solver() {
    let mut instance = feasible();
    instance.models[0].layers[0].options.iter_mut().for_each(|each| each.bytes = Bytes(1 << 40));
    let none = Limits { time: Some(std::time::Duration::ZERO), ..Limits::default() };
    let found = reason(&instance, solver().as_ref(), none);
    assert!(
        matches!(found, Reason::Memory { needed, .. } if needed >= Bytes(1 << 40)),
        "{found:?}"
    );
}

#[test]
fn too_little_memory_is_the_reason() {
    let mut instance = feasible();
    for device in &mut instance.devices {
        device.memory = Bytes(1);
    }
    let found = reason(&instance, solver().as_ref(), Limits::default());
    let Reason::Memory { needed, available } = found else { panic!("{found:?}") };
    assert_eq!(available, Bytes(instance.devices.len() as u64));
    assert!(needed > available);
}

#[test]
fn more_is_never_worse_and_never_better_than_its_bound() {
    let mut compared = 0;
    for seed in 0..60 {
        let instance = small(seed);
        let Optimum::Cost(cost, plan) = brute_force(&instance) else { continue };
        let changes: Vec<_> = more_memory(&instance).chain(looser_quality(&instance)).collect();
        let truths: Vec<_> = changes.iter().map(|c| brute_force(&c.instance).cost()).collect();
        let (count, changes) = (changes.len(), changes.into_iter().map(Ok::<_, Infallible>));
        let worths = worth(count, changes, solver().as_ref(), Limits::default()).unwrap();
        assert_eq!(worths.len(), truths.len(), "seed {seed}");
        compared += truths.len();
        for (found, truth) in worths.iter().zip(truths) {
            assert_eq!(found.cost, truth, "seed {seed}: {}", found.name);
            let (least, most) = found.saving(cost);
            assert!(most.is_none_or(|most| least <= most));
        }
        for slack in slacks(&instance, &plan) {
            assert!(slack.used <= slack.allowed, "seed {seed}: {slack:?}");
        }
    }
    assert!(compared > 60, "only {compared} changes");
}

#[test]
fn a_feasible_question_needs_nothing() {
    let instance = feasible();
    let outcome = solve(&instance, solver().as_ref(), Limits::default(), &mut Silent);
    assert_eq!(outcome.cost(), brute_force(&instance).cost());
    let fixes = fixes(&instance, solver().as_ref(), Limits::default());
    assert_eq!(fixes, [], "what is feasible needs no fix");
    assert!(Limit::all(&instance).len() >= instance.devices.len());
}

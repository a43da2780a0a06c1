//! Answers that are false on purpose, and what detects them.

use edgeplan_problem::deployment::Plan;
use edgeplan_problem::{Contradiction, Cost, Outcome, Verdict};
use edgeplan_solvers::{Effort, second_opinion};
use edgeplan_tests::{Optimum, brute_force, generate, json, varied};

fn claim(verdict: Verdict, plan: Option<Plan>) -> Outcome<Plan> {
    let (elapsed, work) = Default::default();
    Outcome { verdict, plan, elapsed, stopped: None, work }
}

#[test]
fn a_false_claim_is_noticed_and_a_true_one_agreed_with() {
    let mut feasible = 0;
    for seed in 0..400 {
        let instance = varied(seed);
        let doubted = |mut outcome: Outcome<Plan>| {
            let asked = ("first", &mut outcome);
            let opinion = second_opinion(&instance, asked, Effort::INSTANT);
            (outcome.verdict, opinion.map(|opinion| (opinion.by, opinion.outcome.verdict)))
        };
        let denied = doubted(claim(Verdict::Infeasible, None));
        let Optimum::Cost(best, plan) = brute_force(&instance) else {
            let agreed = Some(("enumeration", Verdict::Infeasible));
            assert_eq!(denied, (Verdict::Infeasible, agreed), "seed {seed}");
            continue;
        };
        feasible += 1;
        let by = || "enumeration".to_owned();
        let denial = Contradiction::NotInfeasible { cost: best, by: by() };
        assert_eq!(denied.0, Verdict::Wrong(denial), "seed {seed}");
        let bound = Cost(best.0 + 1);
        let (verdict, _) = doubted(claim(Verdict::Unknown { lower_bound: Some(bound) }, None));
        let above = Contradiction::BoundAboveCost { bound, cost: best, by: by() };
        assert_eq!(verdict, Verdict::Wrong(above), "seed {seed}");
        let truth = Verdict::Optimal { cost: best, lower_bound: best };
        let agreed = doubted(claim(truth.clone(), Some(plan.clone())));
        assert_eq!(agreed, (truth.clone(), Some(("enumeration", truth))), "seed {seed}");
        // A plan without a claim is priced by `evaluate()`: there is nothing to doubt.
        let plain = Verdict::Feasible { cost: best, lower_bound: None };
        assert_eq!(doubted(claim(plain.clone(), Some(plan))), (plain, None), "seed {seed}");
    }
    assert!((100..390).contains(&feasible), "{feasible} have a plan");
}

#[test]
fn whoever_asks_twice_is_told_who_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let answer = json(&["plan", &instance, "--double-check"]);
    assert_eq!(answer["verdict"], "optimal");
    let second = &answer["second_opinion"];
    assert_eq!((&second["solver"], &second["verdict"]), (&"enumeration".into(), &"optimal".into()));
    assert!(second["cost_ns"].as_u64() <= answer["cost_ns"].as_u64(), "{answer}");
    assert!(second["cost_ns"].as_u64() >= answer["lower_bound_ns"].as_u64(), "{answer}");
}

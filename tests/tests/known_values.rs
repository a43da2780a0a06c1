//! Figures that papers report: EdgeShard's case, computed again.

use edgeplan_instances::known::{EdgeShard, edgeshard, known};
use edgeplan_instances::workload::Returns;
use edgeplan_problem::deployment::{Deployment, Objective};
use edgeplan_problem::{Cost, Limits, Nanos, Outcome, Silent, Verdict, solve};
use edgeplan_solvers::{DEPLOYMENT, Guarantee, find};

type Answer = Outcome<edgeplan_problem::deployment::Plan>;

fn answer(instance: &Deployment, solver: &str) -> Answer {
    let solver = (find(solver).expect("registered").make)();
    solve(instance, solver.as_ref(), Limits::default(), &mut Silent)
}

fn case(agx: usize, nx: usize, returns: Returns, objective: Objective) -> Deployment {
    edgeshard(EdgeShard { agx, nx, returns }, objective).expect("embedded")
}

/// (device, first layer, last layer) of each run.
fn runs(answer: &Answer) -> Vec<(u16, usize, usize)> {
    let plan = answer.plan.as_ref().expect("a plan");
    plan.segments(0).iter().map(|run| (run.device.0, run.first, run.last)).collect()
}

#[test]
fn the_latency_plan_is_the_known_optimum() {
    let instance = case(4, 1, Returns::Logits, Objective::Latency);
    for entry in DEPLOYMENT.iter().filter(|entry| entry.guarantee == Guarantee::Exact) {
        let found = answer(&instance, entry.name);
        let Verdict::Optimal { cost, .. } = found.verdict else {
            panic!("{}: {found:?}", entry.name)
        };
        assert!(cost.0.abs_diff(72_530_000) <= 100_000, "{}: {cost}", entry.name);
    }
    let found = answer(&instance, "chain-exact");
    assert_eq!(runs(&found), [(0, 0, 0), (1, 1, 1), (5, 2, 30), (2, 31, 33)]);
    let published = answer(&instance, "edgeshard-latency");
    assert!(published.cost() >= found.cost(), "{published:?}");
}

#[test]
fn the_baselines_are_as_published() {
    let instance = case(4, 1, Returns::Token, Objective::Latency);
    let even = answer(&instance, "cloud-edge-even");
    assert_eq!(runs(&even), [(0, 0, 16), (5, 17, 33)]);
    assert!(even.cost().unwrap().0.abs_diff(230_500_000) <= 100_000, "{even:?}");
    // The slow link makes every cut dearer than staying at home.
    let opt = answer(&instance, "cloud-edge-opt");
    assert_eq!(runs(&opt), [(0, 0, 33)]);
    assert_eq!(opt.cost(), Some(Cost(173_973_000)));
    assert_eq!(answer(&instance, "edge-solo").cost(), opt.cost());
}

#[test]
fn sets_and_count_vectors_agree() {
    let instance = case(4, 1, Returns::Logits, Objective::Bottleneck);
    let counted = answer(&instance, "chain-exact");
    assert!(matches!(counted.verdict, Verdict::Optimal { .. }), "{counted:?}");
    assert_eq!(counted.verdict, answer(&instance, "edgeshard-throughput").verdict);
}

#[test]
fn fifteen_devices_are_three_classes() {
    let found = answer(&case(12, 2, Returns::Logits, Objective::Bottleneck), "chain-exact");
    // Logits at 50 Mbit/s take 20.48 ms unless the last layer is on the source, which the first is.
    assert!(matches!(found.verdict, Verdict::Optimal { cost: Cost(20_480_000), .. }), "{found:?}");
}

#[test]
fn every_known_value_is_computed_again() {
    let cases = known().expect("embedded");
    for case in &cases {
        let cost = answer(&case.instance, &case.solver).cost();
        assert!(cost.is_some(), "{}", case.what);
    }
    assert_eq!(cases[0].published, Nanos(75_880_000));
}

//! What `evaluate` charges, on an instance small enough to check by hand.

use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan, Violation, mixes,
};
use edgeplan_problem::{Bytes, Cost, Loss, Nanos, Problem, Verdict};

/// Two devices, three layers; embedding and head share a tensor of 4 bytes.
fn tiny() -> Deployment {
    let device = |name: &str, memory| Device {
        host: None,
        name: name.into(),
        memory: Bytes(memory),
        overhead: Bytes(1),
        compute_max: None,
        traffic_max: None,
    };
    let option = |recipe: &str, bytes, loss, times: [u64; 2]| LayerOption {
        recipe: recipe.into(),
        bytes: Bytes(bytes),
        shared: None,
        loss: Loss(loss),
        compute: times.map(|time| Some(Nanos(time))).to_vec(),
    };
    let layer = |name: &str, options| Layer {
        joined: false,
        role: name.into(),
        options,
        kv: Bytes(1),
        pin: None,
        output: 0,
    };
    let message = |bytes, there, back| Message {
        bytes: Bytes(bytes),
        time: vec![Some(Nanos(0)), Some(Nanos(there)), Some(Nanos(back)), Some(Nanos(0))],
    };
    let tied = |mut option: LayerOption| {
        option.shared = Some(0);
        option
    };
    Deployment {
        hosts: Vec::new(),
        name: "tiny".into(),
        objective: Objective::Latency,
        placement: Placement::Contiguous,
        source: DeviceId(0),
        devices: vec![device("a", 20), device("b", 100)],
        models: vec![Model {
            name: "m".into(),
            weight: 1,
            layers: vec![
                layer("embedding", vec![tied(option("big", 0, 0, [1, 1]))]),
                layer("block", vec![option("big", 10, 0, [8, 2]), option("small", 5, 3, [4, 1])]),
                layer("head", vec![tied(option("big", 1, 0, [6, 3]))]),
            ],
            loss_max: Some(Loss(3)),
            activation: Bytes(2),
            shared: vec![Bytes(4)],
            messages: vec![message(10, 5, 7), message(1, 2, 3)],
            enter: 1,
            leave: 1,
        }],
        latency_max: None,
        bottleneck_max: None,
    }
    .checked()
    .unwrap()
}

fn plan(choices: [(u16, u16); 3]) -> Plan {
    let assignment =
        |(device, option)| Assignment { device: DeviceId(device), option: OptionId(option) };
    Plan::single(choices.map(assignment).to_vec())
}

#[test]
fn latency_is_compute_plus_hops_plus_return() {
    let evaluation = tiny().evaluate(&plan([(0, 0), (1, 1), (1, 0)]));
    assert!(evaluation.is_feasible());
    // 1 on a, hop 5, 1 + 3 on b, return 3
    assert_eq!(evaluation.cost, Cost(13));
    let bill = &evaluation.account.models[0];
    assert_eq!((bill.enter, bill.leave), (Nanos(0), Nanos(3)));
    assert_eq!(bill.loss_by_layer, [Loss(0), Loss(3), Loss(0)]);
    assert_eq!(bill.stages.len(), 2);
}

#[test]
fn a_tied_tensor_is_stored_once_per_device() {
    let instance = tiny();
    let apart = instance.evaluate(&plan([(0, 0), (1, 1), (1, 0)]));
    let weights = |device: usize| apart.account.devices[device].weights;
    assert_eq!((weights(0), weights(1)), (Bytes(4), Bytes(5 + 1 + 4)));
    let together = instance.evaluate(&plan([(0, 0), (0, 1), (0, 0)]));
    let bill = together.account.devices[0];
    assert_eq!(bill.weights, Bytes(4 + 5 + 1));
    assert_eq!(bill.memory(), Bytes(10 + 3 + 2 + 1)); // + kv + activations + overhead
    assert_eq!(together.account.devices[1].memory(), Bytes(0));
}

#[test]
fn the_bottleneck_is_the_busiest_device_or_sender() {
    let mut instance = tiny();
    instance.objective = Objective::Bottleneck;
    assert_eq!(instance.evaluate(&plan([(0, 0), (1, 1), (1, 0)])).cost, Cost(5));
    assert_eq!(instance.evaluate(&plan([(1, 0), (1, 0), (1, 0)])).cost, Cost(6));
}

#[test]
fn memory_counts_every_used_device() {
    let mut instance = tiny();
    instance.objective = Objective::Memory;
    let cost = instance.evaluate(&plan([(0, 0), (1, 1), (1, 0)])).cost;
    assert_eq!(cost, Cost((4 + 1 + 2 + 1) + (5 + 1 + 4 + 2 + 2 + 1)));
}

#[test]
fn a_second_visit_is_a_violation_only_when_contiguous() {
    let mut instance = tiny();
    let zigzag = plan([(0, 0), (1, 1), (0, 0)]);
    assert!(matches!(instance.evaluate(&zigzag).violations[..], [Violation::Split { .. }]));
    instance.placement = Placement::Free;
    assert!(instance.evaluate(&zigzag).is_feasible());
}

#[test]
fn budgets_bind_exactly() {
    let mut instance = tiny();
    let all_a = plan([(0, 0), (0, 1), (0, 0)]); // 16 bytes, loss 3
    instance.devices[0].memory = Bytes(16);
    assert!(instance.evaluate(&all_a).is_feasible());
    instance.devices[0].memory = Bytes(15);
    assert!(matches!(instance.evaluate(&all_a).violations[..], [Violation::Memory { .. }]));
    instance.devices[0].memory = Bytes(16);
    instance.models[0].loss_max = Some(Loss(2));
    assert!(matches!(instance.evaluate(&all_a).violations[..], [Violation::Quality { .. }]));
    instance.models[0].loss_max = None;
    instance.devices[0].compute_max = Some(Nanos(10));
    assert!(matches!(instance.evaluate(&all_a).violations[..], [Violation::Compute { .. }]));
    instance.devices[0].compute_max = Some(Nanos(11));
    instance.latency_max = Some(Nanos(11));
    instance.bottleneck_max = Some(Nanos(11));
    assert!(instance.evaluate(&all_a).is_feasible());
    instance.latency_max = Some(Nanos(10));
    instance.bottleneck_max = Some(Nanos(10));
    assert!(matches!(
        instance.evaluate(&all_a).violations[..],
        [Violation::Latency { .. }, Violation::Bottleneck { .. }]
    ));
    let away = plan([(1, 0), (1, 1), (1, 0)]);
    instance.devices[0].traffic_max = Some(Bytes(0));
    assert!(matches!(instance.evaluate(&away).violations[..], [Violation::Traffic { .. }]));
}

#[test]
fn a_plan_of_another_shape_is_refused_not_priced() {
    let evaluation = tiny().evaluate(&Plan::single(vec![]));
    assert!(matches!(evaluation.violations[..], [Violation::Shape(_)]));
    let evaluation = tiny().evaluate(&plan([(9, 0), (0, 0), (0, 0)]));
    assert!(matches!(evaluation.violations[..], [Violation::Shape(_)]));
}

#[test]
fn mixes_stay_within_the_quality_budget() {
    let mut instance = tiny();
    assert_eq!(mixes(&instance, 0, 9).len(), 2);
    instance.models[0].loss_max = Some(Loss(2));
    assert_eq!(mixes(&instance, 0, 9), vec![vec![OptionId(0); 3]]);
}

#[test]
fn an_instance_that_makes_no_sense_is_refused() {
    let refuse = |change: fn(&mut Deployment), text: &str| {
        let mut instance = tiny();
        change(&mut instance);
        let error = instance.checked().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refuse(|i| i.devices.clear(), "0 devices");
    refuse(|i| i.models[0].layers.clear(), "no layers");
    refuse(|i| i.devices[1].name = "a".into(), "two devices are called a");
    refuse(|i| i.source = DeviceId(7), "source");
    refuse(|i| i.models[0].messages[0].time[0] = Some(Nanos(1)), "a transfers to itself");
    refuse(|i| i.models[0].layers[1].options.clear(), "0 options");
    refuse(|i| i.models[0].layers[0].options[0].compute[0] = Some(Nanos::MAX), "2^62");
}

/// A solver that claims whatever it is told to.
struct Claims(edgeplan_problem::Answer<Plan>);

impl edgeplan_problem::Solver<Deployment> for Claims {
    fn solve(
        &self,
        _run: &mut edgeplan_problem::Run<'_, Deployment>,
    ) -> Result<edgeplan_problem::Answer<Plan>, edgeplan_problem::SolverError> {
        Ok(self.0.clone())
    }
}

fn verdict(answer: edgeplan_problem::Answer<Plan>) -> Verdict {
    let limits = edgeplan_problem::Limits::default();
    edgeplan_problem::solve(&tiny(), &Claims(answer), limits, &mut edgeplan_problem::Silent).verdict
}

#[test]
fn verdicts_are_derived() {
    use edgeplan_problem::Answer;
    let good = plan([(0, 0), (1, 1), (1, 0)]);
    let claim = |bound| Answer::Plan { plan: good.clone(), lower_bound: bound };
    let cost = Cost(13);
    assert_eq!(verdict(claim(None)), Verdict::Feasible { cost, lower_bound: None });
    assert_eq!(verdict(claim(Some(cost))), Verdict::Optimal { cost, lower_bound: cost });
    assert!(matches!(verdict(claim(Some(Cost(14)))), Verdict::Wrong(_)));
    let split = plan([(0, 0), (1, 1), (0, 0)]);
    let answer = Answer::Plan { plan: split, lower_bound: None };
    assert!(matches!(verdict(answer), Verdict::Wrong(_)));
}

#[test]
fn a_bound_above_another_plan_is_wrong() {
    use edgeplan_problem::{Outcome, reconcile};
    let outcome = |verdict| Outcome::<Plan> {
        verdict,
        plan: None,
        elapsed: Default::default(),
        stopped: None,
        work: Default::default(),
    };
    let mut outcomes = [
        ("liar", outcome(Verdict::Optimal { cost: Cost(14), lower_bound: Cost(14) })),
        ("denier", outcome(Verdict::Infeasible)),
        ("honest", outcome(Verdict::Feasible { cost: Cost(13), lower_bound: None })),
    ];
    reconcile(&mut outcomes);
    assert!(matches!(outcomes[0].1.verdict, Verdict::Wrong(_)));
    assert!(matches!(outcomes[1].1.verdict, Verdict::Wrong(_)));
    assert!(matches!(outcomes[2].1.verdict, Verdict::Feasible { .. }));
}

#[test]
fn an_answer_that_does_not_hold_is_not_shown() {
    use edgeplan_problem::{Contradiction, Outcome, confirm};
    let good = plan([(0, 0), (1, 1), (1, 0)]);
    let split = plan([(0, 0), (1, 1), (0, 0)]);
    let confirmed = |verdict: Verdict, plan: Option<&Plan>| {
        let (plan, elapsed, work) = (plan.cloned(), Default::default(), Default::default());
        let mut outcome = Outcome { verdict, plan, elapsed, stopped: None, work };
        confirm(&tiny(), &mut outcome);
        outcome
    };
    let feasible = |cost, bound: Option<u64>| Verdict::Feasible {
        cost: Cost(cost),
        lower_bound: bound.map(Cost),
    };
    let holds = confirmed(feasible(13, Some(12)), Some(&good));
    assert_eq!((holds.verdict, holds.plan), (feasible(13, Some(12)), Some(good.clone())));
    assert_eq!(confirmed(Verdict::Infeasible, None).verdict, Verdict::Infeasible);
    let why = |verdict: Verdict, plan: Option<&Plan>| match confirmed(verdict, plan).verdict {
        Verdict::Wrong(why) => why,
        verdict => panic!("{verdict:?}"),
    };
    let (claimed, cost) = (Some(Cost(12)), Cost(13));
    assert_eq!(why(feasible(12, None), Some(&good)), Contradiction::OtherCost { claimed, cost });
    let silent = Verdict::Unknown { lower_bound: None };
    assert_eq!(why(silent, Some(&good)), Contradiction::OtherCost { claimed: None, cost });
    assert_eq!(why(feasible(13, None), None), Contradiction::NoPlan { cost });
    let by = || "its own plan".to_owned();
    let above = Contradiction::BoundAboveCost { bound: Cost(14), cost, by: by() };
    assert_eq!(why(feasible(13, Some(14)), Some(&good)), above);
    let denied = Contradiction::NotInfeasible { cost, by: by() };
    assert_eq!(why(Verdict::Infeasible, Some(&good)), denied);
    let broken = confirmed(feasible(13, None), Some(&split));
    assert!(matches!(broken.verdict, Verdict::Wrong(Contradiction::InfeasiblePlan(_))));
    assert_eq!(broken.plan, None);
}

#[test]
fn options_of_a_layer_have_names_of_their_own() {
    let mut twice = tiny();
    twice.models[0].layers[1].options[1].recipe = "big".into();
    let error = twice.checked().expect_err("a plan file could not say which is meant");
    assert_eq!(error.to_string(), "model m: layer block: two options are called big");
}

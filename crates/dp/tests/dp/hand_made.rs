//! Instances whose optimum is plain to see.

use edgeplan_dp::{ChainExact, EdgeShardLatency, EdgeShardThroughput};
use edgeplan_problem::deployment::{Deployment, DeviceId, Objective, Placement};
use edgeplan_problem::{Bytes, Cost, Nanos, Solver, Verdict};

use crate::support::{deployment, device, layer, message, outcome, runs};

/// Four layers of 10 bytes; a slow source with room for two and a fast helper with room for three,
/// 5 ns away.
fn two_devices(objective: Objective) -> Deployment {
    let devices = vec![device("slow".into(), 20), device("fast".into(), 30)];
    let layers = (0..4).map(|index| layer(format!("{index}"), 10, &[Some(100), Some(10)]));
    deployment(objective, devices, layers.collect(), vec![message(2, 7, |_, _| Some(5))])
}

fn optimal(cost: u64) -> Verdict {
    Verdict::Optimal { cost: Cost(cost), lower_bound: Cost(cost) }
}

#[test]
fn one_layer_stays_home() {
    // 100 + 5 + 30 + 5, or the mirror image: 5 + 30 + 5 + 100
    let problem = two_devices(Objective::Latency);
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(140));
    let found = outcome(&problem, &EdgeShardLatency::default());
    assert_eq!(found.verdict, Verdict::Feasible { cost: Cost(140), lower_bound: None });
    let problem = two_devices(Objective::Bottleneck);
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(100));
    assert_eq!(outcome(&problem, &EdgeShardThroughput::default()).verdict, optimal(100));
}

#[test]
fn fewest_bytes_use_one_device() {
    let mut problem = two_devices(Objective::Memory);
    problem.devices[0].overhead = Bytes(3);
    problem.devices[1].memory = Bytes(50);
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(40));
    problem.models[0].layers[0].pin = Some(DeviceId(0));
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(43));
}

#[test]
fn a_tied_tensor_is_stored_once() {
    let mut problem = two_devices(Objective::Memory);
    problem.models[0].shared = vec![Bytes(8)];
    for layer in [0, 3] {
        problem.models[0].layers[layer].options[0].shared = Some(0);
        problem.models[0].layers[layer].options[0].bytes = Bytes(2);
    }
    problem.devices[1].memory = Bytes(32); // 2 + 10 + 10 + 2 + 8
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(32));
    problem.objective = Objective::Latency;
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(50));
    assert_eq!(outcome(&problem, &EdgeShardLatency::default()).cost(), Some(Cost(50)));
    problem.devices[1].memory = Bytes(31);
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(140));
}

#[test]
fn an_overhead_too_many_is_infeasible() {
    let mut problem = two_devices(Objective::Latency);
    problem.devices[0].overhead = Bytes(11);
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, Verdict::Infeasible);
    let found = outcome(&problem, &EdgeShardLatency::default());
    assert_eq!(found.verdict, Verdict::Unknown { lower_bound: None });
    problem.objective = Objective::Bottleneck;
    assert_eq!(outcome(&problem, &EdgeShardThroughput::default()).verdict, Verdict::Infeasible);
    problem.placement = Placement::Free;
    let found = outcome(&problem, &ChainExact::default());
    assert_eq!(found.verdict, Verdict::Unknown { lower_bound: None });
}

#[test]
fn free_placement_may_return() {
    // Layer 1 is fast elsewhere, layers 0 and 2 at home.
    let devices = vec![device("home".into(), 100), device("away".into(), 100)];
    let times = [[Some(1), Some(50)], [Some(50), Some(1)], [Some(1), Some(50)]];
    let layers = times.iter().enumerate().map(|(i, t)| layer(format!("{i}"), 10, t)).collect();
    let messages = vec![message(2, 7, |_, _| Some(1))];
    let mut problem = deployment(Objective::Latency, devices, layers, messages);
    problem.placement = Placement::Free;
    let found = outcome(&problem, &EdgeShardLatency::default());
    assert_eq!(found.cost(), Some(Cost(5)));
    assert_eq!(runs(&found.plan.unwrap()), [(0, 0, 0), (1, 1, 1), (0, 2, 2)]);
    let found = outcome(&problem, &ChainExact::default());
    assert_eq!(found.verdict, Verdict::Feasible { cost: Cost(52), lower_bound: None });
    // Home was left on the way through away, so only the path that stayed may end there.
    problem.placement = Placement::Contiguous;
    assert_eq!(outcome(&problem, &EdgeShardLatency::default()).cost(), Some(Cost(52)));
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, optimal(52));
}

#[test]
fn a_latency_limit_on_the_bottleneck() {
    // Sharing halves the cycle and adds two hops.
    let devices = (0..3).map(|index| device(format!("{index}"), 100)).collect();
    let layers = (0..6).map(|index| layer(format!("{index}"), 10, &[Some(10); 3])).collect();
    let messages = vec![message(3, 7, |_, _| Some(5))];
    let mut problem = deployment(Objective::Bottleneck, devices, layers, messages);
    for (limit, cycle) in [(75, 20), (74, 30), (70, 30), (69, 60), (60, 60)] {
        problem.latency_max = Some(Nanos(limit));
        let found = outcome(&problem, &ChainExact::default());
        assert_eq!(found.verdict, optimal(cycle), "at most {limit}");
    }
    problem.latency_max = Some(Nanos(59));
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, Verdict::Infeasible);
}

#[test]
fn what_is_too_large_is_refused() {
    let devices = (0..40).map(|index| device(format!("{index}"), 100 + index)).collect();
    let layers = (0..4).map(|index| layer(format!("{index}"), 10, &[Some(10); 40])).collect();
    let messages = vec![message(40, 7, |_, _| Some(5))];
    let mut problem = deployment(Objective::Bottleneck, devices, layers, messages);
    assert!(ChainExact::default().supports(&problem).unwrap_err().0.contains("states"));
    assert!(EdgeShardThroughput::default().supports(&problem).unwrap_err().0.contains("2^40"));
    assert!(EdgeShardLatency::default().supports(&problem).is_err());
    problem.models.push(problem.models[0].clone());
    assert!(ChainExact::default().supports(&problem).unwrap_err().0.contains("one model"));
}

#[test]
fn no_choice_of_options_means_a_quality_proof() {
    let mut problem = two_devices(Objective::Latency);
    problem.models[0].loss_max = Some(edgeplan_problem::Loss(3));
    for layer in &mut problem.models[0].layers {
        layer.options[0].loss = edgeplan_problem::Loss(1);
    }
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, Verdict::Infeasible);
}

#[test]
fn several_options_are_tried_without_a_bound() {
    let mut problem = two_devices(Objective::Latency);
    for layer in &mut problem.models[0].layers {
        let mut small = layer.options[0].clone();
        small.recipe = "q4".into();
        small.bytes = Bytes(5);
        small.loss = edgeplan_problem::Loss(1);
        layer.options.push(small);
    }
    let expected = Verdict::Feasible { cost: Cost(50), lower_bound: None };
    assert_eq!(outcome(&problem, &ChainExact::default()).verdict, expected);
    assert_eq!(outcome(&problem, &EdgeShardLatency::default()).verdict, expected);
}

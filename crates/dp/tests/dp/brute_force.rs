//! Every placement of small random instances, priced by `evaluate` alone.

use edgeplan_dp::{ChainExact, EdgeShardLatency, EdgeShardThroughput};
use edgeplan_problem::deployment::{Deployment, DeviceId, Objective, Placement};
use edgeplan_problem::{Bytes, Cost, Nanos, Verdict};

use crate::support::{deployment, device, layer, message, outcome};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// Small numbers, so that ties, free hops and tight budgets are common; kinds of devices, so that
/// some are identical.
fn instance(seed: u64, objective: Objective) -> Deployment {
    let mut random = Random(seed);
    let count = 1 + random.below(4) as usize;
    let kinds: Vec<usize> = (0..count).map(|_| random.below(3) as usize).collect();
    let memory: Vec<u64> = (0..3).map(|_| random.below(16)).collect();
    let devices = (0..count).map(|d| device(format!("{d}"), memory[kinds[d]])).collect();
    let layers = (0..1 + random.below(5)).map(|index| {
        let time: Vec<Option<u64>> =
            (0..3).map(|_| if random.one_in(12) { None } else { Some(random.below(10)) }).collect();
        let compute: Vec<Option<u64>> = kinds.iter().map(|&kind| time[kind]).collect();
        layer(format!("{index}"), random.below(6), &compute)
    });
    let layers = layers.collect();
    let messages = (0..3).map(|_| {
        let times: Vec<Option<u64>> =
            (0..9).map(|_| if random.one_in(15) { None } else { Some(random.below(6)) }).collect();
        let odd = random.one_in(3); // one pair of devices that differs from its kind
        let bytes = random.below(4);
        message(count, bytes, |from, to| match (odd, from, to) {
            (true, 0, 1) => Some(1),
            _ => times[kinds[from] * 3 + kinds[to]],
        })
    });
    let messages = messages.collect();
    let mut problem = deployment(objective, devices, layers, messages);
    decorate(&mut problem, &mut random);
    problem.checked().unwrap()
}

/// Source, weight, pins, shared tensors, working memory.
fn decorate(problem: &mut Deployment, random: &mut Random) {
    let devices = problem.devices.len() as u64;
    problem.source = DeviceId(random.below(devices) as u16);
    let overhead = random.below(2);
    for device in &mut problem.devices {
        device.overhead = Bytes(overhead);
    }
    let model = &mut problem.models[0];
    (model.weight, model.enter, model.leave) = (1 + random.below(2) as u32, 1, 2);
    model.activation = Bytes(random.below(2));
    model.shared = vec![Bytes(random.below(4))];
    for layer in &mut model.layers {
        layer.output = random.below(2) as usize;
        layer.kv = Bytes(random.below(2));
        if random.one_in(4) {
            layer.options[0].shared = Some(0);
        }
        if random.one_in(12) {
            layer.pin = Some(DeviceId(random.below(devices) as u16));
        }
    }
}

/// Budgets and limits.
fn restrict(problem: &mut Deployment, seed: u64) {
    let mut random = Random(!seed);
    for device in &mut problem.devices {
        if random.one_in(3) {
            device.compute_max = Some(Nanos(random.below(40)));
        }
        if random.one_in(3) {
            device.traffic_max = Some(Bytes(random.below(10)));
        }
    }
    if random.one_in(2) {
        problem.latency_max = Some(Nanos(random.below(40)));
    }
    if random.one_in(2) {
        problem.bottleneck_max = Some(Nanos(5 + random.below(40)));
    }
}

/// The least cost of a feasible plan.
fn optimum(problem: &Deployment) -> Option<Cost> {
    problem.brute_force().map(|(cost, _)| cost)
}

fn proven(optimum: Option<Cost>) -> Verdict {
    optimum.map_or(Verdict::Infeasible, |cost| Verdict::Optimal { cost, lower_bound: cost })
}

const OBJECTIVES: [Objective; 3] = [Objective::Latency, Objective::Bottleneck, Objective::Memory];

#[test]
fn the_exact_program_is_exact() {
    let mut feasible = 0;
    for (seed, objective) in (0..600).flat_map(|seed| OBJECTIVES.map(|o| (seed, o))) {
        let problem = instance(seed, objective);
        let optimum = optimum(&problem);
        feasible += u32::from(optimum.is_some());
        let found = outcome(&problem, &ChainExact::default());
        assert_eq!(found.verdict, proven(optimum), "seed {seed}: {problem:#?}");
    }
    assert!((400..1400).contains(&feasible), "{feasible} of 1800 feasible");
}

#[test]
fn the_exact_program_honours_budgets_and_limits() {
    let (mut feasible, mut infeasible) = (0, 0);
    for (seed, objective) in (0..800).flat_map(|seed| OBJECTIVES.map(|o| (seed, o))) {
        let mut problem = instance(seed, objective);
        restrict(&mut problem, seed);
        let optimum = optimum(&problem);
        *(if optimum.is_some() { &mut feasible } else { &mut infeasible }) += 1;
        let found = outcome(&problem, &ChainExact::default());
        if objective == Objective::Memory && problem.latency_max.is_some() {
            // Only a bound, see there.
            assert_eq!(found.cost().is_some(), optimum.is_some(), "seed {seed}");
            assert!(optimum.is_none() || found.lower_bound() <= optimum, "seed {seed}");
            continue;
        }
        assert_eq!(found.verdict, proven(optimum), "seed {seed}: {problem:#?}");
    }
    assert!(feasible > 200 && infeasible > 200, "{feasible} feasible, {infeasible} infeasible");
}

#[test]
fn the_throughput_program_is_exact_on_one_option() {
    for seed in 0..800 {
        let mut problem = instance(seed, Objective::Bottleneck);
        let found = outcome(&problem, &EdgeShardThroughput::default());
        assert_eq!(found.verdict, proven(optimum(&problem)), "seed {seed}: {problem:#?}");
        restrict(&mut problem, seed);
        problem.latency_max = None;
        let found = outcome(&problem, &EdgeShardThroughput::default());
        assert_eq!(found.verdict, proven(optimum(&problem)), "seed {seed}: {problem:#?}");
    }
}

#[test]
fn the_latency_program_is_never_better_and_never_infeasible() {
    let (mut found_none, mut worse) = (0, 0);
    for (seed, restricted) in (0..600).flat_map(|seed| [(seed, false), (seed, true)]) {
        for placement in [Placement::Contiguous, Placement::Free] {
            let mut problem = instance(seed, Objective::Latency);
            problem.placement = placement;
            if restricted {
                restrict(&mut problem, seed);
            }
            let optimum = optimum(&problem);
            match outcome(&problem, &EdgeShardLatency::default()).verdict {
                Verdict::Feasible { cost, lower_bound: None } => {
                    assert!(optimum.is_some_and(|best| best <= cost), "seed {seed}");
                    worse += u32::from(optimum != Some(cost));
                }
                Verdict::Unknown { lower_bound: None } => {
                    found_none += u32::from(optimum.is_some())
                }
                verdict => panic!("seed {seed}: {verdict:?}"),
            }
        }
    }
    assert!(found_none > 0 && worse > 0, "a heuristic: {found_none} missed, {worse} worse");
}

#[test]
fn free_placement_gives_valid_plans_without_a_bound() {
    for (seed, objective) in (0..200).flat_map(|seed| OBJECTIVES.map(|o| (seed, o))) {
        let mut problem = instance(seed, objective);
        problem.placement = Placement::Free;
        if problem.devices.len() == 1 {
            continue;
        }
        let optimum = optimum(&problem);
        match outcome(&problem, &ChainExact::default()).verdict {
            Verdict::Feasible { cost, lower_bound: None } => assert!(Some(cost) >= optimum),
            Verdict::Unknown { lower_bound: None } => {}
            // A layer that runs nowhere is proof under any placement.
            Verdict::Infeasible => assert_eq!(optimum, None, "seed {seed}"),
            verdict => panic!("seed {seed}: {verdict:?}"),
        }
    }
}

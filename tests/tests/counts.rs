//! Hosts by counts of layers: against brute force, with ties and with memories that are just full.

use edgeplan_families::{Hosts, hosts};
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Bytes, Cost, Limits, Loss, Nanos, Silent, Verdict, solve};
use edgeplan_solvers::find;

/// Questions that are small enough to try everything.
fn small(seed: u64) -> Deployment {
    let (count, devices, blocks) = [(1, 2, 2), (1, 3, 1), (2, 2, 1), (1, 2, 3)][seed as usize % 4];
    let formats = if blocks == 3 { 1 } else { 2 };
    let spread_percent = if seed.is_multiple_of(3) { 0 } else { 50 };
    // Two machines hold a block only where their cards hold much.
    let memory_percent = if count == 2 { 400 } else { 40 + 30 * (seed % 5) };
    let family =
        Hosts { hosts: count, devices, blocks, formats, memory_percent, spread_percent, seed };
    hosts(&family).expect("its parameters are in range")
}

/// The same with what makes searches err: no losses, no hops, no times, memory that is just full.
fn degenerate(seed: u64) -> Deployment {
    let mut instance = small(seed);
    let plan = instance.brute_force().map(|(_, plan)| plan);
    let model = &mut instance.models[0];
    let options = model.layers.iter_mut().flat_map(|layer| &mut layer.options);
    match seed / 4 % 4 {
        0 => options.for_each(|option| option.loss = Loss(0)),
        1 => model.messages.iter_mut().for_each(|message| {
            message.time.iter_mut().flatten().for_each(|time| *time = Nanos(0));
        }),
        2 => options.for_each(|option| {
            option.compute.iter_mut().flatten().for_each(|time| *time = Nanos(0));
        }),
        _ => {
            let used = plan.map(|plan| instance.evaluate_devices(&plan));
            for (device, bytes) in used.into_iter().flatten().enumerate() {
                instance.devices[device].memory = bytes;
            }
        }
    }
    instance
}

/// Bytes that a plan uses by device.
trait Used {
    fn evaluate_devices(&self, plan: &edgeplan_problem::deployment::Plan) -> Vec<Bytes>;
}

impl Used for Deployment {
    fn evaluate_devices(&self, plan: &edgeplan_problem::deployment::Plan) -> Vec<Bytes> {
        use edgeplan_problem::Problem as _;
        self.evaluate(plan).account.devices.iter().map(|device| device.memory()).collect()
    }
}

/// What a solver proves; its plan and bound are never better than the best plan.
fn ask(solver: &str, instance: &Deployment, best: Option<Cost>) -> bool {
    let limits = Limits { gap: 1e-5, ..Limits::default() };
    let solver = (find(solver).expect("it is registered").make)();
    let found = solve(instance, solver.as_ref(), limits, &mut Silent);
    assert!(
        !matches!(found.verdict, Verdict::Wrong(_) | Verdict::Failed(_)),
        "{:?}",
        found.verdict
    );
    let bound = found.lower_bound();
    assert!(best.is_none() || bound <= best, "{}: {bound:?} above {best:?}", instance.name);
    assert!(found.cost().is_none() || found.cost() >= best, "{}", instance.name);
    match found.verdict {
        Verdict::Optimal { .. } => true,
        Verdict::Infeasible => {
            assert_eq!(best, None, "{}", instance.name);
            true
        }
        _ => false,
    }
}

#[test]
fn counts_never_claim_more_than_brute_force_and_mostly_prove_it() {
    let (mut proven, mut feasible) = (0, 0);
    for seed in 0..48 {
        for instance in [small(seed), degenerate(seed)] {
            let best = instance.brute_force().map(|(cost, _)| cost);
            proven += usize::from(ask("counts", &instance, best) && best.is_some());
            feasible += usize::from(best.is_some());
        }
    }
    assert!(feasible > 60 && proven * 10 > feasible * 8, "{proven} of {feasible}");
}

#[test]
fn what_suits_hosts_proves_them() {
    for seed in 0..24 {
        let instance = degenerate(seed);
        let best = instance.brute_force().map(|(cost, _)| cost);
        let suits = if instance.devices.len() > 3 { "portfolio" } else { "chain-search" };
        assert_eq!(edgeplan_solvers::suited(&instance).name, suits);
        assert!(ask("portfolio", &instance, best), "seed {seed}");
    }
}

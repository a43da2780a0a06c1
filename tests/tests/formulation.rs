//! The integer program of deployments: nothing is cut off that is a plan, and its relaxation is as
//! strong as it was.

use std::ops::ControlFlow;

use edgeplan_families::{Network, Random, Realistic, random, realistic, several, tight};
use edgeplan_ilp::{Formulated, Formulation as _, Layout};
use edgeplan_mip::{Engine as _, Highs, Reply, Request, Status};
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_tests::{Optimum, brute_force, small};
use rayon::prelude::*;

fn stated(instance: &Deployment) -> Formulated<Layout> {
    instance.formulate(usize::MAX).expect("no limit")
}

fn answer(formulated: &Formulated<Layout>, relax: bool) -> Reply {
    let request = Request { relax, ..Request::default() };
    let mut watch = |_: edgeplan_mip::Progress<'_>| ControlFlow::Continue(());
    Highs.solve(&formulated.program, &request, &mut watch).expect("HiGHS answers")
}

/// The same question with every limit just met by that plan: its optimum stays what it is.
fn to_the_brim(mut instance: Deployment, plan: &Plan) -> Deployment {
    let account = instance.evaluate(plan).account;
    for (device, used) in instance.devices.iter_mut().zip(&account.devices) {
        device.memory = used.memory();
        device.compute_max = Some(used.compute);
        device.traffic_max = Some(used.sent);
    }
    for (model, used) in instance.models.iter_mut().zip(&account.models) {
        model.loss_max = Some(used.loss);
    }
    let longest = account.models.iter().map(|model| model.latency).max();
    instance.latency_max = longest;
    instance.bottleneck_max = Some(account.bottleneck);
    instance.checked().expect("smaller limits than those of a sound question")
}

/// Whether the program has the plan as a point, at the plan's cost.
fn has(instance: &Deployment, plan: &Plan) -> Result<(), String> {
    let formulated = stated(instance);
    let cost = instance.evaluate(plan).cost.as_f64();
    let point = instance.encode(&formulated, plan).ok_or("is no point of its program")?;
    if !formulated.program.accepts(&point, 1e-6) {
        return Err("is cut off".into());
    }
    let stated = formulated.program.objective(&point) * formulated.scale;
    // A bottleneck is stated as that of the plan; a memory of equal options may be smaller.
    let same = (stated - cost).abs() <= 1e-6 * cost.max(1.0);
    if same || stated < cost { Ok(()) } else { Err(format!("costs {cost}, stated as {stated}")) }
}

/// Whether HiGHS's optimum is that of brute force.
fn agrees(instance: &Deployment, truth: &Optimum) -> Result<(), String> {
    let formulated = stated(instance);
    let reply = answer(&formulated, false);
    let cost = match (reply.status, truth.cost()) {
        (Status::Infeasible, None) => return Ok(()),
        (Status::Optimal, Some(cost)) => cost,
        (status, cost) => return Err(format!("HiGHS says {status:?}, brute force {cost:?}")),
    };
    let values = reply.values.ok_or("no vector")?;
    let plan = instance.decode(&formulated, &values).ok_or("no plan")?;
    let evaluation = instance.evaluate(&plan);
    let bound = formulated.lower_bound(reply.bound.ok_or("no bound")?);
    if evaluation.is_feasible() && evaluation.cost == cost && bound <= cost {
        return Ok(());
    }
    Err(format!("{cost:?} is best, not {:?} above {bound:?}", evaluation.cost))
}

/// What is wrong with the program of that seed's question, and of the same question with every
/// limit met exactly.
fn wrong(seed: u64, check: impl Fn(&Deployment, &Optimum) -> Result<(), String>) -> Option<String> {
    let instance = small(seed);
    let truth = brute_force(&instance);
    let complain = |what: &str, error: String| format!("seed {seed}, {what}: {error}");
    if let Err(error) = check(&instance, &truth) {
        return Some(complain("as drawn", error));
    }
    let Optimum::Cost(_, plan) = &truth else { return None };
    let full = to_the_brim(instance, plan);
    check(&full, &truth).err().map(|error| complain("with every limit met", error))
}

#[test]
fn every_optimum_is_a_point_of_its_program() {
    let check = |instance: &Deployment, truth: &Optimum| match truth {
        Optimum::Cost(_, plan) => has(instance, plan),
        Optimum::Infeasible => Ok(()),
    };
    let errors: Vec<String> =
        (20_000..23_000u64).into_par_iter().filter_map(|seed| wrong(seed, check)).collect();
    assert!(errors.is_empty(), "{} errors, first:\n{}", errors.len(), errors[0]);
}

#[test]
fn the_optimum_of_the_program_is_that_of_brute_force() {
    let errors: Vec<String> =
        (30_000..30_600u64).into_par_iter().filter_map(|seed| wrong(seed, agrees)).collect();
    assert!(errors.is_empty(), "{} errors, first:\n{}", errors.len(), errors[0]);
}

/// A question of a seeded family and what its relaxation is worth, in units of the cost.
struct Known {
    instance: Deployment,
    bound: f64,
}

fn drawn(family: Random, models: usize, bound: f64) -> Known {
    let instance = match models {
        1 => random(&family),
        _ => several(&family, models),
    };
    Known { instance, bound }
}

fn built(network: Network, family: Realistic, percent: u64, bound: f64) -> Known {
    let family = Realistic { network, recipes: family.formats, ..family };
    let instance = realistic(&family).expect("in range");
    Known { instance: tight(instance, percent).expect("a format fits"), bound }
}

/// Each objective and placement, one model and several.
fn known() -> Vec<Known> {
    let (latency, bottleneck) = (Objective::Latency, Objective::Bottleneck);
    let ten = Random { devices: 10, formats: 6, ..Random::default() };
    let five = Random { formats: 6, placement: Placement::Free, ..Random::default() };
    let busy = Random { objective: bottleneck, ..Random::default() };
    let lean =
        Random { objective: Objective::Memory, placement: Placement::Free, ..Random::default() };
    let pair = Random { layers: 10, devices: 4, ..Random::default() };
    let four = Realistic { devices: 4, ..Realistic::default() };
    let six = Realistic { devices: 6, ..Realistic::default() };
    let mistral = Realistic { model: "catalog:mistral-7b-v0.3".into(), ..six.clone() };
    let sites = Realistic { placement: Placement::Free, ..six };
    let eight = Realistic { devices: 8, objective: Objective::Memory, ..Realistic::default() };
    let quick = Realistic { objective: bottleneck, ..four.clone() };
    let both = |objective, placement| Random { objective, placement, ..pair };
    vec![
        drawn(ten, 1, 34_644_260.0),
        built(Network::HomeLab, four, 105, 5_512_921_000.0),
        built(Network::Classes(3), mistral, 143, 3_020_774_000.0),
        drawn(five, 1, 20_770_090.0),
        built(Network::EdgeSites, sites, 143, 13_546_450_000.0),
        drawn(busy, 1, 3_678_133.0),
        drawn(Random { placement: Placement::Free, ..busy }, 1, 3_678_132.0),
        built(Network::HomeLab, quick, 143, 1_235_665_000.0),
        built(Network::HomeLab, eight, 143, 6_044_017_000.0),
        drawn(lean, 1, 3_406_563_000.0),
        drawn(both(latency, Placement::Contiguous), 2, 31_493_180.0),
        drawn(both(latency, Placement::Free), 2, 31_241_220.0),
        drawn(both(bottleneck, Placement::Contiguous), 2, 6_319_952.0),
        drawn(both(bottleneck, Placement::Free), 2, 6_319_709.0),
        drawn(both(Objective::Memory, Placement::Contiguous), 2, 2_695_000_000.0),
    ]
}

/// A row that is lost, or stated more weakly, shows here. Better bounds belong into the table.
#[test]
fn relaxations_are_as_strong_as_they_were() {
    let fallen: Vec<String> = known()
        .into_par_iter()
        .filter_map(|Known { instance, bound }| {
            let formulated = stated(&instance);
            let reply = answer(&formulated, true);
            let found = reply.bound.unwrap_or_default() * formulated.scale;
            let change = (found - bound) / bound;
            // Six digits are written down.
            let same = change.abs() < 1e-6;
            (!same).then(|| {
                let Deployment { name, objective, placement, .. } = &instance;
                format!("{name} {objective:?} {placement:?}: {found:.0}, was {bound:.0}")
            })
        })
        .collect();
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

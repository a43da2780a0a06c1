//! Questions that are small enough for brute force, and random prices and mixtures for them.

use std::convert::Infallible;

use edgeplan_families::{Random, several};
use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Bytes, Nanos, Problem as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use rustc_hash::FxHashMap;

use crate::configuration::{Configuration, Held};
use crate::domain::Domain;
use crate::master::Mixture;
use crate::paths::Arc;
use crate::prices::Prices;
use crate::propagate::devices;
use crate::question::Question;

const OBJECTIVES: [Objective; 3] = [Objective::Latency, Objective::Memory, Objective::Bottleneck];

/// One or two models on two or three devices: both placements, all objectives, tight and roomy
/// memory; half of them with overheads, activations and a shared tensor, a third with limits on
/// compute time.
pub(crate) fn questions() -> Vec<Deployment> {
    let mut questions = Vec::new();
    for seed in 0..6 {
        for placement in [Placement::Contiguous, Placement::Free] {
            for objective in OBJECTIVES {
                questions.push(question(seed, placement, objective));
            }
        }
    }
    questions
}

fn question(seed: u64, placement: Placement, objective: Objective) -> Deployment {
    let (layers, devices, models) = [(4, 2, 1), (2, 3, 2), (2, 2, 2)][seed as usize % 3];
    let memory_percent = [143, 200, 286][seed as usize / 2];
    let family = Random { layers, devices, formats: 2, memory_percent, objective, placement, seed };
    let mut question = several(&family, models);
    if seed % 2 == 1 {
        let unit = question.devices[0].memory.0 / 20;
        question.devices.iter_mut().for_each(|device| device.overhead = Bytes(unit));
        for model in &mut question.models {
            model.activation = Bytes(unit / 2);
            model.shared = vec![Bytes(unit)];
            let options = model.layers.iter_mut().map(|layer| &mut layer.options[0]);
            options.for_each(|option| option.shared = Some(0));
        }
    }
    if seed.is_multiple_of(3) {
        let options = question.models.iter().flat_map(|model| &model.layers);
        let times = options.flat_map(|layer| layer.options[0].compute.iter().flatten());
        let most = times.map(|time| time.0).max().unwrap_or(0);
        question.devices[1].compute_max = Some(Nanos(2 * most));
    }
    question.checked().expect("the question makes sense")
}

/// Every plan that keeps all limits.
pub(crate) fn feasible_plans(deployment: &Deployment) -> Vec<Plan> {
    let mut plans = Vec::new();
    let visited = deployment.try_each_plan::<Infallible>(&mut |plan| {
        if deployment.evaluate(plan).is_feasible() {
            plans.push(plan.clone());
        }
        Ok(())
    });
    visited.expect("nothing stops it");
    plans
}

/// Everything that a device may hold within its memory, and at least one layer.
pub(crate) fn configurations(question: &Question<'_>, device: usize) -> Vec<Configuration> {
    let mut all = vec![Configuration { device, held: Vec::new(), sends: Vec::new() }];
    for slot in 0..question.slots() {
        let place = question.place(slot, device);
        for before in 0..all.len() {
            for choice in 0..question.choices[place].len() {
                let mut next = all[before].clone();
                next.held.push(Held { slot: slot as u32, choice: choice as u16 });
                all.push(next);
            }
        }
    }
    let room = question.deployment.devices[device].memory.0;
    let is_one_run = |configuration: &Configuration| {
        let runs = configuration.runs(question);
        let mut models: Vec<usize> = runs.iter().map(|run| question.model_of[run.start]).collect();
        models.dedup();
        models.len() == runs.len()
    };
    all.retain(|one| {
        !one.held.is_empty()
            && one.taken(question).bytes <= room
            && (is_one_run(one) || !question.is_contiguous())
    });
    all
}

/// Prices of the size of costs, some of them negative.
pub(crate) fn prices(question: &Question<'_>, seed: u64) -> Prices {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut prices = Prices::zero(question);
    let most = ((question.cost_max / question.slots() as u64) << question.shift) as i64;
    let most = most.min(question.price_max);
    for price in prices.begin.iter_mut().chain(&mut prices.end) {
        *price = random.random_range(-most..=most / 2);
    }
    // Of every other seed options have prices, too.
    prices.by_options = seed.is_multiple_of(2);
    for price in prices.options.iter_mut().filter(|_| seed.is_multiple_of(2)) {
        *price = random.random_range(-most / 4..=most / 4);
    }
    for (price, model) in prices.loss.iter_mut().zip(&question.deployment.models) {
        let budget = model.loss_max.map_or(0, |loss| loss.0).max(1);
        let whole = (most as u128) << crate::prices::FRACTION;
        let unit = u64::try_from(whole / u128::from(budget)).unwrap_or(u64::MAX >> 8);
        *price = random.random_range(0..=unit);
    }
    if question.deployment.objective == Objective::Bottleneck {
        let one = 1u64 << (question.shift + crate::prices::FRACTION);
        for price in prices.compute.iter_mut().chain(&mut prices.sending) {
            *price = random.random_range(0..=one / 3);
        }
        // Of two seeds of three devices send.
        prices.routed = !seed.is_multiple_of(3);
        if prices.routed {
            prices.end.fill(0);
        }
    }
    prices.share_one(question);
    prices
}

/// These configurations with everything that their device may send, and, of the source, nothing
/// held beside.
pub(crate) fn sending(
    question: &Question<'_>,
    device: usize,
    configurations: Vec<Configuration>,
) -> Vec<Configuration> {
    let is_source = device == question.deployment.source.index();
    let others = || (0..question.devices).filter(move |&to| to != device);
    let mut all = configurations;
    if is_source {
        all.push(Configuration { device, held: Vec::new(), sends: Vec::new() });
        for model in 0..question.models() {
            let enters = (0..question.devices).map(|device| Arc::Enter { model, device });
            all = with_each(&all, &enters.collect::<Vec<_>>());
        }
    }
    let with_ends = |one: Configuration| {
        let runs = one.runs(question);
        runs.iter().fold(vec![one], |all, run| {
            let (slot, model) = (run.end - 1, question.model_of[run.start]);
            let ends = match question.slots_of(model).end == run.end {
                true => vec![Arc::Leave { model, device }],
                false => others().map(|to| Arc::Hop { slot, from: device, to }).collect(),
            };
            with_each(&all, &ends)
        })
    };
    all.into_iter().flat_map(with_ends).collect()
}

/// Each configuration with one more of these messages.
fn with_each(all: &[Configuration], arcs: &[Arc]) -> Vec<Configuration> {
    let with = |one: &Configuration, &arc: &Arc| {
        let sends = one.sends.iter().copied().chain([arc]).collect();
        Configuration { sends, ..one.clone() }
    };
    all.iter().flat_map(|one| arcs.iter().map(move |arc| with(one, arc))).collect()
}

/// Random shares of what a domain allows; those of a layer add up to one.
pub(crate) fn mixture(question: &Question<'_>, domain: &Domain, seed: u64) -> Mixture {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut places = vec![0.0; question.choices.len()];
    let mut choices = FxHashMap::default();
    for slot in 0..question.slots() {
        let mut drawn = Vec::new();
        for device in devices(question, domain, slot) {
            let place = question.place(slot, device);
            drawn.extend(domain.choices(place).map(|choice| (place, choice as u16)));
        }
        let weights: Vec<f64> = drawn.iter().map(|_| random.random::<f64>().powi(3)).collect();
        let sum: f64 = weights.iter().sum();
        for ((place, choice), weight) in drawn.into_iter().zip(weights) {
            places[place] += weight / sum;
            choices.insert((place, choice), weight / sum);
        }
    }
    let prices = Prices::zero(question);
    Mixture { objective: 0.0, prices, places, choices, misses: false }
}

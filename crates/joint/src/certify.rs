//! A certificate of the root's bound, for a checker that shares no code with this crate.

use edgeplan_certificate::{ConfigurationCertificate, Rejected, Resource, check_configurations};
use edgeplan_problem::deployment::{Deployment, DeviceId, Objective};
use edgeplan_problem::{Cost, Run, Solver as _, SolverError, Stop};

use crate::paths::Ways;
use crate::prices::{Ceilings, Prices, Terms};
use crate::pricing::Pricing;
use crate::question::Question;
use crate::search::{Relaxation, Search};
use crate::solver::Joint;

/// Prices that are tried, the last first.
const CANDIDATES_MAX: usize = 12;
/// Shares of the best bottleneck that are claimed, until one is proven.
const TARGET_SHARES: [f64; 5] = [1.0, 0.98, 0.93, 0.85, 0.7];
/// Steps of a device, of all, and of work: half of what the checker allows.
const STEPS_PER_DEVICE: u64 = 1 << 17;
const STEPS_MAX: u64 = 1 << 22;
const WORK_MAX: u64 = 1 << 31;
/// Work of the checker in a millisecond of the time that is given, of which a check takes about a
/// tenth: two models of 30 blocks were checked for 20 s where a second was given.
const WORK_PER_MS: u64 = 1 << 15;
/// Steps of memory that are tried for how little they round.
const UNITS_TRIED: u64 = 64;

impl Joint {
    /// Climbs the bound of the whole instance and writes down the prices that prove most of it, by
    /// what the checker says of plans that cost less than `known`.
    ///
    /// # Errors
    /// What the solver does not support, or an engine's failure.
    pub fn certify(
        &self,
        run: &mut Run<'_, Deployment>,
        known: Option<Cost>,
    ) -> Result<ConfigurationCertificate, SolverError> {
        let deployment = run.problem();
        self.supports(deployment).map_err(|unsupported| SolverError::Engine(unsupported.0))?;
        let question = Question::new(deployment);
        let mut best: Option<ConfigurationCertificate> = None;
        for target in targets(deployment, known) {
            let is_late = best.is_some() && run.check().is_err();
            if is_late || best.as_ref().is_some_and(|best| Some(best.lower_bound) >= target) {
                break;
            }
            let candidates =
                Search::new(&question, run, Relaxation::CERTIFIED)?.root_prices(target)?;
            improve(&question, run, &candidates, target, &mut best);
        }
        best.ok_or(SolverError::Stopped(Stop::Time))
    }
}

/// What is claimed: what is known; of a bottleneck, less, too, since prices that show that no plan
/// is below the best one may show nothing to a checker that rounds.
fn targets(deployment: &Deployment, known: Option<Cost>) -> Vec<Option<Cost>> {
    match (known, deployment.objective) {
        (Some(Cost(cost)), Objective::Bottleneck) => {
            TARGET_SHARES.map(|share| Some(Cost((cost as f64 * share).ceil() as u64))).to_vec()
        }
        _ => vec![known],
    }
}

/// Keeps the certificate that proves most, of those that the last prices make.
fn improve(
    question: &Question<'_>,
    run: &Run<'_, Deployment>,
    candidates: &[Prices],
    target: Option<Cost>,
    best: &mut Option<ConfigurationCertificate>,
) {
    let deployment = question.deployment;
    let ceilings = Ceilings::new(question, target.map_or(u64::MAX, |cost| cost.0));
    let work_max = work_max(run);
    for prices in candidates.iter().rev().take(CANDIDATES_MAX) {
        for counted in [Resource::Memory, Resource::Compute] {
            if counted == Resource::Compute && ceilings.compute.contains(&None) {
                continue;
            }
            let terms = Terms { prices, ceilings: &ceilings };
            let certificate = certificate(question, terms, counted, work_max);
            let proven = proven(deployment, &certificate, target);
            if best.as_ref().is_none_or(|best| best.lower_bound < proven) {
                *best = Some(ConfigurationCertificate { lower_bound: proven, ..certificate });
            }
        }
        let whole = best.as_ref().is_some_and(|best| Some(best.lower_bound) >= target);
        if whole || run.check().is_err() {
            break;
        }
    }
}

/// Work of one check: less where there is little time.
fn work_max(run: &Run<'_, Deployment>) -> u64 {
    let Some(time) = run.limits().time else { return WORK_MAX };
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    milliseconds.saturating_mul(WORK_PER_MS).min(WORK_MAX)
}

/// What the checker says that a certificate proves; a bottleneck of plans that cost less than that.
fn proven(
    deployment: &Deployment,
    certificate: &ConfigurationCertificate,
    known: Option<Cost>,
) -> Cost {
    let claims = match deployment.objective {
        Objective::Bottleneck => known.unwrap_or(Cost::MAX),
        Objective::Latency | Objective::Memory => Cost::ZERO,
    };
    let claim = ConfigurationCertificate { lower_bound: claims, ..certificate.clone() };
    match check_configurations(deployment, &claim, None) {
        Ok(bound) | Err(Rejected::Unproven { proven: bound, .. }) => bound,
        Err(_) => Cost::ZERO,
    }
}

fn certificate(
    question: &Question<'_>,
    terms: Terms<'_>,
    counted: Resource,
    work_max: u64,
) -> ConfigurationCertificate {
    let Terms { prices, ceilings } = terms;
    let domain = question.whole();
    let ways = Ways::new(question, &domain, prices, ceilings);
    let by_place = |prices: &[i64]| {
        let layer = |slot: usize| {
            (0..question.devices).map(|device| prices[question.place(slot, device)]).collect()
        };
        let model = |model: usize| question.slots_of(model).map(layer).collect();
        (0..question.models()).map(model).collect()
    };
    let within = |device: usize| {
        let pricing = Pricing::new(question, &domain, terms, &ways, device);
        match (counted, ceilings.compute[device]) {
            (Resource::Compute, _) => pricing.within_prices().0,
            (Resource::Memory, Some(_)) => pricing.within_prices().1,
            (Resource::Memory, None) => 0,
        }
    };
    let unit = |device: DeviceId| match counted {
        Resource::Memory => unit(question, device, work_max),
        Resource::Compute => {
            ceilings.compute[device.index()].unwrap_or(0) / steps_max(question, work_max) + 1
        }
    };
    ConfigurationCertificate {
        lower_bound: Cost::ZERO,
        scale_bits: question.shift,
        begin: by_place(&prices.begin),
        end: by_place(&prices.end),
        loss_price: prices.loss.clone(),
        latency_price: prices.latency.clone(),
        compute_price: prices.compute.clone(),
        sending_price: prices.sending.clone(),
        traffic_price: prices.traffic.clone(),
        counted: vec![counted; question.devices],
        unit: question.deployment.device_ids().map(unit).collect(),
        within_price: (0..question.devices).map(within).collect(),
    }
}

/// Steps of a device that the checker allows.
fn steps_max(question: &Question<'_>, work_max: u64) -> u64 {
    let options = question.choices.iter().map(|choices| choices.len() as u64).sum::<u64>();
    // Each option and layer is looked at from four states, on each device.
    let work = 4 * (options + question.slots() as u64 * question.devices as u64).max(1);
    let steps = STEPS_PER_DEVICE.min(STEPS_MAX / question.devices as u64).min(work_max / work);
    steps.max(1)
}

/// Bytes of a step of a device's memory: what divides every layer, or, where that is too fine,
/// what rounds little away.
fn unit(question: &Question<'_>, device: DeviceId, work_max: u64) -> u64 {
    let deployment = question.deployment;
    let memory = deployment.device(device).memory.0;
    let mut sizes = Vec::new();
    for (index, model) in deployment.models.iter().enumerate() {
        sizes.extend(model.shared.iter().map(|bytes| bytes.0));
        sizes.push(model.activation.0);
        for slot in question.slots_of(index) {
            let choices = &question.choices[question.place(slot, device.index())];
            sizes.extend(choices.iter().map(|choice| choice.bytes));
        }
    }
    sizes.retain(|&size| size > 0 && size <= memory);
    let least = memory / steps_max(question, work_max) + 1;
    let divisor = sizes.iter().copied().reduce(divisor).unwrap_or(least);
    if divisor >= least {
        return divisor;
    }
    let largest = sizes.iter().copied().max().unwrap_or(least);
    let rounded = |unit: &u64| sizes.iter().map(|size| u128::from(size % unit)).sum::<u128>();
    let whole = |parts: u64| (largest / parts.max(1)).max(least);
    let most = largest / least;
    let tried = (most.saturating_sub(UNITS_TRIED)..=most).map(whole);
    tried.min_by_key(rounded).unwrap_or(least)
}

/// The greatest common divisor.
fn divisor(one: u64, other: u64) -> u64 {
    let (mut one, mut other) = (one, other);
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::deployment::{Model, Placement};
    use edgeplan_problem::{Limits, Silent};

    use super::*;

    /// What the checker says that the root proves, and the best cost.
    fn proven(deployment: &Deployment) -> Option<(Cost, Cost)> {
        let (best, _) = deployment.brute_force()?;
        let mut silent = Silent;
        let mut run = Run::new(deployment, Limits::default(), &mut silent);
        let honest = Joint::default().certify(&mut run, Some(best)).expect("it is supported");
        let bound = check_configurations(deployment, &honest, Some(best)).expect("it was checked");
        Some((bound, best))
    }

    #[test]
    fn what_the_root_proves_is_near_the_best_plan() {
        let mut count = 0;
        for placement in [Placement::Contiguous, Placement::Free] {
            for objective in [Objective::Latency, Objective::Memory, Objective::Bottleneck] {
                let mut shares = Vec::new();
                for seed in 0..20 {
                    let (layers, memory_percent) = [(5, 143), (2, 286)][seed as usize % 2];
                    let (devices, formats) = (3, 2);
                    let mut deployment = random(&Random {
                        layers,
                        devices,
                        formats,
                        memory_percent,
                        objective,
                        placement,
                        seed,
                    });
                    if layers == 2 {
                        let second = deployment.models[0].clone();
                        deployment.models.push(Model { name: "second".into(), ..second });
                    }
                    let deployment = deployment.checked().expect("the generator makes sense");
                    let Some((bound, best)) = proven(&deployment) else { continue };
                    assert!(bound <= best, "{}: {bound} of {best}", deployment.name);
                    shares.push(bound.as_f64() / best.as_f64().max(1.0));
                    count += 1;
                }
                let mean = shares.iter().sum::<f64>() / shares.len() as f64;
                assert!(mean > 0.85, "{placement:?}, {objective:?}: {shares:?}");
            }
        }
        assert!(count > 60, "{count}");
    }

    #[test]
    fn a_step_divides_what_layers_take_or_rounds_little() {
        assert_eq!((divisor(12, 18), divisor(5, 0), divisor(1 << 40, 1 << 30)), (6, 5, 1 << 30));
    }
}

//! A certificate of the root relaxation's bound, for a checker that shares no code with this crate.

use edgeplan_certificate::{Certificate, HostCertificate, LOSS_PARTS};
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Run, SolverError, Stop};

use crate::bounding::dual_problem::{DualProblem, Maximised};
use crate::bounding::goal::{Goal, unscaled};
use crate::chain::{Chain, DEVICES_MAX, Measure, Scarce};
use crate::dual::grid::{Grid, References};
use crate::dual::prices::Prices;
use crate::dual::relaxation::Relaxation;
use crate::dual::state::DualState;
use crate::dual::ticks::Ticks;
use crate::effort::DualRound;
use crate::hosts;
use crate::solver::ChainSearch;
use crate::tuning::TUNING;

/// Prices stay below this.
const PRICE_MAX: f64 = (1u64 << 60) as f64;
/// What the checker's other order of rounding may take, per layer, in scaled units.
const SLACK: f64 = 4.0;

/// How far a certificate's relaxation is climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Climbing {
    /// Until finer grids and more memory of devices gain little.
    Thorough,
    /// As far as bounded work leads: a second opinion on a plan of that cost, if there is one.
    Brief(Option<Cost>),
}

/// Why an instance has no certificate of one model's paths, over devices or over hosts; none if it
/// has one.
pub fn uncertified(instance: &Deployment) -> Option<&'static str> {
    if instance.devices.len() > DEVICES_MAX {
        return Some("so many devices have no certificate");
    }
    if instance.has_hosts() {
        return hosts::certify::uncertified(instance);
    }
    if instance.objective == Objective::Bottleneck {
        return Some("a bottleneck has no certificate");
    }
    let one = instance.models.len() == 1 && instance.placement == Placement::Contiguous;
    (!one).then_some("only one model in contiguous placement has a certificate")
}

impl ChainSearch {
    /// Climbs the relaxation of the whole instance and writes down what proves its bound. The bound
    /// is what this crate's own tables show; [`edgeplan_certificate::check()`] says whether it
    /// holds.
    ///
    /// # Errors
    /// When the instance has several models, hosts of several devices, is free, or minimises the
    /// bottleneck; when a limit is reached before the first climb ends.
    pub fn certify(
        &self,
        run: &mut Run<'_, Deployment>,
        climbing: Climbing,
    ) -> Result<Certificate, SolverError> {
        supported(run.problem(), false)?;
        let chain = &whole(run.problem());
        let (rounds, limit): (&[DualRound], f64) = match climbing {
            // A bound above every plan's cost proves that there is none.
            Climbing::Thorough => (&TUNING.certificate.thorough, chain.cost_max),
            Climbing::Brief(cost) => {
                let known = cost.map_or(f64::MAX, |cost| cost.as_f64() * chain.scale);
                (&TUNING.certificate.brief, known.min(chain.cost_max))
            }
        };
        let table_max = match climbing {
            Climbing::Thorough => {
                self.table_max.min(chain.choices.len() * TUNING.certificate.values_per_place)
            }
            Climbing::Brief(_) => TUNING.certificate.brief_values_max,
        };
        // Climbs only: nothing is fixed, so that the bound is the whole instance's.
        let dual = DualProblem { chain, goal: Goal::Part { limit }, table_max };
        let (mut state, mut best) = (DualState::new(chain), None);
        for &round in rounds {
            let references = state.references.clone();
            let Maximised { relaxation, mixture, .. } = match dual.maximise(run, round, state) {
                Ok(maximised) => maximised,
                Err(stop) => return best.ok_or(SolverError::Stopped(stop)),
            };
            state = DualState {
                prices: relaxation.prices.clone(),
                ng_sets: relaxation.ng_sets.clone(),
                references: relaxation.fixing(f64::MAX).references,
                mixture,
            };
            best = Some(certificate(relaxation, &references));
        }
        best.ok_or(SolverError::Stopped(Stop::Steps))
    }

    /// The same of one model on hosts of several devices: climbs as far as time allows, or until
    /// the cost of a known plan is shown. The claim is what the checker says that it proves.
    ///
    /// # Errors
    /// When the instance has several models, no such hosts, is free, or minimises anything but a
    /// latency; what the checker refuses.
    pub fn certify_hosts(
        &self,
        run: &mut Run<'_, Deployment>,
        known: Option<Cost>,
    ) -> Result<HostCertificate, SolverError> {
        supported(run.problem(), true)?;
        let certified = hosts::certify::certify(run, known);
        certified.map_err(|refused| SolverError::Engine(refused.to_string()))
    }
}

/// Whether there are such certificates of an instance, with hosts of several devices or without.
fn supported(instance: &Deployment, of_hosts: bool) -> Result<(), SolverError> {
    let other = match (of_hosts, instance.has_hosts()) {
        (true, false) => Some("every device is a host of its own"),
        (false, true) => Some("hosts of several devices have another certificate"),
        _ => uncertified(instance),
    };
    other.map_or(Ok(()), |reason| Err(SolverError::Engine(reason.into())))
}

/// The instance without the limits that no checker of one model knows.
pub(crate) fn unlimited(instance: &Deployment) -> Deployment {
    let mut open = Deployment { latency_max: None, bottleneck_max: None, ..instance.clone() };
    for device in &mut open.devices {
        (device.compute_max, device.traffic_max) = (None, None);
    }
    open
}

/// The chain without the limits that the checker does not know: its plans are at least as many.
fn whole(instance: &Deployment) -> Chain {
    let measure = match instance.objective {
        Objective::Memory => Measure::Memory,
        Objective::Latency | Objective::Bottleneck => Measure::Latency,
    };
    let mut chain = Chain::new(&unlimited(instance), measure, None);
    // The checker knows no prices of bytes.
    chain.prices_bytes = false;
    // Only memory is limited, and the checker's grids are of bytes: also where no layer takes any.
    chain.room.iter_mut().for_each(|room| room.scarce = Scarce::Bytes);
    chain
}

/// What proves the bound of a relaxation at nearly its prices.
fn certificate(mut relaxation: Relaxation<'_>, references: &References) -> Certificate {
    let chain = relaxation.chain;
    // Prices that the checker can represent exactly.
    let loss_price = (relaxation.prices.loss * LOSS_PARTS as f64).round().min(PRICE_MAX);
    let prices = Prices { loss: loss_price / LOSS_PARTS as f64, ..relaxation.prices.clone() };
    relaxation.reprice(&prices);
    // Where the tables have no path, they show this much: plans may be dearer than they tell apart.
    let most = relaxation.tick.scaled(Ticks::COST_MAX) - relaxation.budget;
    let bound = relaxation.bound.min(most) - SLACK * chain.layers as f64;
    let bytes = |device: usize| -> Vec<u64> {
        let choice = |layer| references.choice(chain, layer, device);
        (0..chain.layers).map(|layer| choice(layer).map_or(0, |choice| choice.bytes)).collect()
    };
    Certificate {
        lower_bound: unscaled(bound, chain.scale),
        scale_bits: chain.scale.log2() as u32,
        loss_price: loss_price as u64,
        visit_price: prices.visit.iter().map(|&price| price as u64).collect(),
        remembered: relaxation.ng_sets.sets().to_vec(),
        unit: relaxation.grids.iter().map(Grid::unit).collect(),
        reference: (0..chain.devices).map(bytes).collect(),
    }
}

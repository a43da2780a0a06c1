//! A certificate of the root relaxation's bound, for a checker that shares no code with this crate.

use edgeplan_certificate::{Certificate, LOSS_PARTS};
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Run, SolverError};

use crate::ascent::Mixture;
use crate::chain::{Chain, Measure};
use crate::fixing::fix;
use crate::relaxation::{Prices, Relaxation};
use crate::rounds::{Goal, Round, Search, State, round, unscaled};
use crate::solver::ChainSearch;

/// Only climbs: nothing is fixed, so that the bound is the whole instance's.
const SCHEDULE: [Round; 3] =
    [round((64, 40, 4), (0, 0)), round((256, 40, 8), (0, 0)), round((1024, 30, 4), (0, 0))];
/// Prices stay below this.
const PRICE_MAX: f64 = (1u64 << 60) as f64;
/// What the checker's other order of rounding may take, per layer, in scaled units.
const SLACK: f64 = 4.0;

impl ChainSearch {
    /// Climbs the relaxation of the whole instance and writes down what proves its bound.
    ///
    /// # Errors
    /// When the instance has several models, is free, or minimises the bottleneck; when a limit is
    /// reached.
    pub fn certify(&self, run: &mut Run<'_, Deployment>) -> Result<Certificate, SolverError> {
        let instance = run.problem();
        let one = instance.models.len() == 1 && instance.placement == Placement::Contiguous;
        let measure = match instance.objective {
            Objective::Latency => Measure::Latency,
            Objective::Memory => Measure::Memory,
            Objective::Bottleneck => {
                return Err(SolverError::Engine("a bottleneck has no certificate".into()));
            }
        };
        if !one {
            let text = "only one model in contiguous placement has a certificate";
            return Err(SolverError::Engine(text.into()));
        }
        let chain = Chain::new(&unlimited(instance), measure, None);
        // A bound above every plan's cost proves that there is none.
        let goal = Goal::Part { limit: chain.most };
        let search = Search { solver: self, chain, one_run: true, goal };
        let mut state = State::new(&search.chain);
        for round in SCHEDULE {
            let references = state.references.clone();
            let (relaxation, _) = search.relax(run, round, state)?;
            if round.steps == SCHEDULE[SCHEDULE.len() - 1].steps {
                return Ok(certificate(&search.chain, relaxation, &references));
            }
            // Nothing is removed: only the likely choices are of interest.
            let references = fix(&mut search.chain.clone(), &relaxation, f64::MAX).best;
            let Relaxation { prices, neighbours, .. } = relaxation;
            let mixture = Mixture::new();
            state = State { prices, neighbours, references, mixture };
        }
        unreachable!("the last round returns")
    }
}

/// The instance without the limits that the checker does not know: its plans are at least as many.
fn unlimited(instance: &Deployment) -> Deployment {
    let mut open = Deployment { latency_max: None, bottleneck_max: None, ..instance.clone() };
    for device in &mut open.devices {
        (device.compute_max, device.traffic_max) = (None, None);
    }
    open
}

/// What proves the bound of a relaxation at nearly its prices.
fn certificate(
    chain: &Chain,
    mut relaxation: Relaxation,
    references: &[Vec<usize>],
) -> Certificate {
    // Prices that the checker can represent exactly.
    let loss_price = (relaxation.prices.loss * LOSS_PARTS as f64).round().min(PRICE_MAX);
    let prices = Prices { loss: loss_price / LOSS_PARTS as f64, ..relaxation.prices.clone() };
    relaxation.solve(chain, &prices);
    let bound = relaxation.bound - SLACK * chain.layers as f64;
    let bytes = |device: usize, layer: usize, choice: usize| {
        chain.choices[chain.at(layer, device)].get(choice).map_or(0, |choice| choice.bytes)
    };
    let reference = references.iter().enumerate().map(|(device, choices)| {
        choices.iter().enumerate().map(|(layer, &choice)| bytes(device, layer, choice)).collect()
    });
    Certificate {
        lower_bound: unscaled(bound, chain.scale),
        scale_bits: chain.scale.log2() as u32,
        loss_price: loss_price as u64,
        visit_price: prices.visit.iter().map(|&price| price as u64).collect(),
        remembered: relaxation.neighbours.sets().to_vec(),
        unit: relaxation.grids.iter().map(crate::grid::Grid::unit).collect(),
        reference: reference.collect(),
    }
}

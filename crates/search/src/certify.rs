//! A certificate of the root relaxation's bound, for a checker that shares no code with this crate.

use edgeplan_certificate::{Certificate, LOSS_PARTS};
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_problem::{Cost, Run, SolverError, Stop};

use crate::chain::{Chain, Measure, Scarce};
use crate::fixing::fix;
use crate::labels::DEVICES_MAX;
use crate::relaxation::{Prices, Relaxation};
use crate::rounds::{Goal, Round, Search, State, round, unscaled};
use crate::solver::ChainSearch;
use crate::ticks::MUCH;

/// Climbs only: nothing is fixed, so that the bound is the whole instance's.
const THOROUGH: [Round; 3] =
    [round((64, 40, 4), (0, 0)), round((256, 40, 8), (0, 0)), round((1024, 30, 4), (0, 0))];
/// A second opinion takes milliseconds; the first climb, on a coarse grid, so on any instance.
const BRIEF: [Round; 3] =
    [round((16, 20, 1), (0, 0)), round((64, 40, 3), (0, 0)), round((256, 20, 2), (0, 0))];
/// Prices stay below this.
const PRICE_MAX: f64 = (1u64 << 60) as f64;
/// What the checker's other order of rounding may take, per layer, in scaled units.
const SLACK: f64 = 4.0;
/// Table values per layer and device: half of what the checker allows.
const VALUES_PER_PLACE: usize = 1 << 17;
/// Table values of a second opinion.
const BRIEF_TABLE_MAX: usize = 1 << 20;

/// How far a certificate's relaxation is climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Climbing {
    /// Until finer grids and more memory of devices gain little.
    Thorough,
    /// As far as bounded work leads: a second opinion on a plan of that cost, if there is one.
    Brief(Option<Cost>),
}

/// Why an instance has no certificate; none if it has one.
pub fn uncertified(instance: &Deployment) -> Option<&'static str> {
    if instance.objective == Objective::Bottleneck {
        return Some("a bottleneck has no certificate");
    }
    if instance.devices.len() > DEVICES_MAX {
        return Some("so many devices have no certificate");
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
    /// When the instance has several models, is free, or minimises the bottleneck; when a limit is
    /// reached before the first climb ends.
    pub fn certify(
        &self,
        run: &mut Run<'_, Deployment>,
        climbing: Climbing,
    ) -> Result<Certificate, SolverError> {
        if let Some(reason) = uncertified(run.problem()) {
            return Err(SolverError::Engine(reason.into()));
        }
        let chain = whole(run.problem());
        let (schedule, limit): (&[Round], f64) = match climbing {
            // A bound above every plan's cost proves that there is none.
            Climbing::Thorough => (&THOROUGH, chain.most),
            Climbing::Brief(cost) => {
                let known = cost.map_or(f64::MAX, |cost| cost.as_f64() * chain.scale);
                (&BRIEF, known.min(chain.most))
            }
        };
        let table_max = match climbing {
            Climbing::Thorough => self.table_max.min(chain.choices.len() * VALUES_PER_PLACE),
            Climbing::Brief(_) => BRIEF_TABLE_MAX,
        };
        let solver = Self { table_max, starts: Vec::new(), ..*self };
        let search = Search { solver: &solver, chain, one_run: true, goal: Goal::Part { limit } };
        let (mut state, mut best) = (State::new(&search.chain), None);
        for &round in schedule {
            let references = state.references.clone();
            let (relaxation, mixture) = match search.relax(run, round, state) {
                Ok(climbed) => climbed,
                Err(stop) => return best.ok_or(SolverError::Stopped(stop)),
            };
            // Nothing is removed: only the likely choices are of interest.
            let likely = fix(&mut search.chain.clone(), &relaxation, f64::MAX).best;
            state = State {
                prices: relaxation.prices.clone(),
                neighbours: relaxation.neighbours.clone(),
                references: likely,
                mixture,
            };
            best = Some(certificate(&search.chain, relaxation, &references));
        }
        best.ok_or(SolverError::Stopped(Stop::Steps))
    }
}

/// The chain without the limits that the checker does not know: its plans are at least as many.
fn whole(instance: &Deployment) -> Chain {
    let mut open = Deployment { latency_max: None, bottleneck_max: None, ..instance.clone() };
    for device in &mut open.devices {
        (device.compute_max, device.traffic_max) = (None, None);
    }
    let measure = match instance.objective {
        Objective::Memory => Measure::Memory,
        Objective::Latency | Objective::Bottleneck => Measure::Latency,
    };
    let mut chain = Chain::new(&open, measure, None);
    // Only memory is limited, and the checker's grids are of bytes: also where no layer takes any.
    chain.room.iter_mut().for_each(|room| room.scarce = Scarce::Bytes);
    chain
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
    // Where the tables have no path, they show this much: plans may be dearer than they tell apart.
    let most = relaxation.tick.scaled(MUCH) - relaxation.budget;
    let bound = relaxation.bound.min(most) - SLACK * chain.layers as f64;
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

//! The prices at which the Lagrangian bound is least.

use edgeplan_problem::Stop;

use crate::market::{Demand, Market, Prices};
use edgeplan_methods::bundle::Bundle;

/// The gain that the model must predict, relative to all satisfaction, for the search to go on. Not
/// measured.
const PREDICTED_GAIN_MIN: f64 = 1e-7;
/// The first proximity: a server twice as busy as it can be is priced at this share of all
/// satisfaction. Not measured.
const PROXIMITY: f64 = 0.02;

/// Descends on the bound from free capacities; returns the best prices. `tick` is asked before
/// every evaluation.
pub(super) fn descend(
    market: &Market<'_>,
    steps: u32,
    tick: &mut dyn FnMut() -> Result<(), Stop>,
) -> (Prices, Result<(), Stop>) {
    let servers = market.instance.servers.len();
    let mut best = Prices { computation: vec![0.0; servers], communication: vec![0.0; servers] };
    let demand = market.demand(&best);
    let scales = Scales::new(market, demand.value.max(1.0));
    let mut least = demand.value;
    // The bundle ascends, so it sees the bound with its sign turned.
    let (value, slope) = (-demand.value / scales.total, scales.slope(&demand));
    let mut bundle = Bundle::new(vec![0.0; 2 * servers], value, slope, PROXIMITY);
    for _ in 0..steps {
        if let Err(stop) = tick() {
            return (best, Err(stop));
        }
        let point = bundle.trial();
        if bundle.predicted_gain() < PREDICTED_GAIN_MIN {
            break;
        }
        let prices = scales.prices(&point);
        let demand = market.demand(&prices);
        if demand.value < least {
            (least, best) = (demand.value, prices);
        }
        bundle.learn(&point, -demand.value / scales.total, scales.slope(&demand));
    }
    (best, Ok(()))
}

/// The units in which the bundle sees prices: 1 prices a whole capacity at all the satisfaction
/// that there would be without limits.
struct Scales {
    total: f64,
    /// Computation by server, then communication by server.
    capacities: Vec<f64>,
}

impl Scales {
    fn new(market: &Market<'_>, total: f64) -> Self {
        let servers = &market.instance.servers;
        let computation = servers.iter().map(|server| server.computation as f64);
        let communication = servers.iter().map(|server| server.communication as f64);
        Self { total, capacities: computation.chain(communication).collect() }
    }

    fn prices(&self, point: &[f64]) -> Prices {
        // A capacity of zero has no candidates, hence no price.
        let price = |(x, capacity): (&f64, &f64)| {
            if *capacity > 0.0 { x * self.total / capacity } else { 0.0 }
        };
        let mut computation: Vec<f64> = point.iter().zip(&self.capacities).map(price).collect();
        let communication = computation.split_off(computation.len() / 2);
        Prices { computation, communication }
    }

    /// How much more than the capacity is taken, relative to it.
    fn slope(&self, demand: &Demand) -> Vec<f64> {
        let taken = demand.computation.iter().chain(&demand.communication);
        let over = |(taken, capacity): (&f64, &f64)| {
            if *capacity > 0.0 { (taken - capacity) / capacity } else { 0.0 }
        };
        taken.zip(&self.capacities).map(over).collect()
    }
}

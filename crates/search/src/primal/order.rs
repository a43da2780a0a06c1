//! The best plan along an order of devices: a plan may skip some, but visits none before its turn.
//!
//! There no path returns to a device, so the relaxation has little left to price and a narrow
//! search is nearly exact: a corridor of the whole dynamic program (Sniedovich and Voss, Control
//! and Cybernetics 35, 2006) that moves to better plans' orders.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Run, Stop};
use rustc_hash::FxHashSet;

use crate::ascent::Mixture;
use crate::chain::Chain;
use crate::fixing::drop_dangling;
use crate::neighbours::Neighbours;
use crate::relaxation::visits;
use crate::rounds::{Round, Search, State, round};

/// Devices as a plan visits them.
pub(crate) type Order = Vec<usize>;

/// Orders that are looked at, besides those of the better plans that are found.
const ORDERS: usize = 3;
/// What is done on the plans of an order.
const ALONG: Round = round((1024, 20, 0), (2_000, usize::MAX));

impl Search<'_> {
    /// Searches along the order of the best plan and those of the relaxation's paths, but for those
    /// that were tried; again wherever that finds a better plan.
    pub(crate) fn look_along(
        &self,
        run: &mut Run<'_, Deployment>,
        state: &State,
        tried: &mut FxHashSet<Order>,
    ) -> Result<(), Stop> {
        let mut paths: Vec<_> = state.mixture.iter().collect();
        paths.sort_by(|a, b| b.1.total_cmp(&a.1));
        let orders = paths.iter().map(|(path, _)| visits(path));
        let orders: Vec<Order> = best_order(run).into_iter().chain(orders).take(ORDERS).collect();
        for mut order in orders {
            if !tried.insert(order.clone()) {
                continue;
            }
            while self.is_better_along(run, state, &order)? {
                order = best_order(run).unwrap_or_default();
                tried.insert(order.clone());
            }
        }
        Ok(())
    }

    /// Searches along an order, and whether that found a better plan.
    fn is_better_along(
        &self,
        run: &mut Run<'_, Deployment>,
        state: &State,
        order: &Order,
    ) -> Result<bool, Stop> {
        let before = run.best().map(|(_, cost)| *cost);
        let chain = along(&self.chain, order);
        let mut prices = state.prices.clone();
        prices.visit.fill(0.0);
        let neighbours = Neighbours::none(chain.devices);
        let references = state.references.clone();
        let state = State { prices, neighbours, references, mixture: Mixture::new() };
        let mut part = Search { chain, goal: self.goal.of_a_part(), ..*self };
        part.round(run, ALONG, state)?;
        Ok(run.best().map(|(_, cost)| *cost) != before)
    }
}

/// The order of the best plan so far.
fn best_order(run: &Run<'_, Deployment>) -> Option<Order> {
    let (plan, _) = run.best()?;
    let mut order: Order = plan.models[0].iter().map(|layer| layer.device.index()).collect();
    order.dedup();
    Some(order)
}

/// What is left of a chain along an order; a device that comes twice counts where it comes last.
fn along(chain: &Chain, order: &Order) -> Chain {
    let mut rank = vec![None; chain.devices];
    for (turn, &device) in order.iter().enumerate() {
        rank[device] = Some(turn);
    }
    let mut chain = chain.clone();
    for (place, (choices, hops)) in chain.choices.iter_mut().zip(&mut chain.hops).enumerate() {
        let here = rank[place % chain.devices];
        if here.is_none() {
            choices.clear();
        }
        hops.retain(|hop| here < rank[hop.to]);
    }
    drop_dangling(&mut chain);
    chain
}

#[cfg(test)]
mod tests {
    use edgeplan_instances::generate::{Random, random};

    use super::*;
    use crate::chain::Measure;

    #[test]
    fn an_order_leaves_every_hop_forward_and_no_other() {
        let family = Random { layers: 6, devices: 4, ..Random::default() };
        let instance = random(&family).checked().expect("the generator makes sense");
        let whole = Chain::new(&instance, Measure::Latency, None);
        let chain = along(&whole, &vec![3, 0, 2, 0]);
        let to = |chain: &Chain, place: usize| -> Vec<usize> {
            chain.hops[place].iter().map(|hop| hop.to).collect()
        };
        let mut kept = 0;
        for layer in 0..whole.layers {
            assert!(chain.choices[chain.at(layer, 1)].is_empty());
            for (device, forward) in [(3, vec![0, 2]), (2, vec![0]), (0, vec![]), (1, vec![])] {
                let place = chain.at(layer, device);
                let mut expected = to(&whole, place);
                expected.retain(|device| forward.contains(device));
                assert_eq!(to(&chain, place), expected);
                kept += expected.len();
            }
        }
        assert!(kept > 0);
    }
}

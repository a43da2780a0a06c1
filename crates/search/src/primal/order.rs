//! The best plan along an order of devices: a plan may skip some, but visits none before its turn.
//!
//! There no path returns to a device, so the relaxation has little left to price and a narrow
//! search is nearly exact: a corridor of the whole dynamic program (Sniedovich and Voss, Control
//! and Cybernetics 35, 2006) that moves to better plans' orders.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Run, Stop};
use rustc_hash::FxHashSet;

use crate::bounding::CaseSearch;
use crate::chain::Chain;
use crate::dual::ng_sets::NgSets;
use crate::dual::path::{Mixture, WeightedPath, visits};
use crate::dual::state::DualState;
use crate::tuning::TUNING;

/// Devices as a plan visits them.
pub(crate) type Order = Vec<usize>;

impl CaseSearch<'_> {
    /// Searches along the order of the best plan and those of the relaxation's paths, but for those
    /// that were tried; again wherever that finds a better plan.
    pub(crate) fn search_along_orders(
        &self,
        run: &mut Run<'_, Deployment>,
        state: &DualState,
        tried: &mut FxHashSet<Order>,
    ) -> Result<(), Stop> {
        let mut parts: Vec<&WeightedPath> = state.mixture.iter().collect();
        parts.sort_by(|a, b| b.share.total_cmp(&a.share));
        let orders = parts.into_iter().map(|part| visits(&part.path));
        let orders = best_order(run).into_iter().chain(orders).take(TUNING.order.orders_max);
        for mut order in orders.collect::<Vec<Order>>() {
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
        state: &DualState,
        order: &Order,
    ) -> Result<bool, Stop> {
        let before = run.best().map(|(_, cost)| *cost);
        let chain = along(&self.chain, order);
        // No path returns to a device here: nothing is to be remembered, and visits have no price.
        let mut prices = state.prices.clone();
        prices.visit.fill(0.0);
        let ng_sets = NgSets::empty(chain.devices);
        let references = state.references.clone();
        let state = DualState { prices, ng_sets, references, mixture: Mixture::new() };
        self.part(chain).round(run, TUNING.order.round, state)?;
        Ok(run.best().map(|(_, cost)| *cost) != before)
    }
}

/// The order of the best plan so far.
fn best_order(run: &Run<'_, Deployment>) -> Option<Order> {
    run.best().map(|(plan, _)| visits(&plan.models[0]))
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
        // A device without a rank, none, comes before all others; its hops go with its choices.
        hops.retain(|hop| here < rank[hop.to]);
    }
    chain.drop_dangling_hops();
    chain
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};

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

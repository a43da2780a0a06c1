//! The inner loops, for the benchmarks: not for use.

use edgeplan_problem::deployment::Deployment;

use crate::chain::{Chain, Measure};
use crate::dominance::{Kind, Rule, dominate};
use crate::grid::Grid;
use crate::labels::{Label, Labels, Width};
use crate::neighbours::Neighbours;
use crate::relaxation::{Prices, Relaxation};

/// A chain with its tables.
#[derive(Debug)]
pub struct Inner {
    chain: Chain,
    relaxation: Relaxation,
}

impl Inner {
    /// The instance's only model, with tables of so many steps.
    pub fn new(instance: &Deployment, steps: u64) -> Self {
        let chain = Chain::new(instance, Measure::Latency, None);
        let reference = vec![0; chain.layers];
        let grids = (0..chain.devices).map(|d| Grid::new(&chain, d, steps, &reference));
        let none = Neighbours::none(chain.devices);
        let mut relaxation = Relaxation::new(&chain, grids.collect(), none);
        relaxation.solve(&chain, &Prices::zero(chain.devices));
        Self { chain, relaxation }
    }

    /// Values that the last pass computed.
    pub fn work(&self) -> u64 {
        self.relaxation.work
    }

    /// One pass of the dynamic program; its bound.
    pub fn pass(&mut self) -> f64 {
        let prices = self.relaxation.prices.clone();
        self.relaxation.solve(&self.chain, &prices);
        self.relaxation.bound
    }

    /// A search of that width; the labels that it extended.
    pub fn beam(&self, labels: usize) -> u64 {
        let search = Labels::new(&self.chain, (&self.relaxation, &[]), f64::MAX, true);
        let width = Width { labels, alike: labels / 10 + 1 };
        search.search(width, &mut || Ok(())).map_or(0, |found| found.labels)
    }
}

/// So many labels of a few groups, drawn from a fixed sequence.
#[derive(Debug, Clone)]
pub struct Candidates(Vec<Label>);

impl Candidates {
    /// Draws them.
    pub fn new(count: usize) -> Self {
        let mut state = 1u64;
        let mut draw = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % most
        };
        let labels = (0..count).map(|_| Label {
            cost: draw(1_000_000) as f64,
            loss: draw(1_000_000),
            left: draw(1_000_000),
            device: draw(4) as u16,
            used: u128::from(draw(16)),
            ..Label::default()
        });
        Self(labels.collect())
    }

    /// Those that no other one dominates.
    pub fn undominated(mut self) -> usize {
        let kind = |label: &Label| Kind {
            device: label.device,
            first: 0,
            lone: false,
            stored: 0,
            used: label.used,
        };
        let rule = Rule { kind: &kind, simple: true, alike: usize::MAX };
        dominate(&mut self.0, &rule, &mut |_| {});
        self.0.len()
    }
}

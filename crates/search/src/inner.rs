//! The inner loops, for the benchmarks: not for use.

use edgeplan_problem::deployment::Deployment;

use crate::chain::{Chain, Measure};
use crate::dual::grid::{Grid, References};
use crate::dual::ng_sets::NgSets;
use crate::dual::prices::Prices;
use crate::dual::relaxation::Relaxation;
use crate::labels::Width;
use crate::labels::contiguous::{ContiguousLabels, Label, Relaxations};
use crate::labels::dominance::{Kind, Rule, dominate};

/// The chain of an instance.
#[derive(Debug)]
pub struct Inner {
    chain: Chain,
}

/// A chain's tables.
#[derive(Debug)]
pub struct Tables<'a> {
    relaxation: Relaxation<'a>,
}

impl Inner {
    /// The instance's only model.
    pub fn new(instance: &Deployment) -> Self {
        Self { chain: Chain::new(instance, Measure::Latency, None) }
    }

    /// Tables of so many steps, at no prices.
    pub fn tables(&self, steps: u64) -> Tables<'_> {
        let references = References::unknown(&self.chain);
        let devices = 0..self.chain.devices;
        let grids = devices.map(|device| Grid::new(&self.chain, device, steps, &references));
        let none = NgSets::empty(self.chain.devices);
        let mut relaxation = Relaxation::new(&self.chain, grids.collect(), none);
        relaxation.reprice(&Prices::zero(self.chain.devices));
        Tables { relaxation }
    }
}

impl Tables<'_> {
    /// Values that the last pass computed.
    pub fn work(&self) -> u64 {
        self.relaxation.work
    }

    /// One pass of the dynamic program; its bound.
    pub fn pass(&mut self) -> f64 {
        let prices = self.relaxation.prices.clone();
        self.relaxation.reprice(&prices);
        self.relaxation.bound
    }

    /// A search of that width; the labels that it extended.
    pub fn beam(&self, labels: usize) -> u64 {
        let relaxations = Relaxations { best: &self.relaxation, others: &[] };
        let search = ContiguousLabels::new(relaxations, f64::MAX, true);
        let width = Width { labels, per_kind: Some(labels / 10 + 1) };
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
            first: None,
            lone: false,
            stored: 0,
            used: label.used,
        };
        let rule = Rule { kind: &kind, is_simple: true, per_kind: None };
        dominate(&mut self.0, &rule, &mut |_| {});
        self.0.len()
    }
}

//! Run memory on a grid: how much of a device's memory (or of its time, where that ends first) is
//! left to a run, in few enough steps for a table, and never less than it truly is.
//!
//! Rounding every layer's bytes down would add up over a run. Here only what a layer takes *beyond
//! a reference option* is rounded: let `R[l]` be the exact sum of the references' bytes up to layer
//! `l`; the state is `left + R[l]`, which a reference does not change at all.

use crate::chain::Chain;

/// The grid of one device.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Bytes (or nanoseconds) of a step.
    unit: u64,
    /// By layer: `R[l] mod unit`.
    remainder: Vec<u64>,
    /// By layer: whether nothing left is between step 0 and 1 (and step 0 less than nothing).
    first: Vec<usize>,
    /// By layer, by choice: steps from the layer before.
    pub(crate) shift: Vec<Vec<i64>>,
    /// Steps: indices are below this.
    pub(crate) width: usize,
}

impl Grid {
    /// The grid of a device with at most about `steps` steps; `reference[layer]` is an index into
    /// the layer's choices there.
    pub(crate) fn new(chain: &Chain, device: usize, steps: u64, reference: &[usize]) -> Self {
        let room = &chain.room[device];
        let whole = room.whole();
        let unit = best_unit(chain, device, whole.div_ceil(steps).max(1), reference);
        let (mut sum, mut before) = (0u64, 0u64);
        let (mut remainder, mut first, mut shift) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, &reference) in reference.iter().enumerate() {
            let choices = &chain.choices[chain.at(layer, device)];
            let own = choices.get(reference).map_or(0, |choice| room.taken(choice));
            sum += own;
            let moved = (sum / unit) as i64 - before as i64;
            before = sum / unit;
            remainder.push(sum % unit);
            first.push(usize::from(!sum.is_multiple_of(unit)));
            let excess = choices.iter().map(|choice| room.taken(choice) as i64 - own as i64);
            shift.push(excess.map(|bytes| moved + bytes.div_euclid(unit as i64)).collect());
        }
        let width = (whole / unit) as usize + 3;
        Self { unit, remainder, first, shift, width }
    }

    /// Bytes (or nanoseconds) of a step.
    pub(crate) fn unit(&self) -> u64 {
        self.unit
    }

    /// The step of that much left after `layer`, rounded up.
    pub(crate) fn step(&self, layer: usize, left: u64) -> usize {
        (left + self.remainder[layer]).div_ceil(self.unit) as usize
    }

    /// The first step at which something or nothing, but not less, is left after `layer`.
    pub(crate) fn first(&self, layer: usize) -> usize {
        self.first[layer]
    }
}

/// A unit between the least and a quarter more that the differences between options are nearly
/// whole multiples of.
fn best_unit(chain: &Chain, device: usize, least: u64, reference: &[usize]) -> u64 {
    const TRIALS: u64 = 64;
    let room = &chain.room[device];
    let lost = |unit: u64| {
        let layers = reference.iter().enumerate().map(|(layer, &reference)| {
            let choices = &chain.choices[chain.at(layer, device)];
            let own = choices.get(reference).map_or(0, |choice| room.taken(choice) as i64);
            let lost = choices.iter().map(|c| (room.taken(c) as i64 - own).rem_euclid(unit as i64));
            lost.sum::<i64>() as f64 / unit as f64
        });
        layers.sum::<f64>()
    };
    let trials = (0..TRIALS).map(|trial| least + least * trial / (4 * TRIALS));
    trials.min_by(|&a, &b| lost(a).total_cmp(&lost(b))).unwrap_or(least)
}

//! Run memory on a grid: how much of a device's memory (or of its time, where that ends first) is
//! left to a run, in few enough steps for a table, and never less than it truly is.
//!
//! Rounding every layer's bytes down would add up over a run. Here only what a layer takes *beyond
//! a reference option* is rounded: let `R[l]` be the exact sum of the references' bytes up to layer
//! `l`; the state is `left + R[l]`, which a reference does not change at all.

use edgeplan_problem::deployment::OptionId;

use crate::chain::{Chain, Choice};
use crate::tuning::TUNING;

/// The likely option of every layer on every device: what grids are built around. Options are
/// named, so that references stay true when others leave the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct References {
    /// `options[device][layer]`; the first one that is there, where none is known.
    pub(crate) options: Vec<Vec<Option<OptionId>>>,
}

impl References {
    /// Nothing is known yet.
    pub(crate) fn unknown(chain: &Chain) -> Self {
        Self { options: vec![vec![None; chain.layers]; chain.devices] }
    }

    /// The choice that holds a layer on a device; none where nothing can hold it there.
    pub(crate) fn choice<'c>(
        &self,
        chain: &'c Chain,
        layer: usize,
        device: usize,
    ) -> Option<&'c Choice> {
        let choices = &chain.choices[chain.at(layer, device)];
        match self.options[device][layer] {
            Some(option) => choices.iter().find(|choice| choice.option == option),
            None => choices.first(),
        }
    }

    /// How much of the device's scarce resource each layer takes.
    fn taken(&self, chain: &Chain, device: usize) -> Vec<u64> {
        let room = &chain.room[device];
        let taken =
            |layer| self.choice(chain, layer, device).map_or(0, |choice| room.taken(choice));
        (0..chain.layers).map(taken).collect()
    }
}

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
    /// The grid of a device with at most about `steps` steps.
    pub(crate) fn new(chain: &Chain, device: usize, steps: u64, references: &References) -> Self {
        let room = &chain.room[device];
        let whole = room.whole();
        let reference = references.taken(chain, device);
        let unit = best_unit(chain, device, whole.div_ceil(steps).max(1), &reference);
        let (mut sum, mut before) = (0u64, 0u64);
        let (mut remainder, mut first, mut shift) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, &own) in reference.iter().enumerate() {
            let choices = &chain.choices[chain.at(layer, device)];
            sum += own;
            let moved = (sum / unit) as i64 - before as i64;
            before = sum / unit;
            remainder.push(sum % unit);
            first.push(usize::from(!sum.is_multiple_of(unit)));
            let excess = choices.iter().map(|choice| room.taken(choice) as i64 - own as i64);
            shift.push(excess.map(|bytes| moved + bytes.div_euclid(unit as i64)).collect());
        }
        // What is left lies between nothing and all, the remainder adds less than a step, and the
        // last step is counted, too.
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

    /// The first step at which the amount left after `layer` is not negative.
    pub(crate) fn first(&self, layer: usize) -> usize {
        self.first[layer]
    }
}

/// A unit between the least and a quarter more that the differences between options are nearly
/// whole multiples of. `reference` is what each layer's reference takes.
fn best_unit(chain: &Chain, device: usize, least: u64, reference: &[u64]) -> u64 {
    let trials = TUNING.grid.unit_trials;
    let room = &chain.room[device];
    // What rounding every option's difference down loses, in steps.
    let lost = |unit: u64| {
        let layers = reference.iter().enumerate().map(|(layer, &own)| {
            let choices = &chain.choices[chain.at(layer, device)];
            let own = own as i64;
            let lost = choices.iter().map(|c| (room.taken(c) as i64 - own).rem_euclid(unit as i64));
            lost.map(|lost| lost as f64).sum::<f64>() / unit as f64
        });
        layers.sum::<f64>()
    };
    let more = |trial: u64| u128::from(least) * u128::from(trial) / u128::from(4 * trials);
    // At most a quarter more: far within 64 bits, as rooms are.
    let units = (0..trials).map(|trial| least + more(trial) as u64);
    units.min_by(|&a, &b| lost(a).total_cmp(&lost(b))).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;

    #[test]
    fn every_step_is_in_the_table_and_never_less_than_what_is_left() {
        let layers: [&[(u64, u64)]; 4] =
            [&[(0, 0)], &[(0, 1), (0, 0)], &[(1, 1), (3, 1), (0, 1)], &[(1 << 60, 1)]];
        for (layers, memory) in layers.into_iter().flat_map(|layers| {
            [0, 1, 2, 5, 1000, (1 << 61) + 3, (1 << 62) - 1].map(|memory| (layers, memory))
        }) {
            let chain = Chain::new(&question(&[memory], layers), Measure::Latency, None);
            for steps in [1, 2, 16, 64] {
                let grid = Grid::new(&chain, 0, steps, &References::unknown(&chain));
                for layer in 0..layers.len() {
                    for left in [0, memory / 3, memory.saturating_sub(1), memory] {
                        let step = grid.step(layer, left);
                        assert!(step < grid.width, "{layers:?}, {memory}: {left} at {step}");
                        assert!(step >= grid.first(layer));
                        // The state is what is left and the references' sum up to there.
                        let held = u128::from(step as u64) * u128::from(grid.unit());
                        assert!(held >= u128::from(left + grid.remainder[layer]));
                    }
                }
            }
        }
    }

    #[test]
    fn limited_time_is_a_grid_of_its_own() {
        let mut question = question(&[10], &[(0, 4), (0, 5)]);
        question.devices[0].compute_max = Some(edgeplan_problem::Nanos(9));
        let chain = Chain::new(&question, Measure::Latency, None);
        let grid = Grid::new(&chain, 0, 1_000, &References::unknown(&chain));
        assert_eq!((chain.room[0].whole(), grid.unit()), (9, 1));
        assert_eq!((grid.step(0, 5), grid.step(1, 0)), (5, 0));
    }
}

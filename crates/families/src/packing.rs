//! Three items to a bin: the reduction that makes placement hard, as a family of instances.

use edgeplan_problem::deployment::{Deployment, Placement};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use edgeplan_files::{InputError, within};

use crate::reductions::source::BinPacking;
use crate::reductions::{self, Shape};

/// What an item of the bin packing becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// A layer of one model that may hop freely: a single model is hard, too, once devices may be
    /// visited again.
    Layers,
    /// A model of one layer: many models that share devices (what DILEMMA, arXiv 2503.01704, calls
    /// NP-hard).
    Models,
}

/// Parameters of the family: 3-partition (Garey and Johnson, Computers and Intractability, 1979,
/// SP15) written as a deployment. Every device is alike and every hop is free, so that a plan is as
/// good as any other, and finding one is all there is to do: `bins` devices have exactly the
/// memory of three items each, and every item is between a quarter and a half of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// Devices; there are three times as many items.
    pub bins: usize,
    /// What items are.
    pub items: Items,
    /// Memory beyond what a perfect packing needs, in thousandths of it.
    pub slack_permille: u64,
    /// The seed.
    pub seed: u64,
}

/// Bytes of a full bin.
const BIN: u64 = 1_000_000_000;

/// The instance of those parameters; a perfect packing exists.
///
/// # Errors
/// Parameters out of range.
pub fn packing(family: &Packing) -> Result<Deployment, InputError> {
    within("generate", "bins", family.bins as u64, &(1..=1024))?;
    within("generate", "slack-permille", family.slack_permille, &(0..=1000))?;
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let (quarter, half) = (BIN / 4, BIN / 2);
    let mut sizes: Vec<u64> = (0..family.bins)
        .flat_map(|_| {
            // The third is what is left, and must be between the two as well.
            let first = rng.random_range(quarter + 2..half - 2);
            let least = (BIN - half - first).max(quarter) + 1;
            let most = (BIN - quarter - first).min(half) - 1;
            let second = rng.random_range(least..=most);
            [first, second, BIN - first - second]
        })
        .collect();
    sizes.shuffle(&mut rng);
    let capacity = BIN + BIN / 1000 * family.slack_permille;
    let source = BinPacking { sizes, capacity, bins: family.bins };
    let shape = match family.items {
        Items::Layers => Shape::Layers,
        Items::Models => Shape::Models,
    };
    let mut instance = Deployment {
        name: format!("packing-{}-{}", family.bins, family.seed),
        placement: Placement::Free,
        ..reductions::packing(&source, shape)
    };
    if family.items == Items::Models {
        for (index, model) in instance.models.iter_mut().enumerate() {
            model.name = format!("model-{}", index + 1);
        }
    }
    instance.checked().map_err(|invalid| InputError::file("packing", invalid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_fill_the_bins_and_three_go_into_each() {
        for (items, seed) in [(Items::Layers, 0), (Items::Models, 7)] {
            let family = Packing { bins: 5, items, slack_permille: 0, seed };
            let instance = packing(&family).unwrap();
            assert_eq!(instance, packing(&family).unwrap());
            let layers = instance.models.iter().flat_map(|model| &model.layers);
            let sizes: Vec<u64> = layers.map(|layer| layer.options[0].bytes.0).collect();
            assert_eq!((sizes.len(), sizes.iter().sum::<u64>()), (15, 5 * BIN));
            assert!(sizes.iter().all(|&size| size > BIN / 4 && size < BIN / 2), "{sizes:?}");
        }
        let error = packing(&Packing { bins: 0, items: Items::Layers, slack_permille: 0, seed: 0 });
        assert!(error.unwrap_err().to_string().contains("bins: 0; 1 to 1024 are allowed"));
    }
}

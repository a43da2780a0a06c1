//! Three items to a bin: the reduction that makes placement hard, as a family of instances.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Loss, Nanos};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use edgeplan_files::{InputError, within};

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
    let layers = sizes.iter().enumerate().map(|(index, &size)| item(family, index, size));
    let models = match family.items {
        Items::Layers => vec![model(family, "model".into(), layers.collect())],
        Items::Models => layers
            .enumerate()
            .map(|(index, layer)| model(family, format!("model-{}", index + 1), vec![layer]))
            .collect(),
    };
    let device = |index: usize| Device {
        host: None,
        name: format!("bin-{index}"),
        memory: Bytes(BIN + BIN / 1000 * family.slack_permille),
        overhead: Bytes::ZERO,
        compute_max: None,
        traffic_max: None,
    };
    let instance = Deployment {
        hosts: Vec::new(),
        name: format!("packing-{}-{}", family.bins, family.seed),
        objective: Objective::Latency,
        placement: Placement::Free,
        source: DeviceId(0),
        devices: (0..family.bins).map(device).collect(),
        models,
        latency_max: None,
        bottleneck_max: None,
    };
    instance.checked().map_err(|invalid| InputError::file("packing", invalid.to_string()))
}

fn item(family: &Packing, index: usize, size: u64) -> Layer {
    let option = LayerOption {
        recipe: "given".into(),
        bytes: Bytes(size),
        shared: None,
        loss: Loss(0),
        compute: vec![Some(Nanos(1_000_000)); family.bins],
    };
    Layer {
        joined: false,
        role: format!("item {index}").into(),
        options: vec![option],
        kv: Bytes::ZERO,
        pin: None,
        output: 0,
    }
}

fn model(family: &Packing, name: String, layers: Vec<Layer>) -> Model {
    let free = vec![Some(Nanos::ZERO); family.bins * family.bins];
    Model {
        name,
        weight: 1,
        layers,
        loss_max: None,
        activation: Bytes::ZERO,
        shared: Vec::new(),
        messages: vec![Message { bytes: Bytes(1), time: free }],
        enter: 0,
        leave: 0,
    }
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

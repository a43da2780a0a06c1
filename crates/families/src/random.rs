//! Numbers drawn at random: no model, no catalog, every number a free one.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Loss, Nanos};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use edgeplan_files::{InputError, within};

/// Parameters of the random family: layers of unequal size, devices of unequal speed and memory,
/// hops of 0.1 to 10 ms, and a quality budget that a 5-bit model just meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Random {
    /// Layers of the chain.
    pub layers: usize,
    /// Devices.
    pub devices: usize,
    /// Formats per layer, at most 8.
    pub formats: usize,
    /// Memory of all devices together over what the model needs at 5 bits, in percent.
    pub memory_percent: u64,
    /// What is minimised.
    pub objective: Objective,
    /// Where layers may lie.
    pub placement: Placement,
    /// The seed.
    pub seed: u64,
}

impl Default for Random {
    fn default() -> Self {
        Self {
            layers: 26,
            devices: 5,
            formats: 4,
            memory_percent: 143,
            objective: Objective::Latency,
            placement: Placement::Contiguous,
            seed: 0,
        }
    }
}

/// Name, hundredths of a bit per weight, and loss of a whole model in millionths of a nat. The bits
/// are those of the GGML types; the losses are the published mean KL divergences of Llama-3-8B
/// (llama.cpp, `tools/perplexity/README.md`), rounded.
const FORMATS: [(&str, u64, u64); 8] = [
    ("q5_K", 550, 16_595),
    ("q4_K", 450, 43_136),
    ("q3_K", 344, 228_217),
    ("q8_0", 850, 1_355),
    ("q6_K", 656, 5_452),
    ("q2_K", 263, 445_132),
    ("f16", 1_600, 551),
    ("q4_0", 450, 71_940),
];

impl Random {
    /// Whether these parameters mean what they say; [`random`] takes the nearest ones that do.
    ///
    /// # Errors
    /// The key that is out of range, and what is allowed.
    pub fn check(&self) -> Result<(), InputError> {
        within("generate", "layers", self.layers as u64, &(1..=1024))?;
        within("generate", "devices", self.devices as u64, &(1..=1024))?;
        within("generate", "formats", self.formats as u64, &(1..=FORMATS.len() as u64))?;
        within("generate", "memory-percent", self.memory_percent, &(1..=100_000))
    }
}

/// The instance of those parameters.
pub fn random(family: &Random) -> Deployment {
    several(family, 1)
}

/// So many models of that family that share its devices, whose memory grows with their number. One
/// model gives what [`random`] gives.
pub fn several(family: &Random, models: usize) -> Deployment {
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let layers = family.layers.max(1);
    let mut weights = vec![draw(layers, || 1_000_000 * rng.random_range(150..=250u64))];
    let shares = draw(family.devices, || rng.random_range(1..=4u64));
    let rates = draw(family.devices, || rng.random_range(15..=400u64));
    let hops: Vec<Option<Nanos>> = (0..family.devices * family.devices)
        .map(|pair| match pair % (family.devices + 1) {
            0 => Some(Nanos::ZERO),
            _ => Some(Nanos(rng.random_range(100_000..=10_000_000u64))),
        })
        .collect();
    let mut sensitivity = vec![draw(layers, || rng.random_range(50..=150u64))];
    for _ in 1..models {
        weights.push(draw(layers, || 1_000_000 * rng.random_range(150..=250u64)));
        sensitivity.push(draw(layers, || rng.random_range(50..=150u64)));
    }
    let total: u64 = weights.iter().flatten().sum();
    let need = total * FORMATS[0].1 / 800;
    let memory =
        |share: u64| need / shares.iter().sum::<u64>() * share / 100 * family.memory_percent;
    let devices = shares.iter().enumerate().map(|(index, &share)| Device {
        host: None,
        name: format!("device-{index}"),
        memory: Bytes(memory(share)),
        overhead: Bytes::ZERO,
        compute_max: None,
        traffic_max: None,
    });
    let Random { layers, devices: width, formats, seed, .. } = family;
    let chains = weights.iter().zip(&sensitivity).enumerate();
    Deployment {
        hosts: Vec::new(),
        name: format!("random-{layers}x{width}x{formats}-{seed}"),
        objective: family.objective,
        placement: family.placement,
        source: DeviceId(0),
        devices: devices.collect(),
        models: chains
            .map(|(index, (weights, sensitivity))| {
                let layer = |index| layer(family, index, weights, sensitivity, &rates);
                let chain: Vec<Layer> = (0..weights.len()).map(layer).collect();
                let name = if index == 0 { "model".into() } else { format!("model-{}", index + 1) };
                model(name, chain, &hops)
            })
            .collect(),
        latency_max: None,
        bottleneck_max: None,
    }
}

fn draw(count: usize, mut one: impl FnMut() -> u64) -> Vec<u64> {
    (0..count).map(|_| one()).collect()
}

fn model(name: String, chain: Vec<Layer>, hops: &[Option<Nanos>]) -> Model {
    Model {
        name,
        weight: 1,
        loss_max: Some(chain.iter().map(|layer| layer.options[0].loss).sum()),
        layers: chain,
        activation: Bytes::ZERO,
        shared: Vec::new(),
        messages: vec![Message { bytes: Bytes(16_384), time: hops.to_vec() }],
        enter: 0,
        leave: 0,
    }
}

fn layer(
    family: &Random,
    index: usize,
    weights: &[u64],
    sensitivity: &[u64],
    rates: &[u64],
) -> Layer {
    let options = FORMATS.iter().take(family.formats.clamp(1, FORMATS.len()));
    let options = options.map(|&(recipe, bits, loss)| {
        let bytes = weights[index] * bits / 800;
        LayerOption {
            recipe: recipe.into(),
            bytes: Bytes(bytes),
            shared: None,
            loss: Loss(loss * 10 * sensitivity[index] / weights.len() as u64),
            // bytes over GB/s is nanoseconds
            compute: rates.iter().map(|rate| Some(Nanos(bytes / rate))).collect(),
        }
    });
    Layer {
        joined: false,
        role: format!("layer {index}").into(),
        options: options.collect(),
        kv: Bytes::ZERO,
        pin: (index == 0).then_some(DeviceId(0)),
        output: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_files::deployment::{PlanFile, read_instance, write_instance};
    use edgeplan_problem::deployment::{Assignment, Plan};

    #[test]
    fn the_same_seed_gives_the_same_instance_and_files_round_trip() {
        let instance = random(&Random::default()).checked().unwrap();
        assert_eq!(instance, random(&Random::default()));
        let text = write_instance(&instance);
        assert_eq!(read_instance("i.json", &text).unwrap(), instance);
        let plan = Plan::single(vec![Assignment::default(); 26]);
        let file = PlanFile::new(&instance, &plan);
        assert_eq!(file.resolve("p.json", &instance).unwrap(), plan);
        let other = random(&Random { seed: 1, ..Random::default() });
        let error = file.resolve("p.json", &other).unwrap_err().to_string();
        assert!(error.starts_with("p.json: instance: made for instance"), "{error}");
    }

    #[test]
    fn models_share_the_devices_of_the_first() {
        let family = Random { layers: 5, ..Random::default() };
        let (one, three) = (random(&family), several(&family, 3).checked().unwrap());
        assert_eq!(three.models[0], one.models[0]);
        assert_ne!(three.models[1].layers, three.models[2].layers);
        assert_eq!(three.models[2].name, "model-3");
        assert!(three.devices[0].memory > one.devices[0].memory + one.devices[0].memory);
    }

    #[test]
    fn a_typing_error_names_the_nearest_key() {
        let text = write_instance(&random(&Random::default())).replace("\"source\"", "\"sorce\"");
        let error = read_instance("i.json", &text).unwrap_err().to_string();
        assert!(error.contains("did you mean `source`?"), "{error}");
    }
}

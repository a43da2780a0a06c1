//! Machines with GPUs and RAM, and a model with experts: blocks in two parts, alike but for what
//! their formats lose.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, HostId, Layer, LayerOption, LayerRole, Message, Model, Objective,
    Part, Placement,
};
use edgeplan_problem::{Bytes, Loss, Nanos};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use edgeplan_files::{InputError, within};

/// Parameters of the family: hosts of GPUs and one CPU each, joined by a network of 1 or 10 Gbit/s;
/// a chain of blocks, each an attention part and its experts, between embedding and head.
///
/// Tokens are decoded one at a time. A token reads all of an attention part and an eighth of the
/// experts; a GPU reads 300 to 1,000 GB/s, a CPU 40 to 90.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hosts {
    /// Machines.
    pub hosts: usize,
    /// Devices of each: GPUs, and the CPU last.
    pub devices: usize,
    /// Blocks of the model.
    pub blocks: usize,
    /// Formats of every part, at most 6.
    pub formats: usize,
    /// Memory of all GPUs over what the model needs at 4.5 bits, in percent. RAM always holds a
    /// host's share of the model.
    pub memory_percent: u64,
    /// How much losses differ between blocks, in percent of their mean; 0: all blocks are alike.
    pub spread_percent: u64,
    /// The seed.
    pub seed: u64,
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            hosts: 1,
            devices: 2,
            blocks: 48,
            formats: 4,
            memory_percent: 60,
            spread_percent: 50,
            seed: 0,
        }
    }
}

/// Name, hundredths of a bit per weight, and loss of a whole model in millionths of a nat, as of
/// the random family.
const FORMATS: [(&str, u64, u64); 6] = [
    ("q4_K", 450, 43_136),
    ("q5_K", 550, 16_595),
    ("q3_K", 344, 228_217),
    ("q6_K", 656, 5_452),
    ("q2_K", 263, 445_132),
    ("q8_0", 850, 1_355),
];

/// Weights of an attention part, of the experts of a block, and of embedding and head.
const ATTENTION: u64 = 38_000_000;
const EXPERTS: u64 = 600_000_000;
const ENDS: u64 = 300_000_000;
/// Bytes of a hidden state.
const STATE: u64 = 16_384;
/// Tokens of a request that are decoded; what comes before them is not in the family.
const TOKENS: u64 = 100;

/// The instance of those parameters.
///
/// # Errors
/// Parameters out of range.
pub fn hosts(family: &Hosts) -> Result<Deployment, InputError> {
    within("generate", "hosts", family.hosts as u64, &(1..=64))?;
    within("generate", "devices", family.devices as u64, &(2..=8))?;
    within("generate", "blocks", family.blocks as u64, &(1..=1024))?;
    within("generate", "formats", family.formats as u64, &(1..=FORMATS.len() as u64))?;
    within("generate", "memory-percent", family.memory_percent, &(1..=100_000))?;
    within("generate", "spread-percent", family.spread_percent, &(0..=100))?;
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let machines = Machines::draw(family, &mut rng);
    let model = Chain { family, rates: &machines.rates }.model(&mut rng, machines.times());
    let Hosts { hosts, devices, blocks, formats, seed, .. } = family;
    let deployment = Deployment {
        name: format!("hosts-{hosts}x{devices}-{blocks}x{formats}-{seed}"),
        objective: Objective::Latency,
        placement: Placement::Contiguous,
        source: DeviceId((family.devices - 1) as u16),
        hosts: (0..family.hosts).map(|host| format!("pc-{host}")).collect(),
        devices: machines.devices,
        models: vec![model],
        latency_max: None,
        bottleneck_max: None,
    };
    deployment.checked().map_err(|invalid| InputError::file("hosts", invalid.to_string()))
}

/// What is drawn of the machines.
struct Machines {
    devices: Vec<Device>,
    /// GB/s by device.
    rates: Vec<u64>,
    /// Nanoseconds that a hidden state takes between two devices of a host, and between two hosts.
    inside: u64,
    between: Vec<u64>,
}

impl Machines {
    fn draw(family: &Hosts, rng: &mut Pcg64Mcg) -> Self {
        let weights = family.blocks as u64 * (ATTENTION + EXPERTS) + 2 * ENDS;
        let need = weights / 800 * FORMATS[0].1;
        let gpus = (family.hosts * (family.devices - 1)) as u64;
        let (mut devices, mut rates, mut between) = (Vec::new(), Vec::new(), Vec::new());
        for host in 0..family.hosts {
            for index in 0..family.devices {
                let is_cpu = index + 1 == family.devices;
                let share = rng.random_range(60..=140u64);
                let memory = match is_cpu {
                    true => need / family.hosts as u64 / 100 * 110,
                    false => need / gpus / 10_000 * family.memory_percent * share,
                };
                rates.push(match is_cpu {
                    true => rng.random_range(40..=90),
                    false => rng.random_range(300..=1000),
                });
                devices.push(Device {
                    name: match is_cpu {
                        true => format!("pc-{host}/cpu"),
                        false => format!("pc-{host}/gpu{index}"),
                    },
                    host: Some(HostId(host as u16)),
                    memory: Bytes(memory),
                    overhead: Bytes::ZERO,
                    compute_max: None,
                    traffic_max: None,
                });
            }
        }
        for _ in 0..family.hosts * family.hosts {
            // 16 KiB at 1 or 10 Gbit/s, and 100 to 300 microseconds on the way.
            let sending = if rng.random_range(0..2u64) == 0 { 131_072 } else { 13_107 };
            between.push(sending + 1000 * rng.random_range(100..=300u64));
        }
        Self { devices, rates, inside: 1000 * rng.random_range(8..=20u64), between }
    }

    /// Times of a hidden state for all tokens, by sender and receiver.
    fn times(&self) -> Vec<Option<Nanos>> {
        let host = |device: &Device| device.host.map_or(0, HostId::index);
        let hosts = self.between.len().isqrt();
        let pairs = self.devices.iter().enumerate().flat_map(|(from, one)| {
            self.devices.iter().enumerate().map(move |(to, two)| (from, to, host(one), host(two)))
        });
        pairs
            .map(|(from, to, one, two)| match () {
                () if from == to => Some(Nanos::ZERO),
                () if one == two => Some(Nanos(TOKENS * self.inside)),
                () => Some(Nanos(TOKENS * self.between[one * hosts + two])),
            })
            .collect()
    }
}

/// The chain in the making.
struct Chain<'a> {
    family: &'a Hosts,
    rates: &'a [u64],
}

impl Chain<'_> {
    fn model(&self, rng: &mut Pcg64Mcg, time: Vec<Option<Nanos>>) -> Model {
        let blocks = self.family.blocks;
        let spread = self.family.spread_percent;
        let mut layers = vec![self.layer(Part::Embedding.into(), ENDS, 0, 0)];
        for block in 0..blocks {
            let sensitivity = rng.random_range(100 - spread..=100 + spread);
            // Experts hold nearly all weights and lose two thirds.
            let attention =
                self.layer(Part::Attention(block).into(), ATTENTION, ATTENTION, sensitivity / 3);
            let experts = self.layer(
                Part::Experts(block).into(),
                EXPERTS,
                EXPERTS / 8,
                sensitivity - sensitivity / 3,
            );
            layers.push(Layer { kv: Bytes(16 << 20), ..attention });
            layers.push(Layer { joined: true, ..experts });
        }
        layers.push(self.layer(Part::Head.into(), ENDS, ENDS, 0));
        layers[0].pin = Some(DeviceId((self.family.devices - 1) as u16));
        Model {
            name: "experts".into(),
            weight: 1,
            // What the first format loses everywhere.
            loss_max: Some(layers.iter().map(|layer| layer.options[0].loss).sum()),
            layers,
            activation: Bytes(64 << 20),
            shared: Vec::new(),
            messages: vec![Message { bytes: Bytes(TOKENS * STATE), time }],
            enter: 0,
            leave: 0,
        }
    }

    /// A layer of so many weights, of which a token reads some; its share of the model's loss in
    /// hundredths of a block.
    fn layer(&self, role: LayerRole, weights: u64, read: u64, share: u64) -> Layer {
        let options = FORMATS.iter().take(self.family.formats);
        let options = options.map(|&(recipe, bits, loss)| LayerOption {
            recipe: recipe.into(),
            bytes: Bytes(weights / 800 * bits),
            shared: None,
            loss: Loss(loss * 10 * share / self.family.blocks as u64),
            // Bytes over GB/s are nanoseconds; a launch takes 5 microseconds.
            compute: self
                .rates
                .iter()
                .map(|rate| Some(Nanos(TOKENS * (read / 800 * bits / rate + 5000))))
                .collect(),
        });
        Layer {
            role,
            options: options.collect(),
            kv: Bytes::ZERO,
            pin: None,
            output: 0,
            joined: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_files::deployment::{read_instance, write_instance};

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_machines_and_files_round_trip() {
        let family = Hosts { hosts: 2, devices: 3, blocks: 4, ..Hosts::default() };
        let instance = hosts(&family).unwrap();
        assert_eq!(instance, hosts(&family).unwrap());
        assert!(instance.has_hosts());
        assert_eq!(instance.host_by_device(), [0, 0, 0, 1, 1, 1]);
        assert_eq!(read_instance("i.json", &write_instance(&instance)).unwrap(), instance);
        assert_ne!(instance, hosts(&Hosts { seed: 1, ..family }).unwrap());
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let error = hosts(&Hosts { devices: 1, ..Hosts::default() }).unwrap_err().to_string();
        assert!(error.contains("devices: 1; 2 to 8 are allowed"), "{error}");
    }
}

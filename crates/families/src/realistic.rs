//! Catalog models on catalog devices: only the choice of devices and the links are drawn.

use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_files::{InputError, within};
use edgeplan_machines::cluster::{Cluster, ClusterDevice, ClusterFile, Link, Switch};
use edgeplan_model::{ModelSpec, Part};
use edgeplan_pricing::deployment;
use edgeplan_pricing::engine::EngineTraits;
use edgeplan_pricing::workload::{self, Goal, Granularity, Workload};
use edgeplan_problem::format::Format;

/// Parameters of the families that are built from the catalogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realistic {
    /// Which devices there are, and how they are linked.
    pub network: Network,
    /// `catalog:NAME` or a file.
    pub model: String,
    /// Layers: embedding, head, and between them the model's blocks, cut or repeated to fit.
    pub layers: usize,
    /// Devices, the source among them.
    pub devices: usize,
    /// Formats to choose from, at most 10.
    pub formats: usize,
    /// Most options per layer: the formats, and beyond them mixes by tensor class.
    pub recipes: usize,
    /// What is minimised.
    pub objective: Objective,
    /// Where layers may lie.
    pub placement: Placement,
    /// The seed.
    pub seed: u64,
}

/// Which devices there are, and how they are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// What people own, on one switch: cables with 940 Mbit/s and 0.2 ms, or Wi-Fi with 100 to
    /// 600 Mbit/s and 2 to 8 ms. The source is a laptop.
    HomeLab,
    /// Servers on a plane of 500 by 500 km, every pair linked: 1 ms and 10 us per km, and the
    /// smaller of two uplinks of 100 to 1000 Mbit/s. The source is a laptop behind 20 to 50 Mbit/s
    /// and 10 ms more.
    EdgeSites,
    /// So many classes of identical devices, all alike linked to one switch; the source is of the
    /// first class. Devices are dealt out to the classes in turn.
    Classes(usize),
}

impl Default for Realistic {
    fn default() -> Self {
        Self {
            network: Network::HomeLab,
            model: "catalog:llama-3.1-8b".into(),
            layers: 34,
            devices: 5,
            formats: 6,
            recipes: 24,
            objective: Objective::Latency,
            placement: Placement::Contiguous,
            seed: 0,
        }
    }
}

/// Machines in homes, and whether they are on Wi-Fi.
const HOME: [(&str, bool); 12] = [
    ("apple-m2-pro", true),
    ("apple-m3-pro", true),
    ("apple-m4", true),
    ("snapdragon-8-elite-16", true),
    ("apple-m2-max", false),
    ("rtx-3060-12", false),
    ("rtx-3070-8", false),
    ("rtx-4060-ti-16", false),
    ("jetson-orin-nano-8", false),
    ("raspberry-pi-5-16", false),
    ("ryzen-7950x-64", false),
    ("core-i5-12400-32", false),
];
const LAPTOP: &str = "apple-m2";
const SERVERS: [&str; 8] = [
    "tesla-t4-16",
    "l4-24",
    "rtx-3090-24",
    "rtx-4090-24",
    "jetson-agx-orin-32",
    "jetson-agx-orin-64",
    "ryzen-7950x-64",
    "dgx-spark-128",
];
/// The first few of these are to choose from; the first alone meets the quality floor.
const FORMATS: [Format; 10] = [
    Format::Q5K,
    Format::Q4K,
    Format::Q8_0,
    Format::Q6K,
    Format::Q3K,
    Format::F16,
    Format::Q2K,
    Format::Q4_0,
    Format::Q5_0,
    Format::Q4_1,
];
/// Memory of these machines in the suites, in bytes: what the catalog said of them when the first
/// records were made, so that records of all versions are of the same instances.
const MEMORY: [(&str, u64); 20] = [
    ("apple-m2", 18_000_000_000),
    ("apple-m2-pro", 12_000_000_000),
    ("apple-m3-pro", 27_000_000_000),
    ("apple-m4", 24_000_000_000),
    ("snapdragon-8-elite-16", 9_600_000_000),
    ("apple-m2-max", 72_000_000_000),
    ("rtx-3060-12", 11_040_000_000),
    ("rtx-3070-8", 7_360_000_000),
    ("rtx-4060-ti-16", 14_720_000_000),
    ("jetson-orin-nano-8", 6_000_000_000),
    ("raspberry-pi-5-16", 12_800_000_000),
    ("ryzen-7950x-64", 54_400_000_000),
    ("core-i5-12400-32", 27_200_000_000),
    ("tesla-t4-16", 14_720_000_000),
    ("l4-24", 22_080_000_000),
    ("rtx-3090-24", 22_080_000_000),
    ("rtx-4090-24", 22_080_000_000),
    ("jetson-agx-orin-32", 27_200_000_000),
    ("jetson-agx-orin-64", 54_400_000_000),
    ("dgx-spark-128", 108_800_000_000),
];
/// Tokens of a request.
const PROMPT: u32 = 512;
const ANSWER: u32 = 128;
const CABLE: (Bandwidth, Time) = (Bandwidth(940_000_000), Time(200_000));
const MBIT: u64 = 1_000_000;

/// The instance of those parameters: a request of 512 and 128 tokens, at least as good as q4_K_M.
///
/// # Errors
/// Numbers out of range, and models that cannot be read.
pub fn realistic(family: &Realistic) -> Result<Deployment, InputError> {
    family.check()?;
    let mut rng = Pcg64Mcg::seed_from_u64(family.seed);
    let (name, wire) = match family.network {
        Network::HomeLab => ("home-lab", home_lab(family.devices, &mut rng)),
        Network::EdgeSites => ("edge-sites", edge_sites(family.devices, &mut rng)),
        Network::Classes(count) => ("classes", classes(family.devices, count, &mut rng)),
    };
    let cluster = Cluster::new(name, wire)?;
    let model = resized(edgeplan_model::load(&family.model)?, family.layers);
    let mut instance = deployment(&[model], &cluster, &family.workload())?;
    let Realistic { layers, devices, formats, seed, .. } = family;
    instance.name = format!("{name}-{layers}x{devices}x{formats}-{seed}");
    Ok(instance)
}

impl Realistic {
    /// Whether there is such an instance.
    ///
    /// # Errors
    /// The key that is out of range, and what is allowed.
    pub fn check(&self) -> Result<(), InputError> {
        let classes = match self.network {
            Network::Classes(count) => count,
            Network::HomeLab | Network::EdgeSites => 1,
        };
        let ranges = [
            ("layers", self.layers, 3, 1024),
            ("devices", self.devices, 1, 1024),
            ("formats", self.formats, 1, FORMATS.len()),
            ("recipes", self.recipes, self.formats, 1024),
            ("classes", classes, 1, SERVERS.len().min(self.devices)),
        ];
        ranges.into_iter().try_for_each(|(key, value, least, most)| {
            within("generate", key, value as u64, &(least as u64..=most as u64))
        })
    }

    fn workload(&self) -> Workload {
        let uniform = self.recipes == self.formats;
        Workload {
            prompt: PROMPT,
            generate: ANSWER,
            objective: match self.objective {
                Objective::Latency => Goal::Latency,
                Objective::Bottleneck => Goal::Throughput,
                Objective::Memory => Goal::Memory,
            },
            placement: match self.placement {
                Placement::Contiguous => workload::Placement::Contiguous,
                Placement::Free => workload::Placement::Free,
            },
            formats: FORMATS[..self.formats].to_vec(),
            granularity: if uniform { Granularity::Layer } else { Granularity::TensorClass },
            recipes_max: self.recipes,
            // As the recorded instances are.
            context: Some(PROMPT + ANSWER),
            engine: EngineTraits::REFERENCE,
            ..Workload::default()
        }
    }
}

/// The same model with so many layers.
fn resized(mut model: ModelSpec, layers: usize) -> ModelSpec {
    let (blocks, ends): (Vec<_>, Vec<_>) =
        model.layers.into_iter().partition(|layer| layer.part.is_block());
    let inner = layers.saturating_sub(ends.len());
    let mut chain = blocks.into_iter().cycle().take(inner).collect::<Vec<_>>();
    for (index, block) in chain.iter_mut().enumerate() {
        block.part = Part::Block(index);
    }
    let (first, last): (Vec<_>, Vec<_>) =
        ends.into_iter().partition(|layer| layer.part == Part::Embedding);
    model.layers = first.into_iter().chain(chain).chain(last).collect();
    model
}

fn pick<T: Copy>(list: &[T], rng: &mut Pcg64Mcg) -> T {
    // A range of u64, because usize is not the same everywhere.
    list[rng.random_range(0..list.len() as u64) as usize]
}

/// Places are numbered, so that names sort in their order and the source comes first.
fn name(place: usize, profile: &str) -> String {
    format!("{place:03}-{profile}")
}

/// A cluster of these profiles, not yet linked; the first is the source.
fn hosts(profiles: &[&str]) -> ClusterFile {
    let device = |(place, profile): (usize, &&str)| {
        let memory = MEMORY.iter().find(|(known, _)| known == profile);
        let memory = memory.map(|&(_, bytes)| Memory(bytes));
        let device = ClusterDevice::new(format!("catalog:{profile}"));
        (name(place, profile), ClusterDevice { memory, ..device })
    };
    ClusterFile {
        source: name(0, profiles[0]),
        device: profiles.iter().enumerate().map(device).collect(),
        ..ClusterFile::default()
    }
}

fn on_a_switch(profiles: &[&str], links: &[(Bandwidth, Time)]) -> ClusterFile {
    let mut wire = hosts(profiles);
    wire.switch.insert("switch".into(), Switch {});
    let ends = profiles.iter().enumerate().map(|(place, profile)| name(place, profile));
    let link = |(end, &(bandwidth, latency))| {
        let between = [end, "switch".into()];
        Link { between, bandwidth, latency, one_way: false }
    };
    wire.link = ends.zip(links).map(link).collect();
    wire
}

fn home_lab(devices: usize, rng: &mut Pcg64Mcg) -> ClusterFile {
    let mut owned = vec![(LAPTOP, true)];
    owned.extend((1..devices).map(|_| pick(&HOME, rng)));
    let profiles: Vec<&str> = owned.iter().map(|&(profile, _)| profile).collect();
    let mut link = |&(_, wireless): &(&str, bool)| match wireless {
        true => {
            let bandwidth = Bandwidth(MBIT * rng.random_range(100..=600u64));
            (bandwidth, Time(100_000 * rng.random_range(20..=80u64)))
        }
        false => CABLE,
    };
    let links: Vec<(Bandwidth, Time)> = owned.iter().map(&mut link).collect();
    on_a_switch(&profiles, &links)
}

fn classes(devices: usize, count: usize, rng: &mut Pcg64Mcg) -> ClusterFile {
    let mut left = SERVERS.to_vec();
    let chosen: Vec<&str> = (0..count)
        .map(|_| left.swap_remove(rng.random_range(0..left.len() as u64) as usize))
        .collect();
    let profiles: Vec<&str> = chosen.into_iter().cycle().take(devices).collect();
    on_a_switch(&profiles, &vec![CABLE; devices])
}

/// A place on the plane in km, with what its uplink allows and adds.
struct Site {
    x: u64,
    y: u64,
    uplink: Bandwidth,
    access: Time,
}

fn edge_sites(devices: usize, rng: &mut Pcg64Mcg) -> ClusterFile {
    let mut profiles = vec![LAPTOP];
    profiles.extend((1..devices).map(|_| pick(&SERVERS, rng)));
    let mut site = |place: usize| {
        let (x, y) = (rng.random_range(0..=500u64), rng.random_range(0..=500u64));
        let (uplink, access) = match place {
            0 => (rng.random_range(20..=50u64), Time(10_000_000)),
            _ => (pick(&[100, 200, 500, 1000], rng), Time(0)),
        };
        Site { x, y, uplink: Bandwidth(MBIT * uplink), access }
    };
    let sites: Vec<Site> = (0..devices).map(&mut site).collect();
    let link = |from: usize, to: usize| {
        let (a, b) = (&sites[from], &sites[to]);
        let kilometres = (a.x.abs_diff(b.x).pow(2) + a.y.abs_diff(b.y).pow(2)).isqrt();
        Link {
            between: [name(from, profiles[from]), name(to, profiles[to])],
            bandwidth: a.uplink.min(b.uplink),
            latency: Time(1_000_000 + 10_000 * kilometres + a.access.0 + b.access.0),
            one_way: false,
        }
    };
    let mut wire = hosts(&profiles);
    wire.link = (0..devices)
        .flat_map(|from| (from + 1..devices).map(move |to| (from, to)))
        .map(|(from, to)| link(from, to))
        .collect();
    wire
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_problem::Nanos;
    use edgeplan_problem::deployment::DeviceId;

    fn family(network: Network, seed: u64) -> Realistic {
        Realistic { network, devices: 7, layers: 12, seed, ..Realistic::default() }
    }

    #[test]
    fn every_network_is_seeded_and_rich_in_recipes() {
        for network in [Network::HomeLab, Network::EdgeSites, Network::Classes(3)] {
            let instance = realistic(&family(network, 0)).unwrap();
            assert_eq!(instance, realistic(&family(network, 0)).unwrap());
            assert_ne!(instance.devices, realistic(&family(network, 1)).unwrap().devices);
            let layers = &instance.models[0].layers;
            assert_eq!((layers.len(), instance.devices.len()), (12, 7));
            assert_eq!(layers[10].role, Part::Block(9).into());
            for block in &layers[1..11] {
                assert!((12..=30).contains(&block.options.len()), "{}", block.options.len());
            }
        }
    }

    #[test]
    fn sizes_are_what_was_asked_for() {
        let small = Realistic { formats: 3, recipes: 3, layers: 40, ..Realistic::default() };
        let instance = realistic(&small).unwrap();
        assert_eq!(instance.name, "home-lab-40x5x3-0");
        assert!(instance.models[0].layers.iter().all(|layer| layer.options.len() == 3));
        assert_eq!(instance.models[0].layers[39].role, Part::Head.into());
    }

    #[test]
    fn devices_of_a_class_are_alike() {
        let instance = realistic(&family(Network::Classes(3), 5)).unwrap();
        let profile = |device: usize| instance.devices[device].name[4..].to_owned();
        let kinds: std::collections::BTreeSet<String> = (0..7).map(profile).collect();
        assert_eq!(kinds.len(), 3);
        let model = &instance.models[0];
        for (device, like) in (3..7).map(|device| (device, device % 3)) {
            assert_eq!(profile(device), profile(like));
            assert_eq!(instance.devices[device].memory, instance.devices[like].memory);
            for option in model.layers.iter().flat_map(|layer| &layer.options) {
                assert_eq!(option.compute[device], option.compute[like]);
            }
        }
    }

    /// Numbers of seed 0, so that another platform or generator would be noticed.
    #[test]
    fn the_first_instance_stays_the_same() {
        let instance = realistic(&family(Network::EdgeSites, 0)).unwrap();
        let names: Vec<&str> = instance.devices.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names[..2], ["000-apple-m2", "001-rtx-3090-24"]);
        // 203 km away: 129 steps of 13.03 ms, and 2560 bytes at 20 Mbit/s.
        let enter = instance.enter(&instance.models[0], DeviceId(1));
        assert_eq!(enter, Some(Nanos(129 * 13_030_000 + 1_024_000)));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let cases = [
            (Realistic { layers: 2, ..Realistic::default() }, "generate: layers: 2; 3 to 1024"),
            (Realistic { devices: 0, ..Realistic::default() }, "devices: 0; 1 to 1024"),
            (Realistic { formats: 11, ..Realistic::default() }, "formats: 11; 1 to 10"),
            (Realistic { recipes: 2, ..Realistic::default() }, "recipes: 2; 6 to 1024"),
            (family(Network::Classes(8), 0), "classes: 8; 1 to 7"),
            (Realistic { model: "catalog:lama".into(), ..Realistic::default() }, "no such model"),
        ];
        for (family, expected) in cases {
            let error = realistic(&family).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

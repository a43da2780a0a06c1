//! Clusters of Helix (Thesys-lab/Helix-ASPLOS25, `config/*.ini`; Mei et al., ASPLOS 2025).
//!
//! Used: every `[ComputeNode-i]` with its `type`; every `[Link-a-b]` with `bandwidth` and
//! `latency`, products such as `12.5 * mbps` or plain numbers; a link leads both ways. `source` and
//! `sink` are the two roles of the coordinator, which holds no layers: here the source, with no
//! memory. Bandwidths are **bytes** per second whatever their names say: its regions of 10 Gbit/s
//! are written `1.25 * gbps`. Machine types become profiles with the numbers of our catalog;
//! several cards in a machine count as one card so many times as large and as fast, which is what
//! tensor parallelism reaches at best. Memory is `vram_size` of the machine
//! profiles if these are given. Ignored: `connected_nodes` (the links say it), network cards and
//! disks.

use ini::Ini;

use super::Options;
use crate::cluster::{ClusterDevice, ClusterFile, Link};
use crate::device::{self, Device, Status};
use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_files::{InputError, TextFile, nearest};

const COORDINATOR: &str = "coordinator";
/// What a machine with no memory computes with does not matter.
const COORDINATOR_PROFILE: &str = "catalog:core-i5-12400-32";

/// A machine type of Helix.
struct Machine {
    name: &'static str,
    catalog: &'static str,
    cards: u32,
    memory_gb: f64,
}

const MACHINES: [Machine; 7] = [
    machine("A100", "a100-80", 1, 40.0),
    machine("V100", "v100-16", 1, 16.0),
    machine("L4", "l4-24", 1, 24.0),
    machine("L4x2", "l4-24", 2, 48.0),
    machine("T4", "tesla-t4-16", 1, 16.0),
    machine("T4x2", "tesla-t4-16", 2, 32.0),
    machine("T4x4", "tesla-t4-16", 4, 64.0),
];

const fn machine(name: &'static str, catalog: &'static str, cards: u32, memory_gb: f64) -> Machine {
    Machine { name, catalog, cards, memory_gb }
}

/// Helix's names of quantities, in units of one.
const UNITS: [(&str, f64); 9] = [
    ("kbps", 1e3),
    ("mbps", 1e6),
    ("gbps", 1e9),
    ("Byte", 1.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("Sec", 1.0),
    ("MilliSec", 1e-3),
];

pub(super) fn cluster(
    file: &TextFile,
    machines: Option<&TextFile>,
    options: &Options,
) -> Result<String, InputError> {
    let ini = parse(file)?;
    let machines = machines.map(|file| Ok((file, parse(file)?))).transpose()?;
    let mut wire = ClusterFile { source: COORDINATOR.into(), ..ClusterFile::default() };
    let mut coordinator = ClusterDevice::new(COORDINATOR_PROFILE);
    coordinator.memory = Some(Memory(0));
    wire.device.insert(COORDINATOR.into(), coordinator);
    for (section, node) in sections(&ini, "ComputeNode-") {
        let kind = value(file, &ini, section, "type")?;
        let host = host(file, section, kind, options)?;
        if let Some(name) = host.profile.strip_prefix("cluster:") {
            wire.profile.insert(name.to_owned(), profile(name, machines.as_ref())?);
        }
        wire.device.insert(device(node, &ini), host);
    }
    if wire.device.len() == 1 {
        let problem = "no section [ComputeNode-0]; at least one is needed";
        return Err(InputError::file(&file.name, problem));
    }
    for (section, ends) in sections(&ini, "Link-") {
        wire.link.push(link(file, &ini, section, ends, &wire)?);
    }
    let comment = format!(
        "Made from Helix's {}. The coordinator holds no layers: plan with `privacy = false`.\n\
         Profiles have the catalog's numbers, times the cards of a machine.",
        file.short_name()
    );
    Ok(wire.text(&comment))
}

/// The sections that begin so, whole and without the beginning.
fn sections<'a>(ini: &'a Ini, start: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    ini.sections()
        .flatten()
        .filter_map(move |section| Some((section, section.strip_prefix(start)?)))
}

fn device(node: &str, ini: &Ini) -> String {
    let width = sections(ini, "ComputeNode-").map(|(_, node)| node.len()).max().unwrap_or(1);
    match node {
        "source" | "sink" => COORDINATOR.to_owned(),
        _ => format!("node-{node:0>width$}"),
    }
}

fn link(
    file: &TextFile,
    ini: &Ini,
    section: &str,
    ends: &str,
    wire: &ClusterFile,
) -> Result<Link, InputError> {
    let Some((from, to)) = ends.split_once('-') else {
        let problem = "one node; two, as in Link-0-1, are needed";
        return Err(InputError::key(&file.name, section, problem));
    };
    let between = [device(from, ini), device(to, ini)];
    if let Some(node) =
        [from, to].into_iter().find(|node| !wire.device.contains_key(&device(node, ini)))
    {
        let problem = format!("there is no section [ComputeNode-{node}]");
        return Err(InputError::key(&file.name, section, problem));
    }
    let number = |key: &str, scale: f64| {
        let number = product(value(file, ini, section, key)?);
        number
            .and_then(|number| whole(number * scale))
            .map_err(|problem| InputError::key(&file.name, format!("{section}.{key}"), problem))
    };
    let bandwidth = Bandwidth(number("bandwidth", 8.0)?);
    let latency = Time(number("latency", 1e9)?);
    Ok(Link { between, bandwidth, latency, one_way: from == "source" || to == "sink" })
}

fn parse(file: &TextFile) -> Result<Ini, InputError> {
    Ini::load_from_str_noescape(&file.text).map_err(|error| {
        let line = error.line + 1;
        let problem = format!("line {line}: `[section]` or `key = value` is needed");
        InputError::file(&file.name, problem)
    })
}

fn value<'a>(
    file: &TextFile,
    ini: &'a Ini,
    section: &str,
    key: &str,
) -> Result<&'a str, InputError> {
    let value = ini.get_from(Some(section), key);
    value.ok_or_else(|| InputError::key(&file.name, format!("{section}.{key}"), "is missing"))
}

/// The host of a machine type: one of ours in a profile of the file, or what the caller says.
fn host(
    file: &TextFile,
    section: &str,
    kind: &str,
    options: &Options,
) -> Result<ClusterDevice, InputError> {
    let said = options.devices.iter().filter_map(|said| said.split_once('='));
    if let Some((_, profile)) = said.clone().find(|(name, _)| *name == kind) {
        return Ok(ClusterDevice::new(profile));
    }
    let known = || MACHINES.iter().map(|machine| machine.name);
    if known().any(|name| name == kind) {
        return Ok(ClusterDevice::new(format!("cluster:{kind}")));
    }
    let hint = nearest(kind, known()).map(|near| format!("; did you mean `{near}`?"));
    let problem = format!(
        "`{kind}` is no machine of Helix's; say its profile with `{kind}=catalog:NAME`{}",
        hint.unwrap_or_default()
    );
    Err(InputError::key(&file.name, format!("{section}.type"), problem))
}

/// The profile of one of Helix's machine types.
fn profile(name: &str, machines: Option<&(&TextFile, Ini)>) -> Result<Device, InputError> {
    let Some(machine) = MACHINES.iter().find(|machine| machine.name == name) else {
        return Err(InputError::file(name, "is no machine of Helix's"));
    };
    let mut device = device::from_catalog(machine.catalog)?;
    (device.memory_gb, device.memory_gib) = (Some(machine.memory_gb), None);
    if let Some((file, ini)) = machines {
        let bytes = product(value(file, ini, name, "vram_size")?)
            .map_err(|text| InputError::key(&file.name, format!("{name}.vram_size"), text))?;
        device.memory_gb = Some(bytes / 1e9);
        device.check(&file.name, &format!("{name}.vram_size, as "))?;
    }
    if machine.cards > 1 {
        device.bandwidth_gb_s *= f64::from(machine.cards);
        device.tflops *= f64::from(machine.cards);
        device.source = format!("{} x {}: {}", machine.cards, machine.catalog, device.source);
        device.status = Status::Estimated;
        device.speed.clear();
    }
    Ok(device)
}

/// `12.5 * mbps`, or a plain number.
fn product(text: &str) -> Result<f64, String> {
    let factor = |word: &str| {
        let unit = UNITS.iter().find(|(name, _)| *name == word).map(|(_, scale)| *scale);
        unit.or_else(|| word.parse().ok())
    };
    let number: Option<f64> = text.split('*').map(|word| factor(word.trim())).product();
    let problem =
        || format!("`{text}`; a product such as `12.5 * mbps` or `1 * MilliSec` is allowed");
    number.filter(|number| number.is_finite()).ok_or_else(problem)
}

fn whole(number: f64) -> Result<u64, String> {
    let most = 2f64.powi(60);
    let problem = || format!("{number} in all; 0 to {most} is allowed");
    (0.0..=most).contains(&number).then(|| number.round() as u64).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use edgeplan_problem::{Bytes, Nanos};

    const TWO: &str = "# made by hand\n[NodeNames]\ntotal_compute_nodes=2\n\n[SourceNode]\n\
        connected_nodes=[0, 1]\n\n[ComputeNode-0]\ntype=A100\nconnected_nodes=['source', 1]\n\n\
        [ComputeNode-1]\ntype=L4x2\nconnected_nodes=[0, 'sink']\n\n\
        [Link-source-0]\nbandwidth=12.5 * mbps\nlatency=50 * MilliSec\n\n\
        [Link-0-sink]\nbandwidth=1 * mbps\nlatency=40 * MilliSec\n\n\
        [Link-source-1]\nbandwidth=1000000\nlatency=0.001\n\n\
        [Link-0-1]\nbandwidth = 1 * gbps\nlatency = 1 * MilliSec\n";

    fn imported(text: &str, machines: Option<&str>) -> Result<Cluster, InputError> {
        let file = |name: &str, text: &str| TextFile { name: name.into(), text: text.into() };
        let machines = machines.map(|text| file("machines.ini", text));
        let text = cluster(&file("two.ini", text), machines.as_ref(), &Options::default())?;
        Cluster::parse("cluster.toml", &text)
    }

    #[test]
    fn the_coordinator_is_a_source_without_memory() {
        let cluster = imported(TWO, None).unwrap();
        let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["coordinator", "node-0", "node-1"]);
        assert_eq!(cluster.devices[0].1.memory, Some(Memory(0)));
        // 12.5 MB/s there, 1 MB/s back: 125 kB take 10 ms and 125 ms.
        assert_eq!(cluster.transfer(0, 1, 1, Bytes(125_000)), Some(Nanos(60_000_000)));
        assert_eq!(cluster.transfer(1, 0, 1, Bytes(125_000)), Some(Nanos(165_000_000)));
        assert_eq!(cluster.transfer(2, 1, 1, Bytes(125_000)), Some(Nanos(1_125_000)));
        assert_eq!(cluster.transfer(2, 0, 1, Bytes(125_000)), None);
        let pair = cluster.profile(2).unwrap().published().cloned().unwrap();
        assert_eq!((pair.memory_gb, pair.bandwidth_gb_s, pair.tflops), (Some(48.0), 600.0, 242.0));
    }

    #[test]
    fn machine_profiles_say_the_memory() {
        let machines = "[A100]\nvram_size = 80 * GB\n[L4x2]\nvram_size = 32 * GB\n";
        let cluster = imported(TWO, Some(machines)).unwrap();
        assert_eq!(cluster.profile(1).unwrap().published().unwrap().memory_gb, Some(80.0));
        let error = imported(TWO, Some("[A100]\nvram_size = -1\n")).unwrap_err().to_string();
        assert!(error.starts_with("machines.ini: A100.vram_size, as memory-gb: -1e-9"), "{error}");
        let error = imported(TWO, Some("[A100]\n")).unwrap_err().to_string();
        assert_eq!(error, "machines.ini: A100.vram_size: is missing");
    }

    #[test]
    fn other_machines_need_a_profile() {
        let text = TWO.replace("type=A100", "type=L4x8");
        let error = imported(&text, None).unwrap_err().to_string();
        assert!(error.starts_with("two.ini: ComputeNode-0.type: `L4x8` is no machine"), "{error}");
        let devices = vec!["L4x8=catalog:rtx-4090-24".to_owned()];
        let options = Options { devices, ..Options::default() };
        let file = TextFile { name: "two.ini".into(), text };
        let text = cluster(&file, None, &options).unwrap();
        let cluster = Cluster::parse("cluster.toml", &text).unwrap();
        assert_eq!(cluster.devices[1].1.profile, "catalog:rtx-4090-24");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_key() {
        let cases = [
            ("12.5 * mbps", "12.5 * mpbs", "Link-source-0.bandwidth: `12.5 * mpbs`; a product"),
            ("12.5 * mbps", "-12.5 * mbps", "Link-source-0.bandwidth: -100000000 in all"),
            ("latency=0.001\n", "", "two.ini: Link-source-1.latency: is missing"),
            ("type=A100\n", "", "ComputeNode-0.type: is missing"),
            ("ComputeNode", "Node", "no section [ComputeNode-0]"),
            (
                "[Link-0-1]\nbandwidth = 1 * gbps\nlatency = 1 * MilliSec\n",
                "[Link-0-1",
                "two.ini: line 2",
            ),
            ("Link-0-1", "Link-0-7", "Link-0-7: there is no section [ComputeNode-7]"),
            ("Link-0-1", "Link-0", "Link-0: one node; two, as in Link-0-1, are"),
        ];
        for (from, to, expected) in cases {
            let error = imported(&TWO.replace(from, to), None).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}

//! Profiles of distilp (firstbatchxyz/distilp), which prepares the data of prima.cpp's planner.
//!
//! **Devices**, one JSON file each. Used: `name`; `is_head`, the source (the first file if none);
//! the GPU if there is one (`sgpu_cuda` or `sgpu_metal` with its `T_` and `d_avail_`), else the CPU
//! (`scpu`, `T_cpu`, `d_avail_ram`): operations per second by format at batch 1, bytes read per
//! second in every format, and memory; `t_comm`, the time of a message that the device sends.
//! Ignored: the CPU beside a GPU, disks and swap, copies between memories, larger batches. distilp
//! knows no bandwidth between devices and no pairs: all meet at a switch.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Options;
use crate::cluster::{ClusterDevice, ClusterFile, Link, Switch};
use crate::device::{Device, Rate, Status};
use edgeplan_files::quantity::{Memory, Time};
use edgeplan_files::{InputError, TextFile, parse_json};

/// Operations per second by format and batch.
type Table = BTreeMap<String, BTreeMap<String, f64>>;

#[derive(Debug, Deserialize)]
#[expect(non_snake_case, reason = "distilp's names")]
struct Profile {
    name: String,
    #[serde(default)]
    is_head: bool,
    scpu: Table,
    T_cpu: f64,
    d_avail_ram: u64,
    sgpu_cuda: Option<Table>,
    T_cuda: Option<f64>,
    d_avail_cuda: Option<u64>,
    sgpu_metal: Option<Table>,
    T_metal: Option<f64>,
    d_avail_metal: Option<u64>,
    #[serde(default)]
    t_comm: f64,
}

/// A message that takes longer is a wrong unit.
const LONGEST_SECONDS: f64 = 3600.0;

pub(super) fn cluster(files: &[TextFile], options: &Options) -> Result<String, InputError> {
    let mut wire = ClusterFile::default();
    let hub = "network".to_owned();
    wire.switch.insert(hub.clone(), Switch {});
    let mut head = None;
    for file in files {
        let profile: Profile = parse_json(&file.name, &file.text)?;
        let name = free_name(&profile.name, &wire);
        if profile.is_head && head.is_none() {
            head = Some(name.clone());
        }
        let (device, memory) = profile.device(file)?;
        wire.profile.insert(name.clone(), device);
        let mut host = ClusterDevice::new(format!("cluster:{name}"));
        host.memory = Some(Memory(memory));
        wire.device.insert(name.clone(), host);
        let out = [name.clone(), hub.clone()];
        let time = profile.sending(file, options)?;
        for (between, latency) in [(out, time), ([hub.clone(), name.clone()], Time(0))] {
            let bandwidth = options.bandwidth;
            wire.link.push(Link { between, bandwidth, latency, one_way: true });
        }
        if wire.source.is_empty() {
            wire.source = name;
        }
    }
    wire.source = head.unwrap_or(wire.source);
    let names: Vec<&str> = files.iter().map(TextFile::short_name).collect();
    let comment = format!(
        "Made from distilp's profiles {}. A message takes the sender's t_comm,\n\
         or {} where that is 0; bandwidth was not in them.",
        names.join(", "),
        options.latency
    );
    Ok(wire.text(&comment))
}

/// Letters, digits and hyphens, and unlike the names before it.
fn free_name(name: &str, wire: &ClusterFile) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let name = if name.is_empty() { "device".into() } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let is_free = |name: &String| !wire.device.contains_key(name) && name != "network";
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}

impl Profile {
    /// Rates of the fastest part, and its memory in bytes.
    fn device(&self, file: &TextFile) -> Result<(Device, u64), InputError> {
        let parts = [
            ("sgpu_cuda", self.sgpu_cuda.as_ref(), self.T_cuda, self.d_avail_cuda),
            ("sgpu_metal", self.sgpu_metal.as_ref(), self.T_metal, self.d_avail_metal),
        ];
        let gpu = parts
            .into_iter()
            .find_map(|(key, table, bandwidth, memory)| Some((key, table?, bandwidth?, memory?)));
        let cpu = ("scpu", &self.scpu, self.T_cpu, self.d_avail_ram);
        let (key, table, bandwidth, memory) = gpu.unwrap_or(cpu);
        if memory == 0 || memory >= 1 << 60 {
            let problem = format!("{memory} bytes available; more than 0 are needed");
            return Err(InputError::key(&file.name, key, problem));
        }
        let bandwidth_gb_s = rounded(bandwidth / 1e9);
        let rates: Vec<Rate> = table
            .iter()
            .filter_map(|(format, batches)| {
                let tflops = rounded(batches.get("b_1")? / 1e12);
                let format = format.parse().ok()?;
                Some(Rate { format, bandwidth_gb_s: Some(bandwidth_gb_s), tflops: Some(tflops) })
            })
            .collect();
        let fastest = rates.iter().filter_map(|rate| rate.tflops).fold(0.0, f64::max);
        let device = Device {
            memory_gb: Some(memory as f64 / 1e9),
            memory_gib: None,
            usable_percent: 100.0,
            bandwidth_gb_s,
            tflops: fastest,
            source: format!("distilp profile {}", file.short_name()),
            status: Status::Measured,
            backend: None,
            class: None,
            unified: false,
            layer_overhead_us: None,
            speed: Vec::new(),
            rate: rates,
        };
        if device.rate.is_empty() {
            let problem = "no known format with a number for `b_1`";
            return Err(InputError::key(&file.name, key, problem));
        }
        device.check(&file.name, &format!("{key}, as "))?;
        Ok((device, memory))
    }

    fn sending(&self, file: &TextFile, options: &Options) -> Result<Time, InputError> {
        if !(0.0..=LONGEST_SECONDS).contains(&self.t_comm) {
            let problem = format!("{}; 0 to {LONGEST_SECONDS} seconds are allowed", self.t_comm);
            return Err(InputError::key(&file.name, "t_comm", problem));
        }
        let nanos = (self.t_comm * 1e9).round() as u64;
        Ok(if nanos == 0 { options.latency } else { Time(nanos) })
    }
}

/// Six digits after the point: finer than any measurement, and readable.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::device::Rates;
    use edgeplan_problem::format::Format;
    use edgeplan_problem::{Bytes, Nanos};

    const MAC: &str = r#"{"name": "Ann's Mac", "is_head": true, "os_type": "mac_metal",
        "scpu": {"F16": {"b_1": 1e12}}, "T_cpu": 4e10, "t_comm": 0.02, "d_avail_ram": 8000000000,
        "sgpu_cuda": null, "sgpu_metal": {"Q4_K": {"b_1": 5e11, "b_2": 6e11},
        "F16": {"b_1": 3e12}, "NEW": {"b_1": 1e12}}, "T_metal": 2e11, "d_avail_metal": 4096}"#;
    const PI: &str = r#"{"name": "Ann's Mac", "is_head": false, "scpu": {"F16": {"b_1": 1e11}},
        "T_cpu": 1e10, "t_comm": 0.0, "d_avail_ram": 4000000000}"#;

    fn imported(texts: &[&str]) -> Result<Cluster, InputError> {
        let names = ["pi.json", "mac.json"].into_iter();
        let files: Vec<TextFile> = names
            .zip(texts)
            .map(|(name, text)| TextFile { name: name.into(), text: (*text).into() })
            .collect();
        Cluster::parse("cluster.toml", &cluster(&files, &Options::default())?)
    }

    #[test]
    fn the_head_is_the_source_and_a_gpu_goes_before_a_cpu() {
        let cluster = imported(&[PI, MAC]).unwrap();
        let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ann-s-mac-2", "ann-s-mac"]);
        assert_eq!(cluster.devices[0].1.memory, Some(Memory(4096)));
        assert_eq!(cluster.devices[1].1.memory, Some(Memory(4_000_000_000)));
        let rates = Rates::new(cluster.profile(0).unwrap().published().unwrap()).unwrap();
        assert_eq!(rates.compute(Format::Q4K, false), Ok(5e11));
        assert_eq!(rates.bandwidth(Format::F16, false), Ok(2e11));
        assert!(rates.compute(Format::Q8_0, false).is_err());
        // The sender's time: 20 ms, and the default of 1 ms where it is 0.
        assert_eq!(cluster.transfer(0, 1, 1, Bytes(0)), Some(Nanos(20_000_000)));
        assert_eq!(cluster.transfer(1, 0, 1, Bytes(0)), Some(Nanos(1_000_000)));
    }

    #[test]
    fn wrong_devices_are_refused_by_key() {
        let cases = [
            ("\"t_comm\": 0.02", "\"t_comm\": -1", "pi.json: t_comm: -1; 0 to 3600"),
            ("\"d_avail_metal\": 4096", "\"d_avail_metal\": 0", "sgpu_metal: 0 bytes available"),
            ("\"T_metal\": 2e11", "\"T_metal\": -2e11", "sgpu_metal, as bandwidth-gb-s: -200"),
            ("\"T_cpu\": 4e10,", "", "missing field `T_cpu`"),
            ("b_1", "b_3", "no known format with a number for `b_1`"),
        ];
        for (from, to, expected) in cases {
            let error = imported(&[&MAC.replace(from, to)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}

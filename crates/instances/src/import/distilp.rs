//! Profiles of distilp (firstbatchxyz/distilp), which prepares the data of prima.cpp's planner.
//!
//! **Devices**, one JSON file each. Used: `name`; `is_head`, the source (the first file if none);
//! the GPU if there is one (`sgpu_cuda` or `sgpu_metal` with its `T_` and `d_avail_`), else the CPU
//! (`scpu`, `T_cpu`, `d_avail_ram`): operations per second by format at batch 1, bytes read per
//! second in every format, and memory; `t_comm`, the time of a message that the device sends.
//! Ignored: the CPU beside a GPU, disks and swap, copies between memories, larger batches. distilp
//! knows no bandwidth between devices and no pairs: all meet at a switch.
//!
//! **Models**. A profile has sizes and operations per block but no tensors, so the blocks are
//! rebuilt: width, key and value heads, vocabulary and number of blocks are used as they stand,
//! heads are taken to fill the width, and the feed-forward length is what remains of the block's
//! operations, to the nearest multiple of 256. Ignored: bytes (they follow from the format that the
//! planner chooses), message sizes, and what the head costs (its shape says it).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{File, Options};
use crate::cluster::{Host, Link, Switch, WireCluster};
use crate::device::{Device, Rate, Status};
use crate::file::{InputError, parse_json};
use crate::model::{ModelSpec, Shape};
use crate::quantity::{Memory, Time};

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

pub(super) fn cluster(files: &[File], options: &Options) -> Result<String, InputError> {
    let mut wire = WireCluster::default();
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
        let mut host = Host::new(format!("cluster:{name}"));
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
    let names: Vec<&str> = files.iter().map(File::short_name).collect();
    let comment = format!(
        "Made from distilp's profiles {}. A message takes the sender's t_comm,\n\
         or {} where that is 0; bandwidth was not in them.",
        names.join(", "),
        options.latency
    );
    Ok(wire.text(&comment))
}

/// Letters, digits and hyphens, and unlike the names before it.
fn free_name(name: &str, wire: &WireCluster) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let name = if name.is_empty() { "device".into() } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let is_free = |name: &String| !wire.device.contains_key(name) && name != "network";
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}

impl Profile {
    /// Rates of the fastest part, and its memory in bytes.
    fn device(&self, file: &File) -> Result<(Device, u64), InputError> {
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
            memory_gb: memory as f64 / 1e9,
            usable_percent: 100.0,
            bandwidth_gb_s,
            tflops: fastest,
            source: format!("distilp profile {}", file.short_name()),
            status: Status::Measured,
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

    fn sending(&self, file: &File, options: &Options) -> Result<Time, InputError> {
        if !(0.0..=LONGEST_SECONDS).contains(&self.t_comm) {
            let problem = format!("{}; 0 to {LONGEST_SECONDS} seconds are allowed", self.t_comm);
            return Err(InputError::key(&file.name, "t_comm", problem));
        }
        let nanos = (self.t_comm * 1e9).round() as u64;
        Ok(if nanos == 0 { options.latency } else { Time(nanos) })
    }
}

/// Six digits after the point: more than anybody can time, and a person may read it.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[derive(Debug, Deserialize)]
#[expect(non_snake_case, reason = "distilp's names")]
struct ModelProfile {
    L: u64,
    e_embed: u64,
    hk: u64,
    ek: u64,
    hv: u64,
    ev: u64,
    V: u64,
    #[serde(default)]
    seq_len: u64,
    f_q: serde_json::Value,
    #[serde(default)]
    is_moe: bool,
}

/// Whether a JSON text is a model profile of distilp rather than a `config.json`.
pub(crate) fn is_model(text: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.is_ok_and(|value| value.get("e_embed").is_some() && value.get("f_q").is_some())
}

/// A model of the size that a model profile describes; `file` is only named in errors.
///
/// # Errors
/// Keys that are missing or out of range, blocks that differ, experts, and the older layout without
/// operations of decoding.
pub fn model(file: &str, text: &str) -> Result<ModelSpec, InputError> {
    let profile: ModelProfile = parse_json(file, text)?;
    let path = std::path::Path::new(file);
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("model");
    Ok(profile.shape(file)?.model(name))
}

impl ModelProfile {
    fn shape(&self, file: &str) -> Result<Shape, InputError> {
        let error = |key: &str, problem: String| Err(InputError::key(file, key, problem));
        let numbers = [
            ("L", self.L, 1024),
            ("e_embed", self.e_embed, 1_000_000),
            ("hk", self.hk, 10_000),
            ("ek", self.ek, self.e_embed),
            ("V", self.V, 10_000_000),
        ];
        for (key, value, most) in numbers {
            if !(1..=most).contains(&value) {
                return error(key, format!("{value}; 1 to {most} are allowed"));
            }
        }
        if (self.hk, self.ek) != (self.hv, self.ev) {
            let problem = format!("{} x {}; the same as hk and ek is allowed", self.hv, self.ev);
            return error("hv", problem);
        }
        if self.is_moe {
            return error("is_moe", "true; models with experts are not supported".into());
        }
        let (hidden, kv) = (self.e_embed as f64, (self.hk * self.ek) as f64);
        let heads = self.e_embed / self.ek;
        // Two operations per weight, and two products of the context with every head.
        let attention_operations = 4.0 * hidden * self.seq_len as f64;
        let weights = (self.operations(file)? - attention_operations) / 2.0;
        let attention = 2.0 * hidden * (heads * self.ek) as f64 + 2.0 * hidden * kv;
        let ffn = 256.0 * ((weights - attention) / (3.0 * hidden * 256.0)).round();
        if !(1.0..=1e7).contains(&ffn) {
            let problem =
                format!("leaves a feed-forward length of {ffn}; 256 to 10000000 is allowed");
            return error("f_q.decode.b_1", problem);
        }
        Ok(Shape {
            blocks: self.L,
            hidden: self.e_embed,
            ffn: ffn as u64,
            heads,
            kv_heads: self.hk,
            head_dim: self.ek,
            vocab: self.V,
            ..Shape::default()
        })
    }

    /// Operations of one token in one block.
    fn operations(&self, file: &str) -> Result<f64, InputError> {
        let key = "f_q.decode.b_1";
        let list = self.f_q.pointer("/decode/b_1").and_then(serde_json::Value::as_array);
        let list: Option<Vec<f64>> =
            list.and_then(|list| list.iter().map(serde_json::Value::as_f64).collect());
        // The first entry stands for the embedding.
        let blocks = list.as_deref().and_then(|list| list.get(1..)).unwrap_or_default();
        if blocks.len() as u64 != self.L {
            let problem = format!(
                "{} blocks; a list of {} numbers is needed (older profiles have none)",
                blocks.len(),
                self.L + 1
            );
            return Err(InputError::key(file, key, problem));
        }
        if let Some(block) = blocks.iter().position(|operations| *operations != blocks[0]) {
            let problem = format!("block {block} is unlike the first; equal ones are supported");
            return Err(InputError::key(file, key, problem));
        }
        Ok(blocks[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::device::Rates;
    use crate::format::Format;
    use edgeplan_problem::{Bytes, Nanos};

    const MAC: &str = r#"{"name": "Ann's Mac", "is_head": true, "os_type": "mac_metal",
        "scpu": {"F16": {"b_1": 1e12}}, "T_cpu": 4e10, "t_comm": 0.02, "d_avail_ram": 8000000000,
        "sgpu_cuda": null, "sgpu_metal": {"Q4_K": {"b_1": 5e11, "b_2": 6e11},
        "F16": {"b_1": 3e12}, "NEW": {"b_1": 1e12}}, "T_metal": 2e11, "d_avail_metal": 4096}"#;
    const PI: &str = r#"{"name": "Ann's Mac", "is_head": false, "scpu": {"F16": {"b_1": 1e11}},
        "T_cpu": 1e10, "t_comm": 0.0, "d_avail_ram": 4000000000}"#;

    fn imported(texts: &[&str]) -> Result<Cluster, InputError> {
        let names = ["pi.json", "mac.json"].into_iter();
        let files: Vec<File> = names
            .zip(texts)
            .map(|(name, text)| File { name: name.into(), text: (*text).into() })
            .collect();
        Cluster::parse("cluster.toml", &cluster(&files, &Options::default())?)
    }

    #[test]
    fn the_head_is_the_source_and_a_gpu_goes_before_a_cpu() {
        let cluster = imported(&[PI, MAC]).unwrap();
        let names: Vec<&str> = cluster.hosts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ann-s-mac-2", "ann-s-mac"]);
        assert_eq!(cluster.hosts[0].1.memory, Some(Memory(4096)));
        assert_eq!(cluster.hosts[1].1.memory, Some(Memory(4_000_000_000)));
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

    // Two blocks of width 512 with 4 heads of 128, 2 of them for keys, and a feed-forward length of
    // 1024: 2 * 512^2 + 2 * 512 * 256 + 3 * 512 * 1024 weights, at a context of 10 tokens.
    const MODEL: &str = r#"{"L": 2, "e_embed": 512, "hk": 2, "ek": 128, "hv": 2, "ev": 128,
        "V": 1000, "seq_len": 10, "b": [0, 1, 1],
        "f_q": {"prefill": {}, "decode": {"b_1": [0.0, 4739072.0, 4739072.0]}}}"#;

    #[test]
    fn a_model_is_rebuilt_from_its_operations() {
        let model = model("tiny.json", MODEL).unwrap();
        assert!(is_model(MODEL) && !is_model("{\"model_type\": \"llama\"}"));
        assert_eq!((model.name.as_str(), model.layers.len()), ("tiny", 4));
        assert_eq!(model.layers[1].kv_elements, 512);
        let block: u64 = 2 * 512 * 512 + 2 * 512 * 256 + 3 * 512 * 1024;
        let norms = 2 * 512;
        let elements = |layer: usize| -> u64 {
            model.layers[layer].tensors.iter().map(crate::model::TensorSpec::elements).sum()
        };
        assert_eq!(elements(1), block + norms);
    }

    #[test]
    fn wrong_models_are_refused_by_key() {
        let cases = [
            ("4739072.0]", "4739073.0]", "f_q.decode.b_1: block 1 is unlike the first"),
            ("4739072.0]", "\"x\"]", "f_q.decode.b_1: 0 blocks; a list of 3 numbers is needed"),
            ("\"decode\"", "\"encode\"", "f_q.decode.b_1: 0 blocks"),
            ("4739072.0", "10.0", "leaves a feed-forward length of"),
            ("\"L\": 2", "\"L\": 0", "L: 0; 1 to 1024 are allowed"),
            ("\"hv\": 2", "\"hv\": 3", "hv: 3 x 128"),
            ("\"V\": 1000,", "\"V\": 1000, \"is_moe\": true,", "experts are not supported"),
        ];
        for (from, to, expected) in cases {
            let error = model("tiny.json", &MODEL.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}

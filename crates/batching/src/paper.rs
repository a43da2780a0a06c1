//! The settings of DFTSP's evaluation (arXiv 2405.07140), and a narrow band beside it.
//!
//! Marks: *recalled* values could not be checked against the paper's text; *assumed* ones are not
//! in it at all (its tables of memory and time factors and of perplexities were not found).

use std::collections::BTreeMap;

use super::traffic::Traffic;
use super::{Phases, Scenario, WireFormat, WireNode};
use edgeplan_files::quantity::Memory;
use edgeplan_problem::format::Format;

/// The models that the paper serves, as the catalog calls them (recalled).
pub const MODELS: [&str; 3] = ["bloom-3b", "bloom-7b1", "opt-13b"];

/// A node, its radio and its users.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// A model: of the catalog, by its name, or any `catalog:NAME`, GGUF file or config.json.
    pub model: String,
    /// The band.
    pub band: Band,
    /// Formats to choose from; the paper's default is 8 bits alone.
    pub formats: Vec<WireFormat>,
}

/// The radio of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// The paper's: 20 MHz, 20 and 43 dBm, path gain 1e-3 (recalled). It never binds.
    Wide,
    /// One NB-IoT carrier of 180 kHz at the edge of a cell: 23 and 30 dBm, path gain 2e-15 (ours).
    /// It binds for a dozen requests.
    Narrow,
}

impl Setting {
    /// The paper's defaults for that model of the catalog.
    pub fn of(model: &str) -> Self {
        Self { model: model.into(), band: Band::Wide, formats: vec![w8a16()] }
    }

    /// That many waiting requests.
    pub fn scenario(&self, requests: usize, seed: u64) -> Scenario {
        let mut scenario = self.empty();
        scenario.name = format!("{}-{requests}-{seed}", scenario.name);
        scenario.request = self.traffic().waiting(requests, seed);
        scenario
    }

    /// The node without requests.
    pub fn empty(&self) -> Scenario {
        let (mhz, transmit_dbm) = match self.band {
            Band::Wide => (20.0, 43.0),
            Band::Narrow => (0.18, 30.0),
        };
        let known = MODELS.contains(&self.model.as_str());
        let node = WireNode {
            model: if known { format!("catalog:{}", self.model) } else { self.model.clone() },
            // 20 Jetson TX2 of 1.33 TFLOP/s each, 32 GB together (recalled).
            tflops: 26.6,
            devices: 20,
            memory: Memory(32_000_000_000),
            embedding: false,
            uplink_mhz: mhz,
            downlink_mhz: mhz,
            transmit_dbm,
            format: self.formats.clone(),
        };
        Scenario {
            name: self.model.clone(),
            token_bits: 16,
            noise_dbm_per_hz: -174.0,
            // Epochs of 2 s; the two radio phases are recalled.
            epoch: Phases::default(),
            node: BTreeMap::from([(NODE.into(), node)]),
            request: Vec::new(),
        }
    }

    /// Its users.
    pub fn traffic(&self) -> Traffic {
        let (transmit_dbm, path_gain) = match self.band {
            Band::Wide => (20.0, 1e-3),
            Band::Narrow => (23.0, 2e-15),
        };
        Traffic { transmit_dbm, path_gain, ..Traffic::default() }
    }
}

/// The only node's name.
pub const NODE: &str = "edge";

/// 16, 8 and 4 bits per weight.
pub fn formats() -> Vec<WireFormat> {
    let plain = WireFormat { name: "w16a16".into(), memory_factor: 1.0, time_factor: 1.0, kl: 0.0 };
    vec![plain, w8a16(), quantized("w4a16", 0.25, Format::Q4K)]
}

/// The paper's default, 8-bit weights.
pub fn w8a16() -> WireFormat {
    quantized("w8a16", 0.5, Format::Q8_0)
}

/// Assumed: time halfway between that of arithmetic alone (1) and that of memory traffic alone (the
/// memory factor); the divergence that is published for the GGML format of as many bits.
fn quantized(name: &str, memory_factor: f64, like: Format) -> WireFormat {
    WireFormat {
        name: name.into(),
        memory_factor,
        time_factor: (1.0 + memory_factor) / 2.0,
        kl: like.published_kl_nats().unwrap_or_default().as_f64() / 1e9,
    }
}

//! Hosts: machines with several devices, and the link inside of them.

use std::fmt;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Cluster, ClusterDevice, ClusterFile, expand};
use crate::device::Backend;
use edgeplan_files::InputError;
use edgeplan_files::quantity::{Bandwidth, Memory, Time};

/// A machine with several devices, as it is written; one engine process runs them all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    /// Profiles of its devices, as those of `[device.NAME]`. Devices are called by host, backend
    /// and number: `pc/cuda0`, `pc/cuda1`, `pc/cpu`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// More devices, as tables with the keys of `[device.NAME]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<ClusterDevice>,
    /// Main memory, instead of that of the profile of the host's CPU. The profile says what share
    /// of it a runtime gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ram: Option<Memory>,
    /// The link between any two of its devices.
    #[serde(default, skip_serializing_if = "Internal::is_usual")]
    pub internal: Internal,
    /// Whether it forwards messages of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relay: bool,
}

/// The link between any two devices of a host: a name such as `pcie-4x16`, or its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Internal {
    /// Bits per second in each direction.
    pub bandwidth: Bandwidth,
    /// Time that any copy takes, however short.
    pub latency: Time,
}

/// An estimate of what starting a copy between two memories of a host and waiting for it takes.
const COPY: Time = Time(20_000);

/// Bits per second of one PCIe lane in each direction, by generation, after line coding: 2.5 and 5
/// GT/s at 8b/10b, 8 to 32 GT/s at 128b/130b (PCI-SIG's base specifications 1 to 5).
const LANES: [(&str, u64); 5] = [
    ("pcie-1x", 2_000_000_000),
    ("pcie-2x", 4_000_000_000),
    ("pcie-3x", 7_876_923_076),
    ("pcie-4x", 15_753_846_153),
    ("pcie-5x", 31_507_692_307),
];

/// Links that are no slot: bits per second in each direction (NVIDIA's bridge of the RTX 3090 with
/// four links of 14.0625 GB/s; the PCIe tunnel of Thunderbolt 3 and 4, and that of 5).
const NAMED: [(&str, u64); 3] = [
    ("nvlink-3-bridge", 450_000_000_000),
    ("thunderbolt-4", 32_000_000_000),
    ("thunderbolt-5", 64_000_000_000),
];

const ALLOWED: &str = "`pcie-GxL` with a generation from 1 to 5 and 1, 2, 4, 8 or 16 lanes such as \
    `pcie-4x16`, `nvlink-3-bridge`, `thunderbolt-4`, `thunderbolt-5`, or a table such as \
    `{ bandwidth = \"25 GB/s\", latency = \"20 us\" }`";

impl Internal {
    /// The link of that name.
    fn named(name: &str) -> Option<Self> {
        let lanes = |(prefix, rate): &(&str, u64)| {
            let lanes: u64 = name.strip_prefix(prefix)?.parse().ok()?;
            [1, 2, 4, 8, 16].contains(&lanes).then_some(rate * lanes)
        };
        let other = || NAMED.iter().find(|(known, _)| *known == name).map(|&(_, rate)| rate);
        let rate = LANES.iter().find_map(lanes).or_else(other)?;
        Some(Self { bandwidth: Bandwidth(rate), latency: COPY })
    }
}

impl Internal {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Internal {
    /// `pcie-4x16`, the slot of most graphics cards.
    fn default() -> Self {
        Self { bandwidth: Bandwidth(16 * LANES[3].1), latency: COPY }
    }
}

/// The numbers as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    bandwidth: Bandwidth,
    #[serde(default = "copy")]
    latency: Time,
}

fn copy() -> Time {
    COPY
}

struct NameOrNumbers;

impl<'de> Visitor<'de> for NameOrNumbers {
    type Value = Internal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALLOWED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Internal, E> {
        let named = Internal::named(text);
        named.ok_or_else(|| E::custom(format!("`{text}`: {ALLOWED} is allowed")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Internal, A::Error> {
        let Numbers { bandwidth, latency } = Numbers::deserialize(MapAccessDeserializer::new(map))?;
        match bandwidth.0 {
            0 => Err(A::Error::custom("bandwidth: 0; more than that is needed")),
            _ => Ok(Internal { bandwidth, latency }),
        }
    }
}

impl<'de> Deserialize<'de> for Internal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrNumbers)
    }
}

impl JsonSchema for Internal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Internal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "object"], "x-allowed": ALLOWED })
    }
}

/// The processor of a PC of which only graphics cards and main memory were named: two channels of
/// DDR4-3200.
pub const USUAL_CPU: &str = "ryzen-5-5600";

impl Host {
    /// One with these devices, by profile; `catalog:` may be left out. Main memory without a
    /// processor that has it is that of a usual desktop, [`USUAL_CPU`], unless a device shares its
    /// own memory with the processor.
    pub fn of(devices: &[String], ram: Option<Memory>) -> Self {
        let is_file = |name: &String| name.contains(':') || Path::new(name).exists();
        let profile = |name: &String| match is_file(name) {
            true => name.clone(),
            false => format!("catalog:{name}"),
        };
        let mut devices: Vec<String> = devices.iter().map(profile).collect();
        let has_memory = |spec: &String| {
            let known = expand::read("", &ClusterFile::default(), "device", spec);
            known.is_ok_and(|known| {
                known.is_unified() || known.backend().is_some_and(Backend::is_cpu)
            })
        };
        if ram.is_some() && !devices.iter().any(has_memory) {
            devices.push(format!("catalog:{USUAL_CPU}"));
        }
        Self { devices, ram, ..Self::default() }
    }
}

impl Cluster {
    /// One host with these devices and that main memory, as [`Host::of`].
    ///
    /// # Errors
    /// As [`Cluster::parse`].
    pub fn of_host(
        file: &str,
        name: &str,
        devices: &[String],
        ram: Option<&str>,
    ) -> Result<Self, InputError> {
        let ram = ram.map(|ram| {
            ram.parse::<Memory>().map_err(|p| InputError::key(file, "ram", p.to_string()))
        });
        let host = Host::of(devices, ram.transpose()?);
        let wire = ClusterFile {
            source: name.into(),
            host: [(name.to_owned(), host)].into(),
            ..ClusterFile::default()
        };
        Self::new(file, wire)
    }
}

//! A `batch.toml` as it is written, and what may stand in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use edgeplan_files::quantity::{Memory, Time};
use edgeplan_files::{InputError, nearest, within};

/// Who waits at which edge nodes, and what an epoch is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// A name for people.
    pub name: String,
    /// Bits on air per token of a prompt or an answer.
    #[serde(default = "token_bits")]
    pub token_bits: u32,
    /// Power density of the noise.
    #[serde(default = "noise")]
    pub noise_dbm_per_hz: f64,
    /// The phases of an epoch.
    #[serde(default)]
    pub epoch: Phases,
    /// The edge nodes by name.
    pub node: BTreeMap<String, WireNode>,
    /// The waiting requests, in order of arrival.
    #[serde(default)]
    pub request: Vec<WireRequest>,
}

fn token_bits() -> u32 {
    16
}

/// Thermal noise at room temperature.
fn noise() -> f64 {
    -174.0
}

/// The phases of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// Prompts are received.
    pub uplink: Time,
    /// The batch runs.
    pub compute: Time,
    /// Answers are sent.
    pub downlink: Time,
}

impl Default for Phases {
    /// The paper's 2 s, of which a quarter is radio.
    fn default() -> Self {
        let radio = Time(250_000_000);
        Self { uplink: radio, compute: Time(1_500_000_000), downlink: radio }
    }
}

/// An edge node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WireNode {
    /// `catalog:NAME`, a GGUF file or a config.json.
    pub model: String,
    /// 10^12 operations per second, all devices together.
    pub tflops: f64,
    /// Devices that share the work.
    #[serde(default = "one")]
    pub devices: u32,
    /// Bytes for weights and KV cache.
    pub memory: Memory,
    /// Whether embedding and head are held too, at 16 bits; the paper leaves them out.
    #[serde(default = "yes")]
    pub embedding: bool,
    /// Band in which prompts are received.
    pub uplink_mhz: f64,
    /// Band in which answers are sent.
    pub downlink_mhz: f64,
    /// Power with which answers are sent.
    pub transmit_dbm: f64,
    /// What its model can be held in; 16, 8 and 4 bits per weight if nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub format: Vec<WireFormat>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// A format of a node's model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WireFormat {
    /// A name for people.
    pub name: String,
    /// Bytes of weights and KV cache relative to 16 bits (`alpha`).
    pub memory_factor: f64,
    /// Time relative to 16 bits (`beta`).
    pub time_factor: f64,
    /// Divergence from the original in nats per token; an answer's accuracy is `exp(-kl)`, the
    /// likelihood per token that is left.
    #[serde(default)]
    pub kl: f64,
}

/// A waiting request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WireRequest {
    /// A name for people; `r1`, `r2`, ... if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens of the answer.
    pub output: u32,
    /// Longest time from arrival to answer.
    pub deadline: Time,
    /// Time since arrival.
    #[serde(default = "now")]
    pub waited: Time,
    /// Least accuracy, 0 to 1.
    #[serde(default)]
    pub accuracy: f64,
    /// What serving it is worth.
    #[serde(default = "one")]
    pub weight: u32,
    /// Power with which the prompt is sent.
    pub transmit_dbm: f64,
    /// By node: power gain of the channel. A node that is not named is out of reach.
    pub gain_db: BTreeMap<String, f64>,
}

fn now() -> Time {
    Time(0)
}

/// A day: no phase and no deadline is longer.
const LONGEST: u64 = 86_400_000_000_000;

/// Checks every number, whether it comes from a file or not.
pub(super) fn check(file: &str, scenario: &Scenario) -> Result<(), InputError> {
    let bounds = Bounds { file };
    bounds.within("token-bits", scenario.token_bits, 1..=1_000_000)?;
    bounds.within("noise-dbm-per-hz", scenario.noise_dbm_per_hz, -300.0..=100.0)?;
    let phases = &scenario.epoch;
    for (key, phase) in
        [("uplink", phases.uplink), ("compute", phases.compute), ("downlink", phases.downlink)]
    {
        bounds.time(&format!("epoch.{key}"), phase)?;
    }
    if scenario.node.is_empty() {
        return Err(InputError::key(file, "node", "there is none; at least one is needed"));
    }
    for (name, node) in &scenario.node {
        bounds.node(&format!("node.{name}"), node)?;
    }
    for (index, request) in scenario.request.iter().enumerate() {
        bounds.request(&format!("request[{index}]"), request, scenario)?;
    }
    Ok(())
}

/// A whole number from a float that was checked.
pub(super) fn finite(value: f64) -> u64 {
    value.round() as u64
}

/// What is refused, and how that is said.
struct Bounds<'a> {
    file: &'a str,
}

impl Bounds<'_> {
    fn within<T: PartialOrd + Debug>(
        &self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
    ) -> Result<(), InputError> {
        within(self.file, key, value, &allowed)
    }

    fn time(&self, key: &str, time: Time) -> Result<(), InputError> {
        if time.0 <= LONGEST {
            return Ok(());
        }
        Err(InputError::key(self.file, key, format!("{time}; at most a day is allowed")))
    }

    fn node(&self, key: &str, node: &WireNode) -> Result<(), InputError> {
        let numbers = [
            ("tflops", node.tflops, 1e-6..=1e6),
            ("uplink-mhz", node.uplink_mhz, 1e-6..=1e6),
            ("downlink-mhz", node.downlink_mhz, 1e-6..=1e6),
            ("transmit-dbm", node.transmit_dbm, -200.0..=200.0),
        ];
        for (name, value, allowed) in numbers {
            self.within(&format!("{key}.{name}"), value, allowed)?;
        }
        self.within(&format!("{key}.devices"), node.devices, 1..=1_000_000)?;
        for (index, format) in node.format.iter().enumerate() {
            let key = format!("{key}.format[{index}]");
            self.within(&format!("{key}.memory-factor"), format.memory_factor, 0.0..=100.0)?;
            self.within(&format!("{key}.time-factor"), format.time_factor, 1e-6..=1e3)?;
            self.within(&format!("{key}.kl"), format.kl, 0.0..=100.0)?;
        }
        Ok(())
    }

    fn request(
        &self,
        key: &str,
        request: &WireRequest,
        scenario: &Scenario,
    ) -> Result<(), InputError> {
        self.within(&format!("{key}.prompt"), request.prompt, 1..=10_000_000)?;
        self.within(&format!("{key}.output"), request.output, 1..=10_000_000)?;
        self.time(&format!("{key}.deadline"), request.deadline)?;
        self.time(&format!("{key}.waited"), request.waited)?;
        self.within(&format!("{key}.accuracy"), request.accuracy, 0.0..=1.0)?;
        self.within(&format!("{key}.transmit-dbm"), request.transmit_dbm, -200.0..=200.0)?;
        for (name, &gain) in &request.gain_db {
            let key = format!("{key}.gain-db.{name}");
            if !scenario.node.contains_key(name) {
                let near = nearest(name, scenario.node.keys().map(String::as_str));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(InputError::key(
                    self.file,
                    key,
                    format!("there is no such node{hint}"),
                ));
            }
            self.within(&key, gain, -1_000.0..=100.0)?;
        }
        Ok(())
    }
}

//! Devices: what a machine can hold and how fast it is, from the catalog, a file of published
//! numbers, or the profile that was measured there.

mod backend;
mod catalog;
mod class;
mod engine;
mod measured;
mod rates;

use std::path::Path;

use edgeplan_problem::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use backend::Backend;
pub use catalog::{catalog, from_catalog};
pub use class::{Band, Class, Classes, Phase, classes, holder};
pub use engine::EngineMeasured;
pub use measured::Measured;
pub use rates::{MissingRate, Pass, Rates, Starts};

use edgeplan_files::{InputError, parse_table, read_text};
use edgeplan_problem::format::Format;

/// Bytes of a GiB.
const GIB: f64 = 1_073_741_824.0;

/// How well a number is known.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Measured on the device.
    Measured,
    /// The vendor says so.
    Specified,
    /// Derived or guessed.
    Estimated,
}

impl Status {
    /// The word that files use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Specified => "specified",
            Self::Estimated => "estimated",
        }
    }
}

/// A stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The prompt, many positions at once.
    Prefill,
    /// Generated tokens, one by one.
    Decode,
}

/// What is known of a machine, and from whom.
#[derive(Debug, Clone)]
pub enum DeviceProfile {
    /// Published numbers.
    Published(Device),
    /// What `edgeplan profile` measured on the machine itself.
    Measured(Box<Measured>),
    /// What an engine's own programs measured there.
    Engine(Box<EngineMeasured>),
}

impl DeviceProfile {
    /// Bytes that a runtime may use.
    pub fn usable(&self) -> Bytes {
        match self {
            Self::Published(device) => device.usable(),
            Self::Measured(machine) => machine.usable(),
            Self::Engine(machine) => machine.usable(),
        }
    }

    /// What a runtime gets of so much main memory, instead of the memory of the profile.
    pub(crate) fn share(&self, memory: Bytes) -> Bytes {
        match self {
            Self::Published(device) => device.share(memory),
            Self::Measured(_) | Self::Engine(_) => measured::share(memory),
        }
    }

    /// The backend, where that is known.
    pub fn backend(&self) -> Option<Backend> {
        match self {
            Self::Published(device) => device.backend,
            // Nothing tells which backend an accelerator was measured with.
            Self::Measured(machine) => {
                machine.profile.machine.accelerator.is_none().then_some(Backend::Cpu)
            }
            Self::Engine(machine) => machine.backend(),
        }
    }

    /// Whether an accelerator and the processor share its memory.
    pub fn is_unified(&self) -> bool {
        self.published().is_some_and(|device| device.unified)
    }

    /// The published numbers, if it is these that are known.
    pub fn published(&self) -> Option<&Device> {
        match self {
            Self::Published(device) => Some(device),
            Self::Measured(_) | Self::Engine(_) => None,
        }
    }
}

/// What is known of a machine, as it was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// Memory in 1e9 bytes; either this or `memory-gib`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gb: Option<f64>,
    /// Memory in GiB, the unit of graphics cards and memory modules; either this or `memory-gb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<f64>,
    /// The part of it that a runtime gets, in percent; the rest is the system's.
    pub usable_percent: f64,
    /// Memory bandwidth in 1e9 bytes per second.
    pub bandwidth_gb_s: f64,
    /// Half-precision 1e12 operations per second.
    pub tflops: f64,
    /// Where these numbers come from.
    pub source: String,
    /// How well they are known.
    pub status: Status,
    /// The backend that engines run it with; a device of a host needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// What kind of device it is (`gpu/nvidia/ada`): says what part of its specification it reaches
    /// where nothing is published, and how far times may be off. By its backend if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Whether an accelerator and the processor share this memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unified: bool,
    /// What starting a layer's kernels takes, per pass, in microseconds; an estimate if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_overhead_us: Option<f64>,
    /// Published speeds by format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub speed: Vec<Speed>,
    /// Rates by format that were timed directly; they override speeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate: Vec<Rate>,
}

/// How fast a machine itself was timed in one format: always measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rate {
    /// The format of the weights.
    pub format: Format,
    /// 1e9 bytes of weights read per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_gb_s: Option<f64>,
    /// 1e12 operations per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tflops: Option<f64>,
}

/// A published speed of one model in one format: always measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Speed {
    /// A model of the catalog.
    pub model: String,
    /// The format of its weights.
    pub format: Format,
    /// Prompt tokens per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill: Option<f64>,
    /// Generated tokens per second at batch 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<f64>,
    /// Who measured it.
    pub source: String,
}

impl Device {
    /// Its class: as said, or what its backend and its memory tell.
    pub fn class(&self) -> &str {
        let by_backend = match (self.backend, self.unified) {
            (Some(Backend::Metal), _) => "unified/apple",
            (Some(Backend::Cpu), _) => "cpu",
            (Some(Backend::Cuda), true) => "unified/nvidia",
            (Some(Backend::Cuda), false) => "gpu/nvidia",
            (Some(Backend::Rocm), false) => "gpu/amd",
            (Some(Backend::Sycl), false) => "gpu/intel",
            (_, true) => "unified",
            (Some(Backend::Vulkan), false) => "gpu",
            (Some(Backend::Rpc) | None, false) => "",
        };
        self.class.as_deref().unwrap_or(by_backend)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> Bytes {
        let gib = |amount: f64| Bytes((amount * GIB) as u64);
        let gb = |amount: f64| Bytes((amount * 1e9) as u64);
        self.memory_gib.map(gib).or(self.memory_gb.map(gb)).unwrap_or_default()
    }

    /// Bytes that a runtime may use.
    pub fn usable(&self) -> Bytes {
        self.share(self.memory())
    }

    /// What a runtime gets of so much memory.
    pub(crate) fn share(&self, memory: Bytes) -> Bytes {
        Bytes((memory.as_f64() / 100.0 * self.usable_percent) as u64)
    }

    /// Parses a device file; `file` is only named in errors.
    ///
    /// # Errors
    /// Syntax, unknown keys with the nearest known one, numbers out of range.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let device: Self = parse_table(file, text)?;
        device.check(file, "")?;
        Ok(device)
    }

    /// Checks the numbers; `path` leads to the device's keys in `file` (`profile.mac.`).
    ///
    /// # Errors
    /// The first number that is out of range.
    pub(crate) fn check(&self, file: &str, path: &str) -> Result<(), InputError> {
        let memory = match (self.memory_gb, self.memory_gib) {
            (Some(amount), None) => ("memory-gb", amount, 1e6),
            (None, Some(amount)) => ("memory-gib", amount, 1e6),
            (both, _) => {
                let said = if both.is_some() { "both" } else { "neither" };
                let problem = format!("{said} of memory-gb and memory-gib; one is needed");
                return Err(InputError::key(file, format!("{path}memory-gb"), problem));
            }
        };
        let numbers = [
            memory,
            ("usable-percent", self.usable_percent, 100.0),
            ("bandwidth-gb-s", self.bandwidth_gb_s, 1e6),
            ("tflops", self.tflops, 1e6),
        ];
        let speeds = self.speed.iter().flat_map(|speed| [speed.prefill, speed.decode]);
        let speeds = speeds.flatten().map(|speed| ("speed", speed, 1e9));
        let rates = self.rate.iter().flat_map(|rate| [rate.bandwidth_gb_s, rate.tflops]);
        let rates = rates.flatten().map(|rate| ("rate", rate, 1e6));
        if let Some(time) = self.layer_overhead_us
            && !(0.0..=1e6).contains(&time)
        {
            let problem = format!("{time:?}; 0 to 1000000 us are allowed");
            return Err(InputError::key(file, format!("{path}layer-overhead-us"), problem));
        }
        for (key, value, most) in numbers.into_iter().chain(speeds).chain(rates) {
            if !(value > 0.0 && value <= most) {
                let problem = format!("{value:?}; a number above 0 and up to {most} is allowed");
                return Err(InputError::key(file, format!("{path}{key}"), problem));
            }
        }
        Ok(())
    }
}

/// Reads a device: `catalog:NAME`, a TOML file with the same keys, or the JSON file that `edgeplan
/// profile` writes.
///
/// # Errors
/// An unknown name with the nearest known one; unknown keys; numbers out of range.
pub fn load(spec: &str) -> Result<DeviceProfile, InputError> {
    if let Some(name) = spec.strip_prefix("catalog:") {
        return from_catalog(name).map(DeviceProfile::Published);
    }
    let text = read_text(Path::new(spec))?;
    if text.trim_start().starts_with('{') {
        if EngineMeasured::is(&text) {
            return Ok(DeviceProfile::Engine(Box::new(EngineMeasured::parse(spec, &text)?)));
        }
        return Ok(DeviceProfile::Measured(Box::new(Measured::parse(spec, &text)?)));
    }
    Device::parse(spec, &text).map(DeviceProfile::Published)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_not_monotone_in_bits() {
        let rates = Rates::new(&from_catalog("ryzen-7950x-64").unwrap()).unwrap();
        let seconds = |format: Format| {
            let bytes = format.bytes(4096, 4096).unwrap().as_f64();
            bytes / rates.bandwidth(format, false).unwrap()
        };
        assert!(seconds(Format::Q3K) > seconds(Format::Q4_0));
        assert!(rates.bandwidth(Format::Q4_1, false).is_err());
    }
}

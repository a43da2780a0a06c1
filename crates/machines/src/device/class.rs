//! Classes of devices: what part of their specification devices of a kind reach, and how far speeds
//! that follow from it may be off.
//!
//! The numbers are fitted to `bench-data/devices/public-speeds.csv`; `edgeplan reproduce --speeds`
//! shows them with what they rest on.

use std::sync::LazyLock;

use edgeplan_files::parse_toml;
use serde::{Deserialize, Serialize};

const FILE: &str = "bench-data/devices/classes.toml";
const TEXT: &str = include_str!("../../../../bench-data/devices/classes.toml");

/// How far a speed may be off: the range of measured over predicted speeds that holds nine of ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Band {
    /// Its lower end; below one where devices are slower than predicted.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Published speeds that it rests on.
    pub rows: u32,
    /// Devices that these are of.
    pub devices: u32,
    /// The class that they are of: this one, or one that holds it where this one has too few.
    pub of: String,
}

/// One phase of a request on devices of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phase {
    /// Of dense models, the part of the specified bandwidth or compute that is reached; of experts,
    /// their rate over that of dense tensors.
    pub efficiency: f64,
    /// What starting the kernels of one layer takes in a pass, in microseconds; said of dense
    /// models, and the same for others. Without it a device's own number or a fixed one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead_us: Option<f64>,
    /// Devices of which no speed is published.
    pub derived: Band,
    /// Devices of which another one is published: of another model, or in another format.
    pub known: Band,
}

/// What is known of devices of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Class {
    /// Its name, after those of the classes that hold it: `gpu/nvidia/ada`; empty for all devices.
    pub name: String,
    /// Generated tokens of dense models.
    pub decode: Phase,
    /// Prompts of dense models.
    pub prefill: Phase,
    /// Generated tokens of models with experts.
    pub experts_decode: Phase,
    /// Prompts of models with experts.
    pub experts_prefill: Phase,
}

/// Classes by name. One of them, without a name, holds every device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Classes {
    /// All of them; more than one, and the first is the one without a name.
    pub class: Vec<Class>,
}

static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
    let classes: Classes = parse_toml(FILE, TEXT).expect("the classes of this build are valid");
    assert!(!classes.class.is_empty(), "{FILE} lacks the class of all devices");
    classes
});

/// The classes of this build.
///
/// # Panics
/// Never: a test reads them.
pub fn classes() -> &'static Classes {
    &CLASSES
}

/// The class that holds `name`, one step up; `None` for that of all devices.
pub fn holder(name: &str) -> Option<&str> {
    (!name.is_empty()).then(|| name.rsplit_once('/').map_or("", |(holder, _)| holder))
}

impl Classes {
    /// The class of that name, or the nearest one that holds it.
    pub fn of(&self, name: &str) -> &Class {
        let mut sought = name;
        loop {
            if let Some(class) = self.class.iter().find(|class| class.name == sought) {
                return class;
            }
            match holder(sought) {
                Some(wider) => sought = wider,
                None => return &self.class[0],
            }
        }
    }

    /// One class for all devices, with what the whole catalog reaches: experts are as quick as
    /// other tensors. Recorded instances were priced so.
    #[must_use]
    pub fn flat(&self) -> Self {
        let mut all = self.of("").clone();
        all.decode.efficiency = super::rates::DECODE_EFFICIENCY;
        all.prefill.efficiency = super::rates::PREFILL_EFFICIENCY;
        all.experts_decode.efficiency = 1.0;
        all.experts_prefill.efficiency = 1.0;
        (all.decode.overhead_us, all.prefill.overhead_us) = (None, None);
        Self { class: vec![all] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_class_that_is_listed_holds_a_device() {
        assert_eq!(classes().class[0].name, "");
        assert_eq!(classes().of("gpu/unlisted/new").name, "gpu");
        assert_eq!(classes().of("abacus").name, "");
        assert_eq!(holder("gpu/nvidia"), Some("gpu"));
        assert_eq!((holder("gpu"), holder("")), (Some(""), None));
    }

    #[test]
    fn every_number_makes_sense() {
        for class in &classes().class {
            let dense = [&class.decode, &class.prefill];
            let experts = [&class.experts_decode, &class.experts_prefill];
            for phase in dense.into_iter().chain(experts) {
                assert!((0.05..=2.5).contains(&phase.efficiency), "{class:?}");
                let overhead = phase.overhead_us.unwrap_or(1.0);
                assert!((0.1..5000.0).contains(&overhead), "{class:?}");
                for band in [&phase.derived, &phase.known] {
                    assert!(0.1 < band.low && band.low < band.high && band.high < 5.0, "{class:?}");
                    assert!(class.name.starts_with(&band.of), "{class:?}");
                }
            }
        }
    }
}

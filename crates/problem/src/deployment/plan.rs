//! A plan: a device and an option for each layer.

use serde::{Deserialize, Serialize};

use super::{DeviceId, OptionId};

/// An answer: for each model, for each layer, where it runs and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// `models[model][layer]`.
    pub models: Vec<Vec<Assignment>>,
}

/// Where a layer runs and how it is stored.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Assignment {
    /// The device.
    pub device: DeviceId,
    /// The option of that layer.
    pub option: OptionId,
}

/// A maximal run of consecutive layers on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The device.
    pub device: DeviceId,
    /// First layer of the run.
    pub first: usize,
    /// Last layer of the run.
    pub last: usize,
}

impl Plan {
    /// A plan of one model.
    pub fn single(layers: Vec<Assignment>) -> Self {
        Self { models: vec![layers] }
    }

    /// The runs of consecutive layers on one device, in chain order.
    pub fn segments(&self, model: usize) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for (layer, assignment) in self.models[model].iter().enumerate() {
            match segments.last_mut() {
                Some(run) if run.device == assignment.device => run.last = layer,
                _ => {
                    segments.push(Segment { device: assignment.device, first: layer, last: layer })
                }
            }
        }
        segments
    }
}

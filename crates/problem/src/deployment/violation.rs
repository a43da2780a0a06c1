//! What can be wrong with a plan, with the numbers that say by how much.

use std::fmt;

use crate::{Bytes, Loss, Nanos};

/// A broken constraint. Names, not indices, so that it can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The plan does not fit the instance: wrong number of models or layers, or an unknown id.
    Shape(String),
    /// The device may not or cannot run the layer in this recipe.
    Unusable {
        /// Model and layer.
        layer: String,
        /// The device.
        device: String,
        /// The recipe.
        recipe: String,
    },
    /// The layer is pinned to another device.
    Pin {
        /// Model and layer.
        layer: String,
        /// The device that the plan uses.
        device: String,
        /// The device that it must use.
        pin: String,
    },
    /// Two devices that must exchange a message have no way to.
    Unreachable {
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
    },
    /// A model's chain enters a host twice although placement is contiguous.
    Split {
        /// The model.
        model: String,
        /// The host, or the device that is a host of its own.
        host: String,
    },
    /// Two parts of one block lie on two hosts.
    Torn {
        /// Model and layer: the later part.
        layer: String,
        /// The device of the earlier part.
        from: String,
        /// The device of the later part.
        to: String,
    },
    /// A device's memory is too small.
    Memory {
        /// The device.
        device: String,
        /// Bytes that the plan needs there.
        needed: Bytes,
        /// Bytes that the device has.
        available: Bytes,
    },
    /// A device computes for longer than its budget.
    Compute {
        /// The device.
        device: String,
        /// Time that the plan needs there.
        needed: Nanos,
        /// The budget.
        available: Nanos,
    },
    /// A device sends more than its budget.
    Traffic {
        /// The device.
        device: String,
        /// Bytes that the plan sends from there.
        needed: Bytes,
        /// The budget.
        available: Bytes,
    },
    /// A model loses more quality than its budget.
    Quality {
        /// The model.
        model: String,
        /// Loss of the plan.
        loss: Loss,
        /// The budget.
        available: Loss,
    },
    /// A model's request takes longer than the limit.
    Latency {
        /// The model.
        model: String,
        /// Time of the plan.
        needed: Nanos,
        /// The limit.
        available: Nanos,
    },
    /// The bottleneck is longer than the limit.
    Bottleneck {
        /// Cycle time of the plan.
        needed: Nanos,
        /// The limit.
        available: Nanos,
    },
}

impl Violation {
    /// How badly the constraint is broken, in millionths of its limit; structural ones count as
    /// once the limit.
    pub fn excess_ppm(&self) -> u64 {
        let over = |needed: u64, available: u64| {
            let excess = u128::from(needed.saturating_sub(available)) * 1_000_000;
            u64::try_from(excess / u128::from(available.max(1))).unwrap_or(u64::MAX).max(1)
        };
        match self {
            Self::Shape(_) => u64::MAX,
            Self::Unusable { .. }
            | Self::Pin { .. }
            | Self::Unreachable { .. }
            | Self::Split { .. }
            | Self::Torn { .. } => 1_000_000,
            Self::Memory { needed, available, .. } | Self::Traffic { needed, available, .. } => {
                over(needed.0, available.0)
            }
            Self::Compute { needed, available, .. }
            | Self::Latency { needed, available, .. }
            | Self::Bottleneck { needed, available } => over(needed.0, available.0),
            Self::Quality { loss, available, .. } => over(loss.0, available.0),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(what) => write!(f, "the plan does not fit the instance: {what}"),
            Self::Unusable { layer, device, recipe } => {
                write!(f, "{device} cannot run {layer} as {recipe}")
            }
            Self::Pin { layer, device, pin } => {
                write!(f, "{layer} is on {device} but pinned to {pin}")
            }
            Self::Unreachable { from, to } => write!(f, "no route from {from} to {to}"),
            Self::Split { model, host } => write!(f, "{host} holds two separate runs of {model}"),
            Self::Torn { layer, from, to } => {
                write!(
                    f,
                    "{layer} is on {to}, another host than {from} with the block's part before"
                )
            }
            Self::Memory { device, needed, available } => write!(
                f,
                "{device} needs {needed} of memory and has {available} ({} bytes too many)",
                needed.saturating_sub(*available).0
            ),
            Self::Compute { device, needed, available } => {
                write!(f, "{device} computes for {needed}, its budget is {available}")
            }
            Self::Traffic { device, needed, available } => {
                write!(f, "{device} sends {needed}, its budget is {available}")
            }
            Self::Quality { model, loss, available } => {
                write!(f, "{model} loses {loss}, its budget is {available}")
            }
            Self::Latency { model, needed, available } => {
                write!(f, "{model} takes {needed} per request, the limit is {available}")
            }
            Self::Bottleneck { needed, available } => {
                write!(f, "the bottleneck is {needed}, the limit is {available}")
            }
        }
    }
}

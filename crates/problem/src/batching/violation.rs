//! What can be wrong with a plan, with the numbers that say by how much.

use std::fmt;

use super::{BAND, MILLION};
use crate::{Bytes, Nanos};

/// A broken constraint. Names, not indices, so that it can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The plan does not fit the instance: wrong number of nodes, an unknown id, a request twice.
    Shape(String),
    /// A member cannot reach its node.
    Unreachable {
        /// The member.
        request: String,
        /// The node.
        node: String,
    },
    /// The node's format is too coarse for a member.
    Accuracy {
        /// The member.
        request: String,
        /// The node's format.
        format: String,
        /// What the member asks, in millionths.
        asked_ppm: u32,
        /// What the format reaches, in millionths.
        reached_ppm: u32,
    },
    /// The prompts need more than the uplink band.
    Uplink {
        /// The node.
        node: String,
        /// Sum of the smallest shares, in billionths of the band.
        needed: u64,
    },
    /// The answers need more than the downlink band.
    Downlink {
        /// The node.
        node: String,
        /// Sum of the smallest shares, in billionths of the band.
        needed: u64,
    },
    /// Weights and KV cache do not fit.
    Memory {
        /// The node.
        node: String,
        /// Bytes of both.
        needed: Bytes,
        /// Bytes that the node has.
        available: Bytes,
    },
    /// The batch runs longer than the compute phase.
    Compute {
        /// The node.
        node: String,
        /// Time of the batch.
        needed: Nanos,
        /// The phase.
        available: Nanos,
    },
    /// A member gets its answer too late.
    Deadline {
        /// The member.
        request: String,
        /// From its arrival to its answer.
        needed: Nanos,
        /// What it allows.
        available: Nanos,
    },
}

impl Violation {
    /// How badly the constraint is broken, in millionths of its limit; structural ones count as
    /// once the limit.
    pub fn excess_ppm(&self) -> u64 {
        let over = |needed: u64, available: u64| {
            let excess = u128::from(needed.saturating_sub(available)) * u128::from(MILLION);
            u64::try_from(excess / u128::from(available.max(1))).unwrap_or(u64::MAX).max(1)
        };
        match self {
            Self::Shape(_) => u64::MAX,
            Self::Unreachable { .. } | Self::Accuracy { .. } => MILLION,
            Self::Uplink { needed, .. } | Self::Downlink { needed, .. } => over(*needed, BAND),
            Self::Memory { needed, available, .. } => over(needed.0, available.0),
            Self::Compute { needed, available, .. } | Self::Deadline { needed, available, .. } => {
                over(needed.0, available.0)
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &u64| *share as f64 * 100.0 / BAND as f64;
        let share = |ppm: &u32| f64::from(*ppm) / MILLION as f64;
        match self {
            Self::Shape(what) => write!(f, "the plan does not fit the instance: {what}"),
            Self::Unreachable { request, node } => write!(f, "{request} cannot reach {node}"),
            Self::Accuracy { request, format, asked_ppm, reached_ppm } => write!(
                f,
                "{request} asks for an accuracy of {:.4}, {format} reaches {:.4}",
                share(asked_ppm),
                share(reached_ppm)
            ),
            Self::Uplink { node, needed } => {
                write!(f, "{node} needs {:.4} % of its uplink band", percent(needed))
            }
            Self::Downlink { node, needed } => {
                write!(f, "{node} needs {:.4} % of its downlink band", percent(needed))
            }
            Self::Memory { node, needed, available } => write!(
                f,
                "{node} needs {needed} of memory and has {available} ({} bytes too many)",
                needed.saturating_sub(*available).0
            ),
            Self::Compute { node, needed, available } => {
                write!(f, "{node} computes for {needed}, its phase is {available}")
            }
            Self::Deadline { request, needed, available } => {
                write!(f, "{request} is answered after {needed}, it allows {available}")
            }
        }
    }
}

//! Certificates of lower bounds, and the checker that believes nothing else.

mod check;

use edgeplan_problem::Cost;
use serde::{Deserialize, Serialize};

pub use check::{Rejected, check};

/// A claim that no plan of an instance costs less, with all that it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// No plan costs less: nanoseconds or bytes, as the instance's objective says.
    pub lower_bound: Cost,
    /// Prices are whole numbers of this part of a nanosecond (or byte): 2^-`scale_bits`.
    pub scale_bits: u32,
    /// Price of a unit of loss, in 2^-20 of that.
    pub loss_price: u64,
    /// By device: price of every visit but the first.
    pub visit_price: Vec<u64>,
    /// By device: the other devices that a relaxed path remembers while it is there.
    pub remembered: Vec<Vec<usize>>,
    /// By device: bytes of a step of the memory grid.
    pub unit: Vec<u64>,
    /// By device, by layer: bytes of the choice that moves on the grid without rounding.
    pub reference: Vec<Vec<u64>>,
}

/// Parts of a price of loss.
pub const LOSS_PARTS: u64 = 1 << 20;

//! Certificates of lower bounds, and the checker that believes nothing else.
//!
//! # What a certificate proves
//!
//! A certificate names the multipliers of a Lagrangian relaxation and how memory is rounded. The
//! checker solves that relaxation again, in integers and with no code of the solver.
//!
//! **Theorem.** Let `P` be a feasible plan of one model in contiguous placement, whose objective is
//! latency or memory. Take any loss price `p >= 0` and any visit prices `v[d] >= 0`, any
//! remembered sets, any steps of memory and any references. Then the cost of `P` is at least
//!
//! ```text
//! min over paths of (cost + p * loss + sum of v[d] over visits)
//!     - p * loss_max - sum over d of v[d]
//! ```
//!
//! where a path walks the layers in order, pays for every layer, message and visit, and obeys:
//!
//! 1. *Loss and visits.* `P` loses `loss_max` at most and visits each device once at most, so
//!    what it pays at these prices is at most what is subtracted (weak duality: Geoffrion,
//!    Mathematical Programming Study 2, 1974). Priced loss is rounded down, what is subtracted up.
//! 2. *Memory of a run.* A path that stays on a device knows how much memory is left there as a
//!    step of a grid. A step is never less than what is truly left: only what an option takes
//!    beyond a reference option is rounded, and downwards.
//! 3. *Remembered sets.* A path on device `d` remembers which members of `remembered[d]` it
//!    visited, as long as every device since then remembered them, too; what it remembers it may
//!    not visit again (ng-routes: Baldacci, Mingozzi and Roberti, Operations Research 59, 2011).
//!    `P` visits nothing again, so every such rule leaves `P` among the paths.
//! 4. *What is left out.* Limits on time, compute and traffic, and tensors that layers share, are
//!    not in the relaxation: without them there are only more paths, and none costs more.
//!
//! So the shortest path is a bound whatever the certificate says; a bad one proves little. If there
//! is no path at all, or the bound is above what any plan could cost, then there is no plan, and
//! the bound is [`Cost::MAX`].
//!
//! # Arithmetic
//!
//! Every number of a path is an `i128` that is capped at 2^80, which only lowers paths; what is
//! subtracted is exact. Sums of fewer than 2^32 such numbers cannot overflow.
//!
//! # Limits
//!
//! One model, contiguous placement, latency or memory, devices that are hosts of their own;
//! [`check()`] refuses everything else. Other files prove bounds of [hosts](check_hosts) of several
//! devices, and of [several models, free placement and bottlenecks](check_configurations). What a
//! certificate asks for is counted before anything is allocated: table values are limited to 2^18
//! per device and 2^23 in all (128 MiB), operations to 2^32.

mod check;
mod configurations;
mod grid;
mod hosts;
mod relaxation;
mod scale;
mod size;

use edgeplan_problem::Cost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::{Rejected, check};
pub use configurations::{
    ConfigurationCertificate, MULTIPLIER_BITS, Resource, check_configurations,
};
pub use hosts::{HostCertificate, check_hosts};

/// A claim that no plan of an instance costs less, with all that it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// What cannot be. Anything that can costs less: fewer than 2^32 numbers of at most 2^80 each.
const NONE: i128 = 1 << 120;

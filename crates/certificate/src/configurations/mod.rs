//! Certificates over configurations: what each device holds, and the ways of models between them.
//!
//! Where several models, or several runs of one, share a device, a path of one model says little. A
//! *configuration* is everything that one device holds; a *way* is the messages of one model. The
//! certificate names prices that tie the two together, and the checker takes the cheapest
//! configuration of each device and the cheapest way of each model.
//!
//! **Theorem.** Let `P` be a feasible plan that costs less than the claim, if there is one. Take
//! any prices `begin` and `end` of either sign, by model, layer and device, and any multipliers of
//! loss, latency, compute, sending and traffic, none negative. The cost of `P` is at least
//!
//! ```text
//! sum over models of the cheapest way + sum over devices of the cheapest configuration
//!     - what the limits are worth
//! ```
//!
//! 1. *Runs.* In `P` every run of layers begins on its device after exactly one message and ends
//!    with exactly one. A configuration pays `begin` and `end` of its runs, a way earns them at its
//!    messages: over `P` they cancel, whatever their values.
//! 2. *Limits.* Loss, latency, sending and traffic of `P` are at most their limits; what `P` pays
//!    for them at these multipliers is at most what is subtracted (weak duality: Geoffrion,
//!    Mathematical Programming Study 2, 1974). What is paid is rounded down, what is subtracted up.
//! 3. *Bottleneck.* Multipliers of compute and sending that add up to one over all devices make of
//!    every device's load a lower bound of the busiest one. A plan that costs less than the claim
//!    loads no device, and sends no message, as long as the claim: longer ones are left out.
//! 4. *Steps of a device.* Memory, or compute time, is counted in steps: what each layer takes is
//!    rounded down by itself, and so is the limit, so that no configuration within it is lost.
//! 5. *The other of the two.* A price per unit, and what the device's limit is worth at it, bound
//!    the configurations within that limit (2. once more, device by device).
//! 6. *What is left out.* Shared tensors count where no earlier layer can have stored them. Ways
//!    may return to a device where placement is contiguous; configurations may not.
//!
//! As with paths, numbers are `i128` that are capped at 2^80, and what a certificate asks for is
//! counted before it is allocated.

mod check;
mod contents;
mod ways;

use edgeplan_problem::Cost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::check_configurations;

/// A claim that no plan of an instance costs less, by the cheapest contents of devices and the
/// cheapest ways of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationCertificate {
    /// No plan costs less: nanoseconds or bytes, as the instance's objective says.
    pub lower_bound: Cost,
    /// Prices are whole numbers of this part of a nanosecond (or byte): 2^-`scale_bits`.
    pub scale_bits: u32,
    /// By model, layer and device: what a device pays to begin a run with that layer.
    pub begin: Vec<Vec<Vec<i64>>>,
    /// By model, layer and device: what a device pays to end a run with that layer.
    pub end: Vec<Vec<Vec<i64>>>,
    /// By model: price of a unit of loss, in 2^-24 of a scaled unit.
    pub loss_price: Vec<u64>,
    /// By model: price of a nanosecond of one request, in 2^-24.
    pub latency_price: Vec<u64>,
    /// By device: price of a nanosecond of compute per round, in 2^-24. Only of a bottleneck.
    pub compute_price: Vec<u64>,
    /// By device: price of a nanosecond of sending per round, in 2^-24.
    pub sending_price: Vec<u64>,
    /// By device: price of a byte sent per round, in 2^-24.
    pub traffic_price: Vec<u64>,
    /// By device: what is counted in steps.
    pub counted: Vec<Resource>,
    /// By device: bytes or nanoseconds of a step.
    pub unit: Vec<u64>,
    /// By device: price of a unit of what is not counted, within the device's own limit, in 2^-24.
    pub within_price: Vec<u64>,
}

/// What the layers on a device share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Bytes of memory.
    Memory,
    /// Nanoseconds of compute per round.
    Compute,
}

/// Bits of fraction of a multiplier.
pub const MULTIPLIER_BITS: u32 = 24;

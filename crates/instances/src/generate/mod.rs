//! Seeded instances: the same parameters give the same instance on every machine.
//!
//! A family is a plain struct of its parameters with a sensible default, and a function. [`random`]
//! draws every number; [`realistic`] puts a model of the catalog on catalog devices in a home, at
//! edge sites or in classes; [`packing`] hides bins that must be filled to the brim; [`tight`]
//! takes memory away from any instance, [`strict`] quality.

use std::ops::RangeInclusive;

use crate::file::InputError;

mod packing;
mod random;
mod realistic;
mod tight;

pub use packing::{Items, Packing, packing};
pub use random::{Random, random, several};
pub use realistic::{Network, Realistic, realistic};
pub use tight::{strict, tight};

/// Whether a parameter is in its range.
pub(crate) fn within(
    key: &str,
    value: u64,
    allowed: RangeInclusive<u64>,
) -> Result<(), InputError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let problem = format!("{value}; {} to {} are allowed", allowed.start(), allowed.end());
    Err(InputError::key("generate", key, problem))
}

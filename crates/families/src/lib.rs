//! Seeded instances: the same parameters give the same instance on every machine.
//!
//! A family is a plain struct of its parameters with a sensible default, and a function. [`random`]
//! draws every number; [`realistic`] puts a model of the catalog on catalog devices in a home, at
//! edge sites or in classes; [`hosts`] puts a model with experts on machines of GPUs and RAM;
//! [`packing`] hides bins that must be filled to the brim; [`tight`] takes memory away from any
//! instance, [`strict`] quality, [`alike_devices`] and [`alike_layers`] what tells them apart.
//! [`reductions`] holds hard problems of the literature with known answers.

mod alike;
mod draw;
mod hosts;
mod packing;
pub mod published;
mod random;
mod realistic;
pub mod reductions;
mod tight;

pub use alike::{alike_devices, alike_layers};
pub use draw::Draw;
pub use hosts::{Hosts, hosts};
pub use packing::{Items, Packing, packing};
pub use random::{Random, random, several};
pub use realistic::{Network, Realistic, realistic};
pub use tight::{strict, tight};

//! Measures solvers: suites of instances, each trial in a process of its own, and a record of what
//! it did. Solvers are known by their name in a registry only.

mod child;
mod foreign;
pub mod instance;
pub mod job;
mod limit;
mod outcome;
mod outlook;
mod pace;
pub mod registry;
pub mod runner;
pub mod shard;
pub mod suite;
pub mod trial;

//! Measures solvers: suites of generated instances, each trial in a process of its own, records as
//! CSV, and a summary that is a pure function of the records. Solvers are known by their name in
//! the registry only.

mod child;
mod limit;
pub mod record;
pub mod runner;
pub mod suite;
pub mod summary;
pub mod trial;

//! LP relaxation, randomized rounding (Raghavan and Thompson, Combinatorica 7, 1987), repair.

mod batching;
mod repair;
mod schedule;
mod solver;

pub use repair::Repair;
pub use solver::Rounding;

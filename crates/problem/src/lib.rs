//! Instances, plans, and the judge of both.
//!
//! A [`Problem`] alone says what a plan costs and whether it is feasible ([`Problem::evaluate`]).
//! A [`Solver`] returns a plan and a bound, nothing else. [`solve`] runs it and [`judge`] derives
//! the [`Verdict`]: no solver is believed. Everything inside is an integer; there is no I/O, no
//! engine and no other member of the workspace below this crate.

pub mod batching;
mod confirm;
pub mod deployment;
pub mod format;
mod id;
mod in_time;
mod race;
pub mod recipe;
mod run;
pub mod scheduling;
mod solver;
mod turns;
mod units;
mod verdict;

pub use confirm::confirm;
pub use in_time::solve_in_time;
pub use race::{Racer, race};
pub use run::{Limits, Observer, Run, Silent, Stop, Watch};
pub use solver::{Answer, Evaluation, Problem, Solver, SolverError, Unsupported};
pub use units::{Bytes, Cost, Loss, Nanos, Share};
pub use verdict::{
    Contradiction, Outcome, Verdict, gap, judge, reconcile, reconcile_verdicts, solve,
};

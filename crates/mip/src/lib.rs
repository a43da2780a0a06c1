//! One door to HiGHS and CBC.
//!
//! A [`Program`] is sparse columns and rows, minimised. [`Highs`] solves it in this process: the
//! model is stated with good_lp and then taken out of it ([`good_lp::solvers::highs`]'s
//! `into_inner`), because good_lp itself reports neither the dual bound nor the node count and
//! folds most statuses into one. [`Cbc`] sends it to `edgeplan-cbc`, a process of its own, since
//! CBC aborts on some models. A program crosses that pipe as data, which good_lp's constraints
//! cannot (their terms are private), hence a type of our own.
//!
//! Values that come back are an engine's word: callers re-check them.

mod callback;
mod cbc;
mod engine;
mod highs;
mod linear;
mod model_file;
mod mps;
mod program;

pub use cbc::Cbc;
pub use engine::{Engine, EngineError, Progress, Reply, Request, Status};
pub use highs::Highs;
pub use linear::{LinearOptimum, LinearProgram};
pub use model_file::{ModelFormat, Names, SolvedFile, solve_file, write_model};
pub use mps::{MpsError, from_mps};
pub use program::{Column, Program, Row, Variable};

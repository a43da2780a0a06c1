//! A machine as llama.cpp sees it: `llama-bench`, `test-backend-ops`, `ggml-rpc-server` and
//! `llama-server`, run on small models that are made for it, one cell after the other.
//!
//! [`profile`] runs a grid of cells and keeps what an earlier, interrupted run measured. What is
//! learned from a profile is [`edgeplan_cost_model::engine`]'s matter.

mod bench;
mod device;
mod found;
mod given;
mod grid;
mod kernels;
mod models;
mod programs;
mod run;
mod server;

pub use found::before;
pub use given::with_given;
pub use grid::Size;
pub use programs::EngineError;
pub use run::{Options, Progress, profile};

//! The cost model of an engine: whole passes of small models, timed by the engine's own programs,
//! become times of products by format and rows, of attention by depth and cache, and of what a
//! block, a graph, a server and another process add.
//!
//! Passes are what counts: kernels alone leave out how threads meet, how weights are repacked, and
//! what lies between kernels. Kernels say what no pass does: formats and caches that were not run
//! whole, each by its ratio to one that was.

mod check;
mod curve;
mod file;
mod fit;
mod held_out;
mod kernels;
mod model;

pub use file::{
    BenchModel, ENGINE_SCHEMA, EngineKernel, EngineName, EngineProfile, KernelTiming, Pass,
    PassTiming, Share, Spread, Way, Weights,
};
pub use held_out::HeldOut;
pub use model::{AttentionWork, EngineModel, EngineProduct};

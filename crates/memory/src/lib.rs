//! Bytes that llama.cpp allocates: weights, KV cache, recurrent state, compute buffers; computed
//! from a model's tensors ([`estimate`]) and asked of the engine itself ([`dry_run`]).

mod buffers;
mod comparison;
mod engine;
mod estimate;
mod header;
pub mod record;

pub use comparison::{CONTEXT, Comparison, DeviceMemory, Question};
pub use engine::{Engine, dry_run};
pub use estimate::{Account, Placement, estimate};
pub use header::runnable;

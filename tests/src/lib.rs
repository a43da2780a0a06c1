//! Shared helpers of the integration tests: random small questions, the oracle that answers them
//! by trying every plan, and the command line.

mod batching;
mod command;
mod folders;
pub mod formats;
pub mod kills;
mod oracle;
mod random;
mod schedules;
mod small;
mod varied;

pub use batching::{batching_optimum, small_batching};
pub use command::{edgeplan, generate, json, refused, run, text};
pub use folders::{Tensors, Tiny, safetensors};
pub use oracle::{Optimum, brute_force};
pub use schedules::{best_schedule, small_schedule};
pub use small::small;
pub use varied::{FEATURES, large, shrunk, varied};

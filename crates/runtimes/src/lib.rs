//! A plan as files and commands for the engines that people run.
//!
//! [`RUNTIMES`] says what each engine can do. [`Runtime::restrict`] states a question within that,
//! so that every plan of it can be exported and is priced as the engine works;
//! [`Runtime::misfits`] says what an engine cannot express of any other plan, and [`nearest`] asks
//! for the closest one that it can. [`export`] writes an [`Order`] down.

mod arrange;
mod chain;
mod distributed_llama;
mod exo;
mod export;
mod express;
mod gpu_layers;
mod llama_cpp;
mod lm_studio;
mod mistral_rs;
mod ollama;
mod prima_cpp;
mod readme;
mod restrict;
mod runtime;
mod shell;

pub use arrange::BlockRuns;
pub use chain::{Placed, placed};
pub use export::{Order, Request, export};
pub use express::{latency, nearest};
pub use runtime::{Blocks, Ends, PerHost, RUNTIMES, Runtime, Wires};

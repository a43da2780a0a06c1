//! A llama from a GGUF file, run layer by layer: the machine that plans speak of, small enough to
//! read.
//!
//! RMS norm (Zhang and Sennrich 2019), rotary positions (Su et al. 2021), grouped queries (Ainslie
//! et al. 2023) and a gated feed-forward part (Shazeer 2020), as Touvron et al. 2023 put them
//! together. Weights may be in any mix of the types that candle knows.

mod attention;
mod block;
mod error;
mod llama;
mod matrix;
pub mod measure;
mod model;
mod observe;
pub mod random;
mod rope;
mod session;
mod weights;
mod worker;

pub use candle_core::{Device, Tensor};

pub use error::LlamaError;
pub use llama::Llama;
pub use model::Model;
pub use observe::{Expert, Observer, Stopwatch};
pub use rope::turns;
pub use session::{CHUNK, Positions, Session};
pub use weights::ggml_type;
pub use worker::on_worker;

//! Quality as llama.cpp has it: its quantizer rounds, with an importance matrix that it made, and
//! `llama-perplexity` judges by the mean divergence from the float model, on any architecture that
//! it runs.
//!
//! A tensor that is quantized alone has the same bytes as in a file that is quantized as a whole,
//! because the quantizer looks at one tensor and its row of the importance matrix. So every format
//! is made once, and mixes are put together from these files ([`splice`]).

pub mod judge;
pub mod logits;
pub mod mixes;
pub mod output;
pub mod programs;
pub mod splice;
pub mod survey;
mod variance;
pub mod verify;
pub mod work;

use edgeplan_files::InputError;
use edgeplan_model::{ModelSpec, TensorClass, TensorSpec};

pub use self::judge::{Judge, Verdict};
pub use self::programs::{Programs, Stop};
pub use self::work::Work;

/// Where a sensitivity file says that it is from.
pub const ORIGIN: &str = "llama.cpp";

/// Why a measurement ended.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its time is over, or it was interrupted.
    #[error("interrupted, or its time is over before anything was measured")]
    Stopped,
    /// A file or a program is not as it must be.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// A model as its GGUF file stores it: a tied embedding and head are one tensor, the embedding's.
pub fn as_in_file(mut model: ModelSpec) -> ModelSpec {
    if model.tied {
        for layer in &mut model.layers {
            layer.tensors.retain(|tensor| tensor.class != TensorClass::Output);
        }
        model.tied = false;
    }
    model
}

/// The tensors whose format a plan may choose.
pub fn chosen(model: &ModelSpec) -> impl Iterator<Item = &TensorSpec> {
    model.layers.iter().flat_map(|layer| &layer.tensors).filter(|tensor| tensor.quantizable)
}

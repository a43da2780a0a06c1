//! What quantization costs in quality, how distillation wins some of it back, and the file that a
//! plan describes.

use std::path::Path;

pub mod additivity;
pub mod apply;
mod architecture;
mod attention;
mod checkpoint;
mod decoder;
pub mod distill;
mod dither;
pub mod engine;
mod experts;
mod family;
pub mod fidelity;
mod folder;
pub mod journal;
mod measure;
mod quantize;
mod routing;
pub mod sense;
mod sentencepiece;
pub mod shards;
mod squad;
pub mod survey;
pub mod teacher;
mod text;

pub use checkpoint::Checkpoint;
pub use decoder::Decoder;
pub use edgeplan_reference_llama::LlamaError;
pub use folder::Folder;
pub use measure::{Distance, Reference, Windows};
pub use quantize::{dequantize, quantize, stored};
pub use text::Text;

/// The model of a GGUF file, or of a folder of safetensors, in f32, with room for that many
/// positions.
///
/// # Errors
/// Files that cannot be read or are cut off, an architecture that cannot be run, a missing or
/// superfluous tensor.
pub fn load(path: &Path, room: usize) -> Result<Decoder, LlamaError> {
    match path.is_dir() {
        true => Folder::open(path)?.decoder(room),
        false => Checkpoint::open(path)?.decoder(room),
    }
}

//! What quantization costs in quality, how distillation wins some of it back, and the file that a
//! plan describes.

mod checkpoint;
mod decoder;
mod quantize;
pub mod teacher;
mod text;

pub use checkpoint::Checkpoint;
pub use decoder::Decoder;
pub use edgeplan_engine::EngineError;
pub use quantize::{dequantize, quantize, stored};
pub use text::Text;

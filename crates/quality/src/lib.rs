//! What quantization costs in quality, how distillation wins some of it back, and the file that a
//! plan describes.

pub mod additivity;
pub mod apply;
mod checkpoint;
mod decoder;
pub mod distill;
mod measure;
mod quantize;
pub mod sense;
pub mod teacher;
mod text;

pub use checkpoint::Checkpoint;
pub use decoder::Decoder;
pub use edgeplan_engine::EngineError;
pub use measure::{Distance, Reference};
pub use quantize::{dequantize, quantize, stored};
pub use text::Text;

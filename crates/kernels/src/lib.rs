//! What a machine can do: the kernels of which layers are made, timed with candle.
//!
//! [`grid`] says what is worth timing and in which order, [`engine`] runs one piece of it,
//! [`run`] goes through it within a time and the machine's memory and says what disturbed it, and
//! [`profile()`] puts the machine's description in front: the file that the cost model reads.

pub mod engine;
pub mod grid;
mod profile;
mod resident;
pub mod run;
mod shapes;
mod triad;
mod weights;

pub use profile::{Options, ProfileError, cold_bytes, profile, threads};

//! From what was measured on a machine to the times of layers.

pub mod profile;

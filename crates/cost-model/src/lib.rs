//! From what was measured on a machine to the times of layers.
//!
//! [`profile`] is the file, [`CostModel::fit`] learns from it, [`CostModel::time`] predicts work
//! that may not be in it, with an interval. What a kernel takes depends on the kernel and not on
//! the bits of its format, so every format is fitted by itself. [`engine`] is the same for an
//! engine whose own programs measure.

mod check;
mod conformal;
pub mod engine;
mod kernel;
mod memory;
mod model;
mod naive;
mod prediction;
pub mod profile;
mod regression;
mod terms;
mod work;

pub use check::FitError;
pub use conformal::{COVERAGE, median};
pub use model::{Accuracy, CostModel, Errors, Missing};
pub use naive::Naive;
pub use prediction::Prediction;
pub use regression::fit as least_squares;

//! Speeds that others published, beside what the catalog predicts for devices that it does not
//! know: the errors by class, and the classes that follow from them.

mod alone;
mod fit;
mod held_out;
mod rows;
mod tree;

pub use self::held_out::{Errors, HeldOut, errors, fitted, held_out};
pub use self::rows::{PublicSpeed, public_speeds};

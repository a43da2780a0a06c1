//! Shared helpers of the integration tests: random small questions, and the oracle that answers
//! them by trying every plan.

mod oracle;
mod small;

pub use oracle::{Optimum, brute_force};
pub use small::{plans, small};

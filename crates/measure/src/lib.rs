//! What every measurement needs: the machine that it is made on, a clock, robust statistics.

pub mod clock;
mod features;
pub mod machine;
pub mod sample;

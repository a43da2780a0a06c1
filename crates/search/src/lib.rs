//! The exact chain solver.
//!
//! A Lagrangian relaxation (quality, limited time and "each device at most once" priced) is a
//! shortest path over (layer, device, memory left to the run), solved by dynamic programming. A
//! bundle method maximises its dual bound; what the bound proves useless leaves the chain
//! (reduced-cost fixing); label setting with its values as completion bounds finds plans and closes
//! small gaps; the rest is closed by branching on what the best mixture of relaxed paths leaves
//! undecided.
//!
//! Where hosts have several devices, memories are priced as well, and the search branches on how
//! many layers of a kind a device holds.

mod bottleneck;
mod bounding;
mod branching;
mod certify;
mod chain;
mod crowd;
mod dual;
mod effort;
mod hosts;
#[doc(hidden)]
pub mod inner;
mod joint_bounds;
mod labels;
mod primal;
mod solver;
mod tuning;

pub use certify::{Climbing, uncertified};
pub use solver::ChainSearch;

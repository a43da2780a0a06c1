//! The exact chain solver, tree searches for batching ([`batching`]), and a search for schedules.
//!
//! A Lagrangian relaxation (quality, limited time and "each device at most once" priced) is a
//! shortest path over (layer, device, memory left to the run), solved by dynamic programming. Its
//! bound is climbed with a bundle of slopes; what it proves useless leaves the chain (reduced-cost
//! fixing); label setting with its values as completion bounds finds plans and closes small gaps;
//! the rest is closed by branching on what the best mixture of relaxed paths leaves undecided.
//!
//! [`ScheduleSearch`] bounds schedules in the same way, with a price on every capacity.

mod ascent;
pub mod batching;
mod bottleneck;
mod branching;
mod bundle;
mod certify;
mod chain;
mod corridor;
mod cycle;
mod dominance;
mod fixing;
mod grid;
#[doc(hidden)]
pub mod inner;
mod joint;
mod labels;
mod near;
mod neighbours;
mod order;
mod prefix;
mod relaxation;
mod rounds;
mod schedule;
mod solver;
mod ticks;
mod together;
mod tree;

pub use certify::{Climbing, uncertified};
pub use schedule::ScheduleSearch;
pub use solver::ChainSearch;

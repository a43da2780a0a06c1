//! Greedy placements, batches and schedules: the policies that people use today.
//!
//! No placement chooses formats: each is tried with every mix of
//! [`edgeplan_problem::deployment::mixes`] and the best plan counts. Plans are contiguous whatever
//! the instance asks, and `evaluate()` refuses what does not fit; no bound is claimed.
//!
//! Of schedules, [`ByArrival`] is GUS and the baselines that it is compared with.

mod batching;
mod by_arrival;
mod llama_cpp;
mod one_format;
mod placing;
mod policy;
mod quantize_then_place;
mod runs;

pub use batching::BatchPolicy;
pub use by_arrival::{ByArrival, Rule};
pub use llama_cpp::{LlamaCpp, Offloading};
pub use one_format::OneFormat;
pub use policy::{Kind, Policy};
pub use quantize_then_place::QuantizeThenPlace;

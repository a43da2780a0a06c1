//! Dynamic programs over a chain of layers: EdgeShard's two algorithms and an exact one that
//! counts interchangeable devices instead of naming them.
//!
//! The three place the layers of one model in a fixed *mix* (one option per layer). Where layers
//! have several options they try the candidate mixes of
//! [`mixes`](edgeplan_problem::deployment::mixes) and keep the best plan. Beside them, for
//! batching, is [`BatchSweep`].

mod batching_sweep;
mod chain;
mod classes;
mod count_vector;
mod edgeshard_latency;
mod edgeshard_throughput;
mod stages;

pub use batching_sweep::BatchSweep;
pub use count_vector::ChainExact;
pub use edgeshard_latency::EdgeShardLatency;
pub use edgeshard_throughput::EdgeShardThroughput;

//! Tree searches for batching: DFTSP as published, the brute force it is measured against, an exact
//! search of our own, and the heuristic for several nodes that is built on it.

mod dftsp;
mod exact;
mod items;
mod node_by_node;
mod relaxed;
mod tree;

pub use dftsp::{Dftsp, Pruning};
pub use exact::BatchSearch;
pub use node_by_node::NodeByNode;

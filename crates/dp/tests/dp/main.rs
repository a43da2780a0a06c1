//! The programs against hand-made instances, EdgeShard's published case and brute force.

mod brute_force;
mod edgeshard_case;
mod hand_made;
mod support;

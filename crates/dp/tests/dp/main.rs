//! The programs against hand-made instances and brute force.

mod brute_force;
mod hand_made;
mod support;

//! The dual bound of one chain: quality, limited time and "each device at most once" (or memory,
//! where placement is free) are priced; what is left is a shortest path, solved by dynamic
//! programming; a bundle method finds the prices at which that bound is highest.

pub(crate) mod ascent;
pub(crate) mod fixing;
pub(crate) mod grid;
pub(crate) mod ng_sets;
pub(crate) mod path;
pub(crate) mod prices;
pub(crate) mod relaxation;
pub(crate) mod state;
pub(crate) mod ticks;

//! Branch and price over what devices hold: several models, free placement.
//!
//! A configuration is everything that one device holds, with recipes. The master mixes them with
//! messages; its duals, as integers, are prices, and what they prove is evaluated exactly.

mod anneal;
mod ascent;
mod bound;
mod branch;
mod certify;
mod columns;
mod configuration;
mod domain;
mod gains;
mod improve;
mod knapsack;
mod master;
mod near;
mod paths;
mod place;
mod plans;
mod prices;
mod pricing;
mod propagate;
mod question;
mod recipes;
mod rows;
mod search;
#[cfg(test)]
mod small;
mod solver;
mod sums;
mod targets;
mod tree;
mod volume;

pub use solver::Joint;

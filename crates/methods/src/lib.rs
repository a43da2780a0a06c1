//! What several solvers search with: a proximal [`bundle`] method, and the [`frontier`] of a branch
//! and bound. Neither knows a problem.

pub mod bundle;
pub mod frontier;

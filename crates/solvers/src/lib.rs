//! The registry of solvers

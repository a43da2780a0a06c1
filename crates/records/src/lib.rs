//! What trials left behind, and what follows from it. Records are rows of CSV files; everything
//! else here is a pure function of them. Nothing runs a solver.

mod cell;
mod columns;
pub mod comparison;
pub mod declared;
pub mod folder;
pub mod growth;
pub mod known;
pub mod lock;
pub mod parameter;
pub mod profile;
pub mod ranking;
pub mod row;
pub mod statistics;
pub mod summary;

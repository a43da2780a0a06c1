//! Files and seeds: formats, models, devices, clusters, workloads, importers, generators.

pub mod cluster;
pub mod device;
pub mod file;
pub mod format;
pub mod import;
pub mod model;
pub mod quantity;

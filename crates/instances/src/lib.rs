//! Files and seeds: how instances are read, written and generated.

pub mod batching;
pub mod build;
pub mod cluster;
pub mod device;
pub mod file;
pub mod generate;
pub mod import;
pub mod instance;
pub mod known;
pub mod model;
pub mod pins;
pub mod quantity;
pub mod recipes;
pub mod schedule;
pub mod sensitivity;
pub mod service;
pub mod workload;

pub use edgeplan_formats as format;

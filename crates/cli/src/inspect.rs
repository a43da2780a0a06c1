//! `edgeplan inspect`: what a question is made of, before anything is planned.

mod cluster;
mod device;
mod measured;
mod model;

use std::path::PathBuf;

use anyhow::Result;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Layers and tensors of a model, and its size in each format
    Model {
        /// Model: `catalog:NAME`, a GGUF file, a config.json or its folder [default: list the
        /// catalog]
        spec: Option<String>,
    },
    /// Memory, rates and predicted speeds of a device, with sources
    Device {
        /// Device: `catalog:NAME`, a device file (TOML), or a profile of `edgeplan profile` (JSON)
        /// [default: list the catalog]
        spec: Option<String>,
    },
    /// Devices and links of a cluster, and the hop time of a hidden state between any two devices
    Cluster {
        /// Cluster: a cluster.toml [default: a laptop, two Jetsons and a GPU desktop]
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    match &arguments.what {
        What::Model { spec: None } => model::catalog(arguments.json),
        What::Model { spec: Some(spec) } => model::one(spec, arguments.json),
        What::Device { spec: None } => device::catalog(arguments.json),
        What::Device { spec: Some(spec) } => device::one(spec, arguments.json),
        What::Cluster { file } => cluster::one(file.as_deref(), arguments.json),
    }
}

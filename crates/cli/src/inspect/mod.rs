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
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// What a model is made of, and how large it is in each format
    Model {
        /// `catalog:NAME`, a GGUF file, a config.json, or a folder that holds one; without it, the
        /// catalog
        spec: Option<String>,
    },
    /// What is known of a device, from whom, and the speeds that follow from it
    Device {
        /// `catalog:NAME`, a file with the same keys, or one that was measured on the machine;
        /// without it, the catalog
        spec: Option<String>,
    },
    /// Devices and links of a cluster, and how long a hidden state takes between any two
    Cluster {
        /// cluster.toml [default: a laptop, two Jetsons and an old GPU desktop]
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

//! `edgeplan inspect`: what a question is made of, before anything is planned.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::inspect;

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
    let json = arguments.json;
    Ok(match &arguments.what {
        What::Model { spec: None } => Reply::shown(json, &inspect::models()?),
        What::Model { spec: Some(spec) } => Reply::shown(json, &inspect::model(spec)?),
        What::Device { spec: None } => Reply::shown(json, &inspect::devices()),
        What::Device { spec: Some(spec) } => Reply::shown(json, &inspect::device(spec)?),
        What::Cluster { file } => Reply::shown(json, &inspect::cluster(file.as_deref())?),
    })
}

//! `edgeplan init`: the cluster file of this machine.

use std::path::PathBuf;

use anyhow::Result;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Cluster file to write; a file that is there already is kept
    #[arg(default_value = "cluster.toml")]
    out: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let initial = edgeplan::init(&arguments.out, arguments.force)?;
    Ok(Reply::either(arguments.json, &initial, &initial.text()))
}

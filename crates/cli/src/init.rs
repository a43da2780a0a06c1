//! `edgeplan init`: the cluster file of this machine.

use std::path::PathBuf;

use anyhow::Result;

use crate::reply::Reply;
use edgeplan_terminal::person::{answer, has_person};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Cluster file to write; a file that is there already is kept
    #[arg(default_value = "cluster.toml")]
    out: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Ask nothing: without this, a terminal asks for other machines of the network
    #[arg(long)]
    yes: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let asks = !arguments.yes && !arguments.json && has_person();
    let mut ask = |question: &str, usual: &str| asks.then(|| answer(question, usual)).flatten();
    let initial = edgeplan::init_asking(&arguments.out, arguments.force, &mut ask)?;
    Ok(Reply::either(arguments.json, &initial, &initial.text()))
}

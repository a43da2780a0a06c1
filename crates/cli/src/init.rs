//! `edgeplan init`: the cluster file of this machine, or of others.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::{Network, NetworkMachine};
use edgeplan_files::quantity::{Bandwidth, Time};

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
    /// Machine of the file in place of this one, such as pc=rtx-3090-24+64GiB or mac=apple-m4-24;
    /// repeat for several, the one that asks first
    #[arg(long, value_name = "NAME=DEVICE+DEVICE+RAM")]
    machine: Vec<NetworkMachine>,
    /// Bandwidth of the network between --machine
    #[arg(long, default_value = "1 Gbit/s")]
    bandwidth: Bandwidth,
    /// Latency from one --machine to another, one way
    #[arg(long, default_value = "0.5 ms")]
    latency: Time,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if !arguments.machine.is_empty() {
        let Arguments { bandwidth, latency, force, .. } = *arguments;
        let network = Network { machines: arguments.machine.clone(), bandwidth, latency };
        let initial = network.write(&arguments.out, force)?;
        return Ok(Reply::either(arguments.json, &initial, &initial.text()));
    }
    let asks = !arguments.yes && !arguments.json && has_person();
    let mut ask = |question: &str, usual: &str| asks.then(|| answer(question, usual)).flatten();
    let initial = edgeplan::init_asking(&arguments.out, arguments.force, &mut ask)?;
    Ok(Reply::either(arguments.json, &initial, &initial.text()))
}

//! `edgeplan init`: the cluster file of this machine.

use std::path::PathBuf;

use anyhow::{Result, bail};
use edgeplan_files::{check_writable, write_atomic};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::detect::Detected;
use serde_json::json;

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
    let Arguments { out, force, json } = arguments;
    if out.exists() && !force {
        bail!("{}: is there already; --force replaces it", out.display());
    }
    check_writable(out)?;
    let found = Detected::here();
    let text = found.cluster_toml();
    // What is written is read before anybody else does.
    let cluster = Cluster::parse(&out.display().to_string(), &text)?;
    write_atomic(out, &text)?;
    let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
    if *json {
        let answer = json!({ "file": out, "devices": names, "notes": found.notes });
        return Ok(Reply::json(&answer));
    }
    let mut lines = vec![format!("{}: {}", out.display(), names.join(", "))];
    lines.extend(found.notes);
    lines.push(format!("next: edgeplan plan --cluster {} --model catalog:NAME", out.display()));
    Ok(Reply::text(&lines.join("\n")))
}

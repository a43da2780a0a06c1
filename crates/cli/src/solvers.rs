//! `edgeplan solvers`: the registry as a table.

use anyhow::Result;
use edgeplan_solvers::DEPLOYMENT;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::report::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.json {
        let row = |entry: &edgeplan_solvers::Entry| {
            json!({
                "name": entry.name,
                "guarantee": entry.guarantee.label(),
                "about": entry.about,
                "reference": entry.reference,
            })
        };
        return Ok(Reply::json(&DEPLOYMENT.iter().map(row).collect::<Vec<Value>>()));
    }
    let mut rows = table(&["solver", "guarantee", "what it is", "source"], &[]);
    for entry in DEPLOYMENT {
        rows.add_row([entry.name, entry.guarantee.label(), entry.about, entry.reference]);
    }
    Ok(Reply::text(&rows.to_string()))
}

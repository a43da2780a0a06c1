//! `edgeplan solvers`: the registry as a table.

use anyhow::Result;
use edgeplan_problem::Problem;
use edgeplan_report::table::Table;
use edgeplan_solvers::{DEPLOYMENT, Entry, SCHEDULING};
use serde::Serialize;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    Ok(listed(arguments.json, all()))
}

/// The solvers of `plan` and `schedule`.
pub fn all() -> Vec<Row> {
    rows(Some("plan"), DEPLOYMENT).chain(rows(Some("schedule"), SCHEDULING)).collect()
}

/// A solver. Field names are stable keys.
#[derive(Debug, Serialize)]
pub struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'static str>,
    name: &'static str,
    guarantee: &'static str,
    about: &'static str,
    reference: &'static str,
}

/// The entries of a registry, and the command that asks them where several are listed.
pub(crate) fn rows<P: Problem + 'static>(
    command: Option<&'static str>,
    entries: &'static [Entry<P>],
) -> impl Iterator<Item = Row> {
    entries.iter().map(move |&Entry { name, ref guarantee, about, reference, .. }| Row {
        command,
        name,
        guarantee: guarantee.label(),
        about,
        reference,
    })
}

/// Solvers as a table or as JSON.
pub(crate) fn listed(json: bool, rows: Vec<Row>) -> Reply {
    let command = rows.iter().any(|row| row.command.is_some()).then_some("command");
    let columns = ["solver", "guarantee", "what it is", "source"];
    let table = Table::new(command.into_iter().chain(columns));
    let table = table.with_rows(rows.iter().map(|row| {
        row.command.into_iter().chain([row.name, row.guarantee, row.about, row.reference])
    }));
    Reply::either(json, &rows, &table.to_string())
}

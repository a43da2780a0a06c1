//! `edgeplan solvers`: the registry as a table.

use anyhow::Result;
use edgeplan_problem::Problem;
use edgeplan_solvers::{DEPLOYMENT, Entry, SCHEDULING};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::report::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.json {
        let json: Vec<Value> =
            rows(DEPLOYMENT, "plan").chain(rows(SCHEDULING, "schedule")).map(Row::json).collect();
        return Ok(Reply::json(&json));
    }
    let mut text = table(&["command", "solver", "guarantee", "what it is", "source"], &[]);
    for row in rows(DEPLOYMENT, "plan").chain(rows(SCHEDULING, "schedule")) {
        text.add_row(row.0);
    }
    Ok(Reply::text(&text.to_string()))
}

/// Command, name, guarantee, sentence, source.
struct Row([&'static str; 5]);

fn rows<P: Problem + 'static>(
    entries: &'static [Entry<P>],
    command: &'static str,
) -> impl Iterator<Item = Row> {
    entries.iter().map(move |entry| {
        Row([command, entry.name, entry.guarantee.label(), entry.about, entry.reference])
    })
}

impl Row {
    fn json(self) -> Value {
        let [command, name, guarantee, about, reference] = self.0;
        json!({
            "command": command,
            "name": name,
            "guarantee": guarantee,
            "about": about,
            "reference": reference,
        })
    }
}

//! `edgeplan compare`: every solver on one instance. Wrong answers are shown, never ranked.

use anyhow::Result;
use edgeplan::Entry;
use edgeplan_external::External;

use crate::question::{EXTERNAL, Question, external};
use crate::reply::Reply;
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    question: Question,
    /// Solver that is a program, as of `plan`; repeat for several
    #[arg(long, value_name = "COMMAND", value_parser = external)]
    solver_command: Vec<External>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let session = arguments.question.load()?;
    watch::listen();
    let commands = arguments.solver_command.iter().zip(1..);
    let others: Vec<&'static Entry> = commands
        .map(|(command, count)| match count {
            1 => command.clone().entry(EXTERNAL),
            _ => command.clone().entry(&format!("{EXTERNAL}-{count}")),
        })
        .collect();
    let mut progress = Watcher::new(session.deployment().objective);
    let ranking = session.compare(&arguments.question.task(), &others, &mut progress);
    drop(progress);
    let (json, text) = (ranking.keys(&session), ranking.text(&session));
    Ok(Reply::either(arguments.json, &json, &text).of_all(&ranking.outcomes))
}

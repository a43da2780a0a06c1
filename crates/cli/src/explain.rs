//! `edgeplan explain`: what binds in the plan, and what more of it would be worth.

use anyhow::Result;

use crate::question::Asked;
use crate::reply::Reply;
use crate::watch::{self, Watcher};

// --time is that of everything: half of it, at most, is for the plan.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let (session, task) = (arguments.asked.question.load()?, arguments.asked.task()?);
    watch::listen();
    let mut progress = Watcher::new(session.deployment().objective);
    let explained = session.explain(&task, &mut progress)?;
    drop(progress);
    let solver = task.solver(session.deployment()).name;
    let (json, text) = (explained.keys(&session, solver), explained.text(&session, solver));
    Ok(Reply::either(arguments.asked.json, &json, &text).of(&explained.outcome))
}

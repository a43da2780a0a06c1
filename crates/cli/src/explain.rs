//! `edgeplan explain`: what binds in the plan, and what more of it would be worth.

use anyhow::Result;
use edgeplan::Alternative;

use crate::question::SolveArguments;
use crate::reply::Reply;
use crate::watch::{self, Watcher};

// --time is that of everything: half of it, at most, is for the plan.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) solve: SolveArguments,
    /// Ask what another machine or link would buy: `+DEVICE` of the catalog, `+HOST:DEVICE`,
    /// `-NAME`, `link=10 Gbit/s` for all links or `NAME-NAME=10 Gbit/s`, with a price after it such
    /// as `+rtx-3090-24@700`; repeat for several, which are ranked by tokens/s gained, per unit of
    /// money where all have prices
    #[arg(long, value_name = "CHANGE", allow_hyphen_values = true)]
    pub(crate) what_if: Vec<Alternative>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let (session, task) = (arguments.solve.question.load()?, arguments.solve.task()?);
    watch::listen();
    let mut progress = Watcher::new(session.deployment().objective);
    if !arguments.what_if.is_empty() {
        let answer = session.what_if(&arguments.what_if, &task, &mut progress)?;
        drop(progress);
        let (json, text) = (answer.keys(session.deployment()), answer.text(session.deployment()));
        let reply = Reply::either(arguments.solve.json, &json, &text);
        return Ok(reply.found(answer.found()).wrong(answer.wrong()));
    }
    let explained = session.explain(&task, &mut progress)?;
    drop(progress);
    let solver = task.solver(session.deployment()).name;
    let (json, text) = (explained.keys(&session, solver), explained.text(&session, solver));
    Ok(Reply::either(arguments.solve.json, &json, &text).of(&explained.outcome))
}

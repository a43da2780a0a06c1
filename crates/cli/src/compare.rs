//! `edgeplan compare`: every solver on one instance. Wrong answers are shown, never ranked.

use anyhow::Result;

use crate::question::Question;
use crate::reply::Reply;
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    question: Question,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let session = arguments.question.load()?;
    watch::listen();
    let mut progress = Watcher::new(session.deployment().objective);
    let ranking = session.compare(&arguments.question.task(), &mut progress);
    drop(progress);
    let (json, text) = (ranking.keys(&session), ranking.text(&session));
    Ok(Reply::either(arguments.json, &json, &text).of_all(&ranking.outcomes))
}

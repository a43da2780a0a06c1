//! `edgeplan plan`: find a plan and prove how good it is.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::{PlanFiles, Task};

use crate::question::SolveArguments;
use crate::reply::{Reply, check_all, command_line};
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    solve: SolveArguments,
    /// Write the plan to this JSON file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a picture of the plan to this SVG file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write a page with the picture and all numbers to this HTML file
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write a certificate of the lower bound to this JSON file, for `edgeplan check`; exit code 1
    /// if no certificate exists for this kind of instance or within --time
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Run a second solver for as long as the first; the verdict is `wrong` if their answers
    /// contradict each other. Instances of a few thousand plans are always double-checked
    #[arg(long)]
    double_check: bool,
    /// Plan for the bands of times: the plan whose largest loss against the best one is least, with
    /// devices faster or slower, one profile at a time and all together
    #[arg(long)]
    robust: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    watch::listen();
    let session = arguments.solve.question.load()?;
    let task = Task { double_check: arguments.double_check, ..arguments.solve.task()? };
    // Before minutes of thought, not after them.
    let Arguments { out, svg: picture, html: page, certificate, .. } = arguments;
    check_all([out, picture, page, certificate].map(Option::as_ref))?;
    let mut progress = Watcher::new(session.deployment().objective);
    let planned = match arguments.robust {
        true => session.plan_robust(&task, &mut progress)?,
        false => session.plan(&task, &mut progress),
    };
    let mut certify = |path: &PathBuf| planned.certify(&session, path, &task, &mut progress);
    let certified = certificate.as_ref().map(&mut certify).transpose()?;
    drop(progress);
    let [plan, picture, page] = [out, picture, page].map(Option::as_deref);
    planned.write(&session, PlanFiles { plan, picture, page }, &command_line())?;
    let found = planned.outcome.cost().is_some() && !matches!(certified, Some(Err(_)));
    let wrong = planned.outcome.verdict.is_wrong();
    let certified = certified.as_ref();
    let reply = match arguments.solve.json {
        true => Reply::json(&planned.keys(&session, certified)?),
        false => Reply::text(&planned.text(&session, certified, arguments.double_check)?),
    };
    Ok(reply.found(found).wrong(wrong))
}

//! `edgeplan plan`: find a plan and prove how good it is.

use std::path::{Path, PathBuf};

use anyhow::Result;
use edgeplan::{Planned, Session, Task, certify};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{check_writable, to_json, write_atomic};
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::Plan;
use edgeplan_report::page::html;
use edgeplan_report::picture::{Picture, svg};

use crate::question::Asked;
use crate::reply::{Reply, command_line};
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
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
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    watch::listen();
    let session = arguments.asked.question.load()?;
    let task = Task { double_check: arguments.double_check, ..arguments.asked.task()? };
    // Before minutes of thought, not after them.
    let Arguments { out, svg: picture, html: page, certificate, .. } = arguments;
    for path in [out, picture, page, certificate].into_iter().flatten() {
        check_writable(path)?;
    }
    let instance = session.deployment();
    let mut progress = Watcher::new(instance.objective);
    let planned = session.plan(&task, &mut progress);
    let certified = match certificate {
        Some(path) => Some(certified(path, &session, &task, &planned, &mut progress)?),
        None => None,
    };
    drop(progress);
    if let Some(plan) = &planned.outcome.plan {
        write_files(arguments, &session, plan, &planned)?;
    }
    let found = planned.outcome.cost().is_some() && !matches!(certified, Some(Err(_)));
    let wrong = planned.outcome.verdict.is_wrong();
    let reply = match arguments.asked.json {
        true => Reply::json(&planned.keys(&session, certified.as_ref())?),
        false => {
            let double_check = arguments.double_check;
            Reply::text(&planned.text(&session, certified.as_ref(), double_check)?)
        }
    };
    Ok(reply.found(found).wrong(wrong))
}

/// The bound that the certificate which was written proves, or why none was written.
type Certified = Result<Cost, String>;

/// Writes a certificate of the question, and nothing where there is none.
fn certified(
    path: &Path,
    session: &Session,
    task: &Task<'_>,
    planned: &Planned,
    progress: &mut Watcher,
) -> Result<Certified> {
    let known = planned.outcome.cost();
    match certify(session.deployment(), task.limits, known, progress) {
        Ok((file, bound)) => {
            write_atomic(path, &to_json(&file))?;
            Ok(Ok(bound))
        }
        Err(reason) => Ok(Err(reason)),
    }
}

/// The plan file, the picture and the page, those of them that are asked for.
fn write_files(
    arguments: &Arguments,
    session: &Session,
    plan: &Plan,
    planned: &Planned,
) -> Result<()> {
    let (instance, outcome) = (session.deployment(), &planned.outcome);
    if let Some(path) = &arguments.out {
        write_atomic(path, &to_json(&PlanFile::new(instance, plan)))?;
    }
    let said = session.summary(plan)?.into_iter();
    let said: Vec<String> =
        said.map(|model| format!("{}: {}", model.model, model.sentence())).collect();
    let picture = Picture {
        instance,
        plan,
        verdict: outcome.verdict.word(),
        lower_bound: outcome.lower_bound(),
        solver: planned.solver,
        elapsed: Some(outcome.elapsed),
        said: &said,
    };
    if let Some(path) = &arguments.svg {
        write_atomic(path, &svg(&picture))?;
    }
    if let Some(path) = &arguments.html {
        write_atomic(path, &html(&picture, &command_line()))?;
    }
    Ok(())
}

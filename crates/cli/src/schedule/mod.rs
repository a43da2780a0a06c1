//! `edgeplan schedule`: which server serves each request, with which variant of its service.

mod question;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Parser as _;
use edgeplan::schedule::{check, compare, schedule};
use edgeplan::solver_named;
use edgeplan_files::{to_json, write_atomic};
use edgeplan_problem::Limits;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_scheduling::write_schedule;
use edgeplan_solvers::{Entry, SCHEDULING};
use serde_json::{Map, Value, json};

use crate::answers::{Given, keys};
use crate::argument::fraction;
use crate::question::Effort;
use crate::reply::{Reply, check_all};
use crate::watch;
use question::Question;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    question: Question,
    /// Solver, one of `edgeplan solvers`
    #[arg(long, default_value = SCHEDULING[0].name)]
    solver: String,
    /// Run all scheduling solvers and rank them
    #[arg(long, conflicts_with_all = ["solver", "out", "check"])]
    compare: bool,
    /// Evaluate this schedule file (JSON) instead of solving
    #[arg(long, conflicts_with_all = ["solver", "out"])]
    check: Option<PathBuf>,
    /// Relative gap, in missed satisfaction, at which a schedule counts as optimal
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true, value_parser = fraction)]
    gap: f64,
    #[command(flatten)]
    effort: Effort,
    /// Write the schedule to this JSON file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a picture of the schedule to this SVG file
    #[arg(long, conflicts_with_all = ["compare", "check"])]
    svg: Option<PathBuf>,
    /// Write the decision frame to this JSON file
    #[arg(long)]
    write: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let entry = find(&arguments.solver)?;
    let instance = arguments.question.read()?;
    check_all([arguments.out.as_ref(), arguments.svg.as_ref(), arguments.write.as_ref()])?;
    if let Some(path) = &arguments.write {
        write_atomic(path, &write_schedule(&instance))?;
    }
    if let Some(path) = &arguments.check {
        let checked = check(&instance, path)?;
        let reply = Reply::either(arguments.json, &checked.keys(), &checked.text());
        return Ok(reply.found(checked.evaluation.is_feasible()));
    }
    watch::listen();
    if arguments.compare {
        let mut busy = watch::Steps::default();
        let ranking = compare(&instance, limits(arguments), &mut |solver| busy.begin(solver));
        drop(busy);
        let reply = Reply::either(arguments.json, &ranking.keys(), &ranking.text());
        return Ok(reply.of_all(&ranking.outcomes));
    }
    let busy = watch::busy(entry.name);
    let scheduled = schedule(&instance, entry, limits(arguments));
    drop(busy);
    if let (Some(path), Some(file)) = (&arguments.out, scheduled.file()) {
        write_atomic(path, &to_json(&file))?;
    }
    if let (Some(path), Some(picture)) = (&arguments.svg, scheduled.picture()) {
        write_atomic(path, &picture)?;
    }
    let reply = Reply::either(arguments.json, &scheduled.keys(), &scheduled.text());
    Ok(reply.of(&scheduled.outcome))
}

/// As `edgeplan schedule`, and the schedule's file under `plan`; `frame` is in place of a file.
///
/// # Errors
/// Arguments that are not understood, and a frame that makes no sense.
pub fn given(
    frame: Option<Scheduling>,
    arguments: &[String],
    stop: &AtomicBool,
) -> Result<Map<String, Value>> {
    let Given { arguments } = Given::<Arguments>::try_parse_from(arguments)?;
    let entry = find(&arguments.solver)?;
    let instance = match frame {
        Some(frame) => arguments.question.moded(frame)?,
        None => arguments.question.read()?,
    };
    let limits = Limits { interrupt: Some(stop), ..limits(&arguments) };
    let scheduled = schedule(&instance, entry, limits);
    let mut keys = keys(&scheduled.keys());
    keys.insert("plan".into(), json!(scheduled.file()));
    Ok(keys)
}

/// The solver of that name, or an error with the nearest one.
fn find(name: &str) -> Result<&'static Entry<Scheduling>> {
    let names: Vec<&str> = SCHEDULING.iter().map(|entry| entry.name).collect();
    let instead = format!("there are {}", names.join(", "));
    Ok(solver_named(SCHEDULING, name, "solver of schedules", &instead)?)
}

/// The limits of the command line.
fn limits(arguments: &Arguments) -> Limits<'static> {
    Limits { gap: arguments.gap, ..arguments.effort.limits() }
}

//! `edgeplan schedule`: which server serves each request, with which variant of its service.

mod question;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use edgeplan::{ask, ranked};
use edgeplan_files::{check_writable, read_text, to_json, write_atomic};
use edgeplan_problem::scheduling::{Plan, Scheduling};
use edgeplan_problem::{Limits, Outcome, Problem as _};
use edgeplan_report::schedule::svg;
use edgeplan_scheduling::{ScheduleFile, write_schedule};
use edgeplan_solvers::{Entry, SCHEDULING};

use crate::question::{find_among, fraction, seconds};
use crate::reply::Reply;
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
    /// Time limit per solver, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    time: f64,
    /// Relative gap, in missed satisfaction, at which a schedule counts as optimal
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true, value_parser = fraction)]
    gap: f64,
    /// Random seed of the solvers
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Threads of HiGHS and CBC; other solvers use one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
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
    for path in [&arguments.out, &arguments.svg, &arguments.write].into_iter().flatten() {
        check_writable(path)?;
    }
    if let Some(path) = &arguments.write {
        write_atomic(path, &write_schedule(&instance))?;
    }
    if let Some(path) = &arguments.check {
        let file = path.display().to_string();
        let plan = ScheduleFile::parse(&file, &read_text(path)?)?.resolve(&file, &instance)?;
        let evaluation = instance.evaluate(&plan);
        let json = view::checked_json(&instance, &evaluation);
        let text = view::checked(&instance, &evaluation);
        return Ok(Reply::either(arguments.json, &json, &text).found(evaluation.is_feasible()));
    }
    watch::listen();
    if arguments.compare {
        return Ok(compare(arguments, &instance));
    }
    let outcome = answer(arguments, &instance, entry);
    if let (Some(path), Some(plan)) = (&arguments.out, &outcome.plan) {
        write_atomic(path, &to_json(&ScheduleFile::new(&instance, plan)))?;
    }
    let mut json = view::outcome_json(&instance, entry.name, &outcome);
    let mut text = view::headline(&instance, entry.name, &outcome);
    if let Some(plan) = &outcome.plan {
        let account = instance.evaluate(plan).account;
        json.append(&mut view::account_json(&instance, &account));
        if let Some(path) = &arguments.svg {
            let line = text.strip_prefix(&format!("{}: ", instance.name)).unwrap_or(&text);
            write_atomic(path, &svg(&instance, &account, line))?;
        }
        text = format!("{text}\n{}", view::account(&instance, &account));
    }
    let reply = Reply::either(arguments.json, &json, &text).found(outcome.cost().is_some());
    Ok(reply.wrong(outcome.verdict.is_wrong()))
}

/// The solver of that name, or an error with the nearest one.
fn find(name: &str) -> Result<&'static Entry<Scheduling>> {
    let names: Vec<&str> = SCHEDULING.iter().map(|entry| entry.name).collect();
    let instead = format!("there are {}", names.join(", "));
    find_among(SCHEDULING, name, "solver of schedules", &instead)
}

/// The limits of the command line.
fn limits(arguments: &Arguments) -> Limits<'static> {
    Limits {
        time: Some(Duration::from_secs_f64(arguments.time)),
        gap: arguments.gap,
        seed: arguments.seed,
        threads: arguments.threads,
        interrupt: Some(watch::flag()),
        ..Limits::default()
    }
}

/// A solver's answer, a line telling who thinks.
fn answer(
    arguments: &Arguments,
    instance: &Scheduling,
    entry: &'static Entry<Scheduling>,
) -> Outcome<Plan> {
    let _busy = watch::busy(entry.name);
    ask(instance, entry, limits(arguments))
}

/// Every solver, the most satisfying first. Wrong answers are shown, never ranked.
fn compare(arguments: &Arguments, instance: &Scheduling) -> Reply {
    let one = |entry| answer(arguments, instance, entry);
    let outcomes = ranked(SCHEDULING, limits(arguments), one);
    let found = outcomes.iter().any(|(_, outcome)| outcome.cost().is_some());
    let wrong = outcomes.iter().any(|(_, outcome)| outcome.verdict.is_wrong());
    let reply = match arguments.json {
        true => Reply::json(&view::ranking_json(instance, &outcomes)),
        false => Reply::text(&view::ranking(instance, &outcomes)),
    };
    reply.found(found).wrong(wrong)
}

//! Commands as functions, for programs in other languages: the arguments are those of the command
//! line, and what comes back is what `--json` prints. The keys are stable.

use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Parser as _;
use edgeplan::{
    Checked, Deployment, Document, Limits, OwnAnswer, Plan, Planned, Quiet, Session, Task,
};
use edgeplan_files::deployment::PlanFile;
use edgeplan_problem::Solver;
use edgeplan_simulator::{Record, Request};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::explain;
use crate::question::SolveArguments;
use crate::replan::Happened;

pub use crate::fit::given as fit;
pub use crate::schedule::given as schedule;
pub use crate::simulate::given as simulate;
pub use crate::solvers::all as solvers;

/// Keys and values.
pub type Keys = Map<String, Value>;

/// Documents that a program made, in place of the files of a command line.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// An instance, as JSON.
    pub instance: Option<Document>,
    /// A cluster, as TOML.
    pub cluster: Option<Document>,
    /// A workload, as TOML.
    pub workload: Option<Document>,
}

/// The arguments of a command, as a program gives them: without a name before them.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true)]
pub(crate) struct Given<T: clap::Args> {
    #[command(flatten)]
    pub(crate) arguments: T,
}

/// The arguments of `edgeplan plan` that write no file.
#[derive(Debug, clap::Args)]
struct Asking {
    #[command(flatten)]
    solve: SolveArguments,
    #[arg(long)]
    double_check: bool,
}

/// What is serialized, as keys and values; empty where it has no keys.
pub(crate) fn keys(value: &impl Serialize) -> Keys {
    match json!(value) {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}

/// The task of these arguments, which `stop` ends.
fn task<'a>(arguments: &[String], stop: &'a AtomicBool) -> Result<(SolveArguments, Task<'a>)> {
    let Asking { solve, double_check } = Given::try_parse_from(arguments)?.arguments;
    let task = stopped(solve.task()?, stop);
    Ok((solve, Task { double_check, ..task }))
}

/// Loads and prices the question of these arguments, and finds what its objective looks for.
///
/// # Errors
/// Arguments that are not understood, and as [`edgeplan::Sources::load`].
pub fn load(arguments: &[String], documents: Documents, stop: &AtomicBool) -> Result<Session> {
    let (solve, task) = task(arguments, stop)?;
    let mut sources = solve.question.sources();
    let Documents { instance, cluster, workload } = documents;
    sources.instance = instance.or(sources.instance);
    sources.cluster = cluster.or(sources.cluster);
    sources.workload = workload.or(sources.workload);
    Ok(sources.load()?.resolved(&task, &mut Quiet)?)
}

/// As `edgeplan plan`.
///
/// # Errors
/// Arguments that are not understood, and as [`Planned::keys`].
pub fn plan(session: &Session, arguments: &[String], stop: &AtomicBool) -> Result<(Planned, Keys)> {
    let (_, task) = task(arguments, stop)?;
    let planned = session.plan(&task, &mut Quiet);
    let keys = keys(&planned.keys(session, None)?);
    Ok((planned, keys))
}

/// As `edgeplan compare`.
///
/// # Errors
/// Arguments that are not understood.
pub fn compare(session: &Session, arguments: &[String], stop: &AtomicBool) -> Result<Keys> {
    let (_, task) = task(arguments, stop)?;
    Ok(keys(&session.compare(&task, &[], &mut Quiet).keys(session)))
}

/// As `edgeplan explain --what-if`.
///
/// # Errors
/// Arguments that are not understood, and as [`Session::what_if`].
pub fn what_if(session: &Session, arguments: &[String], stop: &AtomicBool) -> Result<Keys> {
    let given: explain::Arguments = Given::try_parse_from(arguments)?.arguments;
    let task = stopped(given.solve.task()?, stop);
    let answer = session.what_if(&given.what_if, &task, &mut Quiet)?;
    Ok(keys(&answer.keys(session.deployment())))
}

/// As `edgeplan replan`, and the next plan as the table of its file.
///
/// # Errors
/// Arguments that are not understood, and as [`Session::replan`].
pub fn replan(
    session: &Session,
    plan: Plan,
    arguments: &[String],
    stop: &AtomicBool,
) -> Result<Keys> {
    let given: Happened = Given::try_parse_from(arguments)?.arguments;
    let task = stopped(given.solve.task()?, stop);
    let replanned = session.replan(&given.ask(plan), &task, &mut Quiet)?;
    let mut keys = keys(&replanned.keys()?);
    let deployment = replanned.session.deployment();
    let plan = replanned.plan().map(|plan| PlanFile::new(deployment, plan));
    keys.insert("plan".into(), json!(plan));
    Ok(keys)
}

/// A task that ends when `stop` is set.
fn stopped<'a>(task: Task<'a>, stop: &'a AtomicBool) -> Task<'a> {
    let limits = Limits { interrupt: Some(stop), ..task.limits };
    Task { limits, ..task }
}

/// As `edgeplan check`: the bill of a plan, and what it violates.
pub fn checked(session: &Session, checked: &Checked) -> Keys {
    keys(&checked.keys(session, None))
}

/// Asks a solver that no registry has, under the limits of these arguments.
///
/// # Errors
/// Arguments that are not understood.
pub fn solve_with<'a>(
    session: &Session,
    name: &'a str,
    solver: &dyn Solver<Deployment>,
    arguments: &[String],
    stop: &AtomicBool,
) -> Result<(OwnAnswer<'a>, Keys)> {
    let (_, task) = task(arguments, stop)?;
    let answer = session.solve_with(name, solver, &task, &mut Quiet);
    let keys = keys(&answer.keys(session));
    Ok((answer, keys))
}

/// A simulation.
#[derive(Debug)]
pub struct Simulated {
    /// As `edgeplan simulate`.
    pub answer: Keys,
    /// The requests, by arrival.
    pub requests: Vec<Request>,
    /// How they were served under each policy.
    pub records: Vec<Record>,
}

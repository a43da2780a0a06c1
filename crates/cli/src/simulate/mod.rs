//! `edgeplan simulate`: run a trace of requests on a plan, event by event.

mod arguments;

use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Parser as _;
use edgeplan::{PolicyRun, Session, Simulated, Simulation, Task, answer, believed};
use edgeplan_files::{read_text, write_atomic};
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_report::gantt;
use edgeplan_simulator::trace::Shape;
use edgeplan_simulator::{Keep, Layout, Request, Size, trace};
use serde_json::json;

pub(crate) use self::arguments::{Arguments, Name};
use crate::answers::{self, Given, keys};
use crate::question::find_solver;
use crate::reply::{Reply, check_all, command_line};
use crate::watch::{self, Watcher};

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let question = &arguments.question;
    let session = question.load()?;
    let instance = session.deployment();
    check_all([arguments.svg.as_ref(), arguments.html.as_ref()])?;
    let size = session.request_size().unwrap_or(arguments.priced);
    let requests = requests(arguments, instance, size)?;
    let Some((plan, origin)) = plan(arguments, &session)? else {
        let json = json!({ "instance": instance.name, "plan": null });
        let text = format!("{}: no plan to simulate; `edgeplan plan` says why", instance.name);
        return Ok(Reply::either(arguments.json, &json, &text).found(false));
    };
    watch::listen();
    let (layout, runs) = serve(arguments, &session, &plan, &requests, watch::flag())?;
    let layout = &layout;
    let simulated = Simulated { deployment: instance, layout, requests: &requests, runs, origin };
    let gantt = simulated.gantt(trace::begin(&requests) + nanos(arguments.from));
    if let Some(path) = &arguments.svg {
        write_atomic(path, &gantt::svg(&gantt))?;
    }
    if let Some(path) = &arguments.html {
        write_atomic(path, &gantt::html(&gantt, &simulated.tables(), &command_line()))?;
    }
    Ok(Reply::either(arguments.json, &simulated.keys(), &simulated.text()))
}

/// Serves these requests under every policy, until `stop` is set.
fn serve(
    arguments: &Arguments,
    session: &Session,
    plan: &Plan,
    requests: &[Request],
    stop: &AtomicBool,
) -> Result<(Layout, Vec<PolicyRun>)> {
    let size = session.request_size().unwrap_or(arguments.priced);
    let drawn = arguments.svg.is_some() || arguments.html.is_some();
    let from = trace::begin(requests) + nanos(arguments.from);
    let keep = if drawn { Keep { from, count: arguments.bars } } else { Keep::default() };
    let lanes = arguments.lanes;
    let simulation = Simulation { lanes, keep, ..session.simulation(plan, size)? };
    let Simulation { layout, times, .. } = &simulation;
    let named = |&name: &Name| -> Result<_> {
        Ok((arguments.name(name), arguments.policy(name, layout, times)?))
    };
    let policies = arguments.policies.iter().map(named).collect::<Result<_>>()?;
    let runs = simulation.run_each(requests, policies, stop);
    Ok((simulation.layout, runs))
}

/// What an instance and a plan are called that a program hands over.
const GIVEN: &str = "given";

/// Simulates requests on a plan of this session, as `edgeplan simulate` does with these arguments,
/// until the end or until `stop` is set.
///
/// # Errors
/// Arguments that are not understood, a trace that cannot be read, a plan that violates the
/// problem.
pub fn given(
    session: &Session,
    plan: &Plan,
    arguments: &[String],
    stop: &AtomicBool,
) -> Result<answers::Simulated> {
    // The session stands for the instance file.
    let words = std::iter::once(GIVEN).chain(arguments.iter().map(String::as_str));
    let Given { arguments } = Given::<Arguments>::try_parse_from(words)?;
    let instance = session.deployment();
    let size = session.request_size().unwrap_or(arguments.priced);
    let requests = requests(&arguments, instance, size)?;
    let (layout, runs) = serve(&arguments, session, plan, &requests, stop)?;
    let (layout, origin) = (&layout, GIVEN.to_owned());
    let simulated = Simulated { deployment: instance, layout, requests: &requests, runs, origin };
    let answer = keys(&simulated.keys());
    let records = simulated.runs.into_iter().map(|run| run.record).collect();
    Ok(answers::Simulated { answer, requests, records })
}

/// The plan of a file, or the solver's; and where it comes from. `None` where there is none.
fn plan(arguments: &Arguments, session: &Session) -> Result<Option<(Plan, String)>> {
    if let Some(path) = &arguments.plan {
        return Ok(Some((session.check(path)?.plan, path.display().to_string())));
    }
    let solver = arguments.solver.as_deref().map(find_solver).transpose()?;
    watch::listen();
    let task = Task { solver, ..arguments.question.task() };
    let deployment = session.deployment();
    let (outcome, _) = answer(deployment, &task, &mut Watcher::new(deployment.objective));
    let solver = task.solver(deployment).name;
    let outcome = believed(solver, outcome)?;
    let origin = format!("{} plan of {solver}", outcome.verdict.word());
    Ok(outcome.plan.map(|plan| (plan, origin)))
}

/// The trace that was asked for: models take turns, as often as their weights say.
fn requests(arguments: &Arguments, instance: &Deployment, size: Size) -> Result<Vec<Request>> {
    let requests = match &arguments.trace {
        Some(path) => {
            let mut requests = trace::parse(&path.display().to_string(), &read_text(path)?)?;
            requests.truncate(arguments.requests.unwrap_or(usize::MAX));
            requests
        }
        None => arguments.poisson(size).requests(),
    };
    Ok(Shape {
        weights: instance.models.iter().map(|model| model.weight as usize).collect(),
        stretch: arguments.stretch,
        deadline: arguments.deadline.map(nanos),
    }
    .applied(requests))
}

fn nanos(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9) as u64)
}

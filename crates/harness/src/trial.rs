//! One solver on one instance: what the process of the trial is asked, and what it answers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use edgeplan_external::External;
use edgeplan_files::{InputError, parse_json};
use edgeplan_problem::{Bytes, Cost, Limits, Observer, Outcome, Problem, Solver, Verdict, solve};
use edgeplan_records::row::{Point, PointKind};
use edgeplan_solvers::Entry;
use serde::{Deserialize, Serialize};

use crate::instance::Instance;
use crate::limit;
use crate::registry::{Registry, find};

/// What a trial may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// Time limit of the solver, in wall-clock seconds.
    pub time_s: f64,
    /// Seconds past that after which its process is killed.
    pub grace_s: f64,
    /// Relative gap at which a plan counts as proven.
    pub gap: f64,
    /// Address space of the process (Unix only).
    pub memory: Bytes,
    /// Seconds of processor time of the process, and of each that it starts (Unix only).
    pub cpu_s: f64,
    /// Threads of an engine; this project's own solvers use one.
    pub threads: u32,
}

/// What the process of a trial reads from its standard input, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRequest {
    /// The solver's name in the registry, or of `external`.
    pub solver: String,
    /// The solver, where it is a program of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// The solver's seed.
    pub seed: u64,
    /// What the trial may use.
    pub allowance: Allowance,
    /// Cores that the process is pinned to (Linux); none where the system chooses.
    pub cores: Vec<usize>,
    /// The instance.
    pub instance: Instance,
}

/// What the process of a trial says, one JSON object a line: points of the anytime curve as they
/// happen, then how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    Point(Point),
    End(TrialEnd),
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrialEnd {
    pub(crate) verdict: Verdict,
    pub(crate) elapsed_s: f64,
    pub(crate) stopped: String,
    pub(crate) work: BTreeMap<String, u64>,
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) cpu_s: Option<f64>,
}

/// Answers the request on `input` with a solver of the registry, telling `output` of progress.
/// Takes the limits for this whole process, which dies with the one that asked.
///
/// # Errors
/// A request that makes no sense, or an unknown solver.
pub fn answer(
    mut input: impl Read,
    output: &mut dyn Write,
    registry: &Registry<'_>,
) -> Result<(), InputError> {
    const FILE: &str = "standard input";
    limit::die_with_parent();
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| InputError::file(FILE, error.to_string()))?;
    let request: TrialRequest = parse_json(FILE, &text)?;
    drop(text);
    let Allowance { memory, cpu_s, .. } = request.allowance;
    limit::pin(&request.cores).map_err(|error| InputError::key(FILE, "cores", error))?;
    limit::limit_memory(memory)
        .map_err(|error| InputError::key(FILE, "allowance.memory", error))?;
    limit::limit_cpu(cpu_s).map_err(|error| InputError::key(FILE, "allowance.cpu_s", error))?;
    let end = match (&request.instance, &request.external) {
        (Instance::Deployment(problem), Some(external)) => run(problem, external, &request, output),
        (_, Some(_)) => {
            let problem = "a program of its own; those solve deployments";
            return Err(InputError::key(FILE, "external", problem));
        }
        (_, None) => {
            registry
                .check(request.instance.kind(), &request.solver)
                .map_err(|problem| InputError::key(FILE, "solver", problem))?;
            registered(registry, &request, output)
        }
    }?;
    tell(output, &Event::End(end));
    Ok(())
}

/// Runs a solver of the registry that was checked before.
fn registered(
    registry: &Registry<'_>,
    request: &TrialRequest,
    output: &mut dyn Write,
) -> Result<TrialEnd, InputError> {
    fn entry<'a, P: Problem + 'static>(
        entries: &'a [Entry<P>],
        request: &TrialRequest,
    ) -> &'a Entry<P> {
        find(entries, &request.solver).expect("checked before")
    }
    match &request.instance {
        Instance::Deployment(problem) => {
            let solver = (entry(registry.deployment, request).make)();
            run(problem, solver.as_ref(), request, output)
        }
        Instance::Scheduling(problem) => {
            let solver = (entry(registry.scheduling, request).make)();
            run(problem, solver.as_ref(), request, output)
        }
        Instance::Batching(problem) => {
            let solver = (entry(registry.batching, request).make)();
            run(problem, solver.as_ref(), request, output)
        }
    }
}

fn run<P: Problem>(
    problem: &P,
    solver: &dyn Solver<P>,
    request: &TrialRequest,
    output: &mut dyn Write,
) -> Result<TrialEnd, InputError> {
    let Allowance { time_s, gap, threads, .. } = request.allowance;
    let time = Duration::try_from_secs_f64(time_s).map_err(|error| {
        InputError::key("standard input", "allowance.time_s", error.to_string())
    })?;
    let limits = Limits { time: Some(time), gap, seed: request.seed, threads, ..Limits::default() };
    Ok(TrialEnd::of(solve(problem, solver, limits, &mut Teller(output))))
}

fn tell(output: &mut dyn Write, event: &Event) {
    let line = serde_json::to_string(event).unwrap_or_default();
    // The parent may have ended; then the line is not needed.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

struct Teller<'a>(&'a mut dyn Write);

impl Teller<'_> {
    fn point(&mut self, elapsed: Duration, kind: PointKind, value: Cost) {
        tell(self.0, &Event::Point(Point { at_s: elapsed.as_secs_f64(), kind, value }));
    }
}

impl Observer for Teller<'_> {
    fn incumbent(&mut self, elapsed: Duration, cost: Cost) {
        self.point(elapsed, PointKind::Incumbent, cost);
    }

    fn lower_bound(&mut self, elapsed: Duration, bound: Cost) {
        self.point(elapsed, PointKind::Bound, bound);
    }
}

impl TrialEnd {
    fn of<Plan>(outcome: Outcome<Plan>) -> Self {
        Self {
            verdict: outcome.verdict,
            elapsed_s: outcome.elapsed.as_secs_f64(),
            stopped: outcome.stopped.map(|stop| stop.to_string()).unwrap_or_default(),
            work: outcome.work.iter().map(|(&what, &count)| (what.to_owned(), count)).collect(),
            peak_memory_bytes: limit::peak_memory().map(|peak| peak.0),
            cpu_s: limit::cpu_time(),
        }
    }
}

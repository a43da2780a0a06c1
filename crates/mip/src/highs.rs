//! HiGHS, in this process.
#![deny(clippy::wildcard_enum_match_arm)]

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Instant;

use good_lp::{Expression, ProblemVariables, SolverModel as _, constraint, variable};
use highs::{HighsModelStatus, HighsSolutionStatus};

use crate::callback::{self, Listener};
use crate::{Engine, EngineError, Program, Progress, Reply, Request, Row, Status};

/// HiGHS. Quiet; no state between calls but its threads: the first call of a process says how many.
/// What it calls infeasible is asked again without presolve, whose claims are sometimes false.
#[derive(Debug, Clone, Copy, Default)]
pub struct Highs;

const NAME: &str = "HiGHS";

impl Engine for Highs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn solve(
        &self,
        program: &Program,
        request: &Request,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError> {
        if let Some(reply) = Reply::without_columns(program) {
            return Ok(reply);
        }
        let started = Instant::now();
        let reply = attempt(program, request, Presolve::On, progress)?;
        if !matches!(reply.status, Status::Infeasible | Status::InfeasibleOrUnbounded) {
            return Ok(reply);
        }
        // Its aggregator (1.15.0) calls programs of small whole numbers infeasible that are not.
        let left = request.time.map(|time| time.saturating_sub(started.elapsed()));
        attempt(program, &Request { time: left, ..request.clone() }, Presolve::Off, progress)
    }
}

/// The value of HiGHS's option `threads`. Its pool is made by the first call of a process; a call
/// that asks for another number fails, and one that asks for 0 takes the pool that there is.
pub(crate) fn pool(threads: u32) -> i32 {
    static FIRST: OnceLock<i32> = OnceLock::new();
    let wanted = i32::try_from(threads.max(1)).unwrap_or(1);
    if *FIRST.get_or_init(|| wanted) == wanted { wanted } else { 0 }
}

/// Whether HiGHS simplifies a program before it solves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presolve {
    On,
    Off,
}

fn attempt(
    program: &Program,
    request: &Request,
    presolve: Presolve,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Reply, EngineError> {
    let mut model = state(program, request.relax);
    configure(&mut model, request).map_err(|option| refused(format!("option {option}")))?;
    if presolve == Presolve::Off {
        model.try_set_option("presolve", "off").map_err(|_| refused("option presolve".into()))?;
    }
    if let Some(start) = request.start.as_deref().filter(|_| !request.relax) {
        model
            .try_set_solution(Some(start), None, None, None)
            .map_err(|status| refused(format!("starting point: {status:?}")))?;
    }
    let columns = program.columns.len();
    let constant = program.constant;
    let mut listener = Listener { progress, columns, constant, interrupted: false };
    let solved =
        callback::solve(model, &mut listener).map_err(|status| refused(format!("{status:?}")))?;
    Ok(read(program, request, &solved))
}

pub(crate) fn refused(reason: String) -> EngineError {
    EngineError::Refused { engine: NAME, reason }
}

/// States the program with good_lp and takes HiGHS's own model out of it.
pub(crate) fn state(program: &Program, relax: bool) -> highs::Model {
    let mut variables = ProblemVariables::new();
    let mut handles = Vec::with_capacity(program.columns.len());
    let mut objective = Expression::with_capacity(program.columns.len());
    for column in &program.columns {
        let mut definition = variable().min(column.lower);
        if let Some(upper) = column.upper {
            definition = definition.max(upper);
        }
        let integer = column.integer && !relax;
        let handle = variables.add(if integer { definition.integer() } else { definition });
        objective.add_mul(column.cost, handle);
        handles.push(handle);
    }
    let mut problem = variables.minimise(objective).using(good_lp::solvers::highs::highs);
    for row in &program.rows {
        let sum = |row: &Row| {
            let mut sum = Expression::with_capacity(row.terms.len());
            for &(column, factor) in &row.terms {
                sum.add_mul(factor, handles[column as usize]);
            }
            sum
        };
        match (row.lower, row.upper) {
            (Some(lower), Some(upper)) if lower == upper => {
                problem.add_constraint(constraint!(sum(row) == upper));
            }
            (lower, upper) => {
                if let Some(upper) = upper {
                    problem.add_constraint(constraint!(sum(row) <= upper));
                }
                if let Some(lower) = lower {
                    problem.add_constraint(constraint!(sum(row) >= lower));
                }
            }
        }
    }
    problem.into_inner()
}

/// Sets every option; the name of one that HiGHS does not take is the error.
pub(crate) fn configure(model: &mut highs::Model, request: &Request) -> Result<(), &'static str> {
    model.make_quiet();
    let seed = i32::try_from(request.seed % (1 << 31)).unwrap_or_default();
    let integers = [("random_seed", seed), ("threads", pool(request.threads))];
    for (option, value) in integers {
        model.try_set_option(option, value).map_err(|_| option)?;
    }
    // The absolute gap must not end a run that was asked for less, and integrality must be tight
    // enough for the caller's integer arithmetic to agree with the row activities.
    let floats = [
        ("mip_rel_gap", request.gap),
        ("mip_abs_gap", 0.0),
        ("mip_feasibility_tolerance", 1e-7),
        ("primal_feasibility_tolerance", 1e-8),
        ("time_limit", request.time.map_or(f64::INFINITY, |time| time.as_secs_f64())),
    ];
    for (option, value) in floats {
        model.try_set_option(option, value).map_err(|_| option)?;
    }
    let parallel = if request.threads > 1 { "on" } else { "off" };
    model.try_set_option("parallel", parallel).map_err(|_| "parallel")?;
    if let Some(nodes) = request.nodes {
        let nodes = i32::try_from(nodes).unwrap_or(i32::MAX);
        model.try_set_option("mip_max_nodes", nodes).map_err(|_| "mip_max_nodes")?;
    }
    Ok(())
}

fn read(program: &Program, request: &Request, solved: &highs::SolvedModel) -> Reply {
    let status = translate(solved.status());
    let integer = !request.relax && program.columns.iter().any(|column| column.integer);
    let has_values = matches!(solved.primal_solution_status(), HighsSolutionStatus::Feasible);
    let values = has_values.then(|| solved.get_solution().columns().to_vec());
    let objective = values.as_ref().map(|values| program.objective(values));
    let bound = match (integer, status) {
        (true, _) => solved.double_info_value(c"mip_dual_bound").ok(),
        (false, Status::Optimal) => Some(solved.objective_value()),
        (false, _) => None,
    };
    Reply {
        status,
        values,
        objective,
        bound: bound
            .filter(|bound| bound.is_finite() && bound.abs() < 1e300)
            .map(|bound| bound + program.constant),
        nodes: callback::count(solved, c"mip_node_count").filter(|_| integer),
        iterations: u64::try_from(solved.simplex_iteration_count()).ok(),
    }
}

pub(crate) fn translate(status: HighsModelStatus) -> Status {
    match status {
        // An empty program is solved by the empty vector.
        HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => Status::Optimal,
        HighsModelStatus::Infeasible => Status::Infeasible,
        HighsModelStatus::Unbounded => Status::Unbounded,
        HighsModelStatus::UnboundedOrInfeasible => Status::InfeasibleOrUnbounded,
        HighsModelStatus::ReachedTimeLimit => Status::TimeLimit,
        HighsModelStatus::ReachedIterationLimit
        | HighsModelStatus::ObjectiveBound
        | HighsModelStatus::ObjectiveTarget => Status::OtherLimit,
        HighsModelStatus::ReachedSolutionLimit => Status::NodeLimit,
        HighsModelStatus::ReachedInterrupt => Status::Interrupted,
        HighsModelStatus::ReachedMemoryLimit => Status::MemoryLimit,
        HighsModelStatus::NotSet
        | HighsModelStatus::LoadError
        | HighsModelStatus::ModelError
        | HighsModelStatus::PresolveError
        | HighsModelStatus::SolveError
        | HighsModelStatus::PostsolveError
        | HighsModelStatus::Unknown => Status::Abandoned,
        // The enum may grow; an unknown status proves nothing.
        _ => Status::Abandoned,
    }
}

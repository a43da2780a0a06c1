//! `edgeplan-cbc`: reads a program and a request on standard input, lets CBC solve it, and writes
//! the reply as a line of standard output, among the lines of CBC's log. Not for people: `edgeplan`
//! starts it.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use coin_cbc::raw::{SecondaryStatus, Status as CbcStatus};
use coin_cbc::{Model, Sense, Solution};
use edgeplan_mip::{Program, Reply, Request, Status};

fn main() -> ExitCode {
    let started = Instant::now();
    // Ctrl-C reaches every process of the terminal; the parent decides when this one ends.
    if let Err(error) = ctrlc::set_handler(|| {}) {
        eprintln!("cannot take signals: {error}");
        return ExitCode::FAILURE;
    }
    let mut question = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut question) {
        eprintln!("cannot read the question: {error}");
        return ExitCode::from(2);
    }
    let (program, request): (Program, Request) = match serde_json::from_slice(&question) {
        Ok(question) => question,
        Err(error) => {
            eprintln!("cannot understand the question: {error}");
            return ExitCode::from(2);
        }
    };
    let reply = answer(&program, &request, started);
    match serde_json::to_string(&reply) {
        Ok(line) => println!("\n{line}"),
        Err(error) => {
            eprintln!("cannot write the answer: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn answer(program: &Program, request: &Request, started: Instant) -> Reply {
    let mut model = state(program, request);
    configure(&mut model, request, started);
    let solution = model.solve();
    let raw = solution.raw();
    if let Some(start) = request.start.as_ref().filter(|start| is_best(program, start, &solution)) {
        let objective = Some(program.objective(start));
        return Reply {
            status: Status::Optimal,
            values: Some(start.clone()),
            objective,
            bound: objective,
            nodes: None,
            iterations: None,
        };
    }
    let status = status(&solution);
    let values = match status {
        Status::Infeasible | Status::Unbounded | Status::InfeasibleOrUnbounded => None,
        _ => values(program, &solution),
    };
    Reply {
        status,
        objective: values.as_ref().map(|values| program.objective(values)),
        values,
        bound: Some(raw.best_possible_value())
            .filter(|bound| bound.is_finite() && bound.abs() < 1e49)
            .map(|bound| bound + program.constant),
        // The parent reads these from the log: coin_cbc hides the pointer that Cbc_getNodeCount
        // needs.
        nodes: None,
        iterations: None,
    }
}

/// Whether CBC says that nothing beats the start. It then calls the relaxation infeasible (below
/// the start's objective it is), claims an optimum of that objective, and returns no integral
/// vector.
fn is_best(program: &Program, start: &[f64], solution: &Solution) -> bool {
    let raw = solution.raw();
    let objective = program.objective(start) - program.constant;
    raw.is_proven_optimal()
        && raw.secondary_status() == SecondaryStatus::LinearRelaxationInfeasible
        && (raw.obj_value() - objective).abs() <= 1e-6 * objective.abs().max(1.0)
}

/// The vector, if CBC has one: at a limit it may return the fractional values of its last LP.
fn values(program: &Program, solution: &Solution) -> Option<Vec<f64>> {
    let values = solution.raw().col_solution().to_vec();
    let integral = |(column, value): (&edgeplan_mip::Column, &f64)| {
        !column.integer || (value - value.round()).abs() < 1e-5
    };
    let complete = values.len() == program.columns.len();
    (complete && program.columns.iter().zip(&values).all(integral)).then_some(values)
}

fn state(program: &Program, request: &Request) -> Model {
    let mut model = Model::default();
    model.set_obj_sense(Sense::Minimize);
    let mut columns = Vec::with_capacity(program.columns.len());
    for column in &program.columns {
        let handle = model.add_col();
        if column.integer {
            model.set_integer(handle);
        }
        model.set_col_lower(handle, column.lower);
        model.set_col_upper(handle, column.upper.unwrap_or(f64::INFINITY));
        model.set_obj_coeff(handle, column.cost);
        columns.push(handle);
    }
    for row in &program.rows {
        let handle = model.add_row();
        model.set_row_lower(handle, row.lower.unwrap_or(f64::NEG_INFINITY));
        model.set_row_upper(handle, row.upper.unwrap_or(f64::INFINITY));
        for &(column, factor) in &row.terms {
            model.set_weight(handle, columns[column as usize], factor);
        }
    }
    if let Some(start) = request.start.as_deref() {
        for (&column, &value) in columns.iter().zip(start) {
            model.set_col_initial_solution(column, value);
        }
    }
    model
}

fn configure(model: &mut Model, request: &Request, started: Instant) {
    model.set_log_level(1); // nodes and iterations are counted in the log alone
    model.set_parameter("ratioGap", &request.gap.to_string());
    model.set_parameter("allowableGap", "0");
    model.set_parameter("randomCbcSeed", &request.seed.max(1).to_string());
    model.set_parameter("timeMode", "elapsed");
    if request.threads > 1 {
        model.set_parameter("threads", &request.threads.to_string());
    }
    if let Some(time) = request.time {
        // Reading and stating the program took a part of it; 0 would be no limit.
        let left = time.saturating_sub(started.elapsed()).max(Duration::from_millis(1));
        model.set_parameter("sec", &format!("{:.3}", left.as_secs_f64()));
    }
    if let Some(nodes) = request.nodes {
        model.set_parameter("maxNodes", &nodes.to_string());
    }
}

fn status(solution: &Solution) -> Status {
    let raw = solution.raw();
    if raw.is_proven_infeasible() {
        return Status::Infeasible;
    }
    if raw.is_continuous_unbounded() {
        return Status::Unbounded;
    }
    match (raw.status(), raw.secondary_status()) {
        (_, SecondaryStatus::LinearRelaxationInfeasible) => Status::Infeasible,
        (_, SecondaryStatus::LinearRelaxationUnbounded) => Status::Unbounded,
        (CbcStatus::Finished, _) if raw.is_proven_optimal() => Status::Optimal,
        (CbcStatus::Finished | CbcStatus::Stopped, SecondaryStatus::StoppedOnTime) => {
            Status::TimeLimit
        }
        (CbcStatus::Finished | CbcStatus::Stopped, SecondaryStatus::StoppedOnNodes) => {
            Status::NodeLimit
        }
        (
            CbcStatus::Finished | CbcStatus::Stopped,
            SecondaryStatus::StoppedOnSolutions | SecondaryStatus::StoppedOnIterationLimit,
        ) => Status::OtherLimit,
        (CbcStatus::Finished | CbcStatus::Stopped, SecondaryStatus::StoppedOnUserEvent) => {
            Status::Interrupted
        }
        (CbcStatus::UserEvent, _) => Status::Interrupted,
        (CbcStatus::Finished | CbcStatus::Stopped, _) if raw.is_seconds_limit_reached() => {
            Status::TimeLimit
        }
        _ => Status::Abandoned,
    }
}

//! Any formulation on any engine.

use std::ops::ControlFlow;
use std::time::Duration;

use edgeplan_mip::{Engine, EngineError, Program, Progress, Reply, Request, Status};
use edgeplan_problem::{Answer, Limits, Problem, Run, Solver, SolverError, Unsupported};

use crate::{Formulated, Formulation, scale};

/// An integer program, solved by an engine.
///
/// The engine's bound is reported as it climbs. A vector whose plan `evaluate()` refuses (a full
/// memory row within the engine's tolerance) is cut off and the program solved again.
pub struct Ilp<P: Problem> {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// Quick solvers; the engine starts from the best of their plans.
    pub starts: Vec<Box<dyn Solver<P> + Send>>,
    /// Larger programs are not stated.
    pub nonzeros_max: usize,
    /// Whether the engine is believed that there is no plan; otherwise that is no answer.
    pub may_deny: bool,
}

impl<P: Problem> std::fmt::Debug for Ilp<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ilp")
            .field("engine", &self.engine.name())
            .field("nonzeros_max", &self.nonzeros_max)
            .finish_non_exhaustive()
    }
}

/// Version of the programs that this crate states, for records: 1 bounded memory by the device's
/// whole room, 2 by the room of what lies there. To be raised with every change of a program.
pub const FORMULATION: u32 = 2;

/// Coefficients of the largest program that is stated by default: about 1 GiB in HiGHS.
pub const NONZEROS_MAX: usize = 3_000_000;
/// Columns from which on the relaxation is solved on its own first.
const LARGE: usize = 20_000;
/// Plans refused by a hair are cut off this many times.
const CUTS_MAX: u32 = 50;
/// The part of the time that each starting solver may use.
const START_SHARE: u32 = 10;

impl<P: Problem> Ilp<P> {
    /// On that engine, from nothing.
    pub fn new(engine: impl Engine + 'static) -> Self {
        Self {
            engine: Box::new(engine),
            starts: Vec::new(),
            nonzeros_max: NONZEROS_MAX,
            may_deny: true,
        }
    }

    /// Starts the engine from that solver's plan, if it is the best of those given.
    pub fn starting_from(mut self, start: impl Solver<P> + Send + 'static) -> Self {
        self.starts.push(Box::new(start));
        self
    }
}

/// What a run leaves an engine, which stops at that gap.
pub(crate) fn asked<P: Problem>(run: &Run<'_, P>, gap: f64) -> Request {
    Request {
        time: run.remaining().map(|time| time.max(Duration::from_millis(1))),
        gap,
        seed: run.limits().seed as u32,
        threads: run.limits().threads,
        nodes: run.limits().steps,
        ..Request::default()
    }
}

impl<P: Formulation> Solver<P> for Ilp<P> {
    fn supports(&self, _problem: &P) -> Result<(), Unsupported> {
        self.engine.available().map_err(|error| Unsupported(error.to_string()))
    }

    fn has_own_process(&self) -> bool {
        self.engine.has_own_process()
    }

    fn solve(&self, run: &mut Run<'_, P>) -> Result<Answer<P::Plan>, SolverError> {
        let problem = run.problem();
        run.start_from(&self.starts, START_SHARE);
        let mut formulated = match problem.formulate(self.nonzeros_max) {
            Ok(formulated) => formulated,
            Err(too_large) => return Err(SolverError::Engine(too_large.to_string())),
        };
        run.count("columns", formulated.program.columns.len() as u64);
        run.count("rows", formulated.program.rows.len() as u64);
        self.relax(run, &formulated);
        for _ in 0..CUTS_MAX {
            run.check()?;
            let reply = self.ask(run, &formulated)?;
            if let Some(bound) = reply.bound.filter(|_| reply.status != Status::Infeasible) {
                run.lower_bound(formulated.lower_bound(bound));
            }
            let Some(values) = reply.values else {
                return match conclude(&reply, run.best().is_some())? {
                    Answer::Infeasible if !self.may_deny => {
                        Ok(Answer::Unknown { lower_bound: run.bound() })
                    }
                    answer => Ok(answer),
                };
            };
            let Some(plan) = problem.decode(&formulated, &values) else {
                return Ok(Answer::Unknown { lower_bound: run.bound() });
            };
            let evaluation = problem.evaluate(&plan);
            if evaluation.is_feasible() {
                return Ok(Answer::Plan { plan, lower_bound: run.bound() });
            }
            run.count("cuts", 1);
            let chosen = problem.chosen(&formulated, &plan);
            exclude(&mut formulated.program, &chosen);
        }
        Ok(Answer::Unknown { lower_bound: run.bound() })
    }
}

impl<P: Formulation> Ilp<P> {
    /// The bound of a large program's relaxation: engines say nothing for minutes while they
    /// presolve it, which can be all the time there is. It is the engine's own bound or none: CBC
    /// refuses relaxations.
    fn relax(&self, run: &mut Run<'_, P>, formulated: &Formulated<P::Layout>) {
        if formulated.program.columns.len() < LARGE {
            return;
        }
        let request = Request {
            time: run.remaining().map(|time| time / 2),
            relax: true,
            threads: run.limits().threads,
            ..Request::default()
        };
        let mut watch = |_: Progress<'_>| match run.meet() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        // Without a reply there is no bound, and the program itself will say why.
        if let Ok(Reply { status: Status::Optimal, bound: Some(bound), .. }) =
            self.engine.solve(&formulated.program, &request, &mut watch)
        {
            run.lower_bound(formulated.lower_bound(bound));
        }
    }

    fn ask(
        &self,
        run: &mut Run<'_, P>,
        formulated: &Formulated<P::Layout>,
    ) -> Result<Reply, SolverError> {
        let problem = run.problem();
        // The cost of the last plan that the engine knows.
        let mut told = run.best().map(|&(_, cost)| cost);
        let start = run.best().and_then(|(plan, _)| problem.encode(formulated, plan));
        // Less than was asked by what `safe_bound` takes off: an engine that ends at the gap itself
        // would end without a proof.
        let exact = run.limits().gap <= 2.0 * Limits::GAP;
        let gap = if exact { 0.0 } else { run.limits().gap - 2.0 * scale::SLACK };
        let request = Request { start, ..asked(run, gap) };
        let mut watch = |progress: Progress<'_>| {
            if let Some(bound) = progress.bound {
                run.lower_bound(formulated.lower_bound(bound));
            }
            if let Some(plan) = progress.incumbent.and_then(|v| problem.decode(formulated, v)) {
                told = run.incumbent(&plan).or(told);
            }
            let flow = run.meet();
            if let (Some(wanted), Some((plan, cost))) = (progress.wanted, run.best())
                && told.is_none_or(|told| *cost < told)
            {
                told = Some(*cost);
                *wanted = problem.encode(formulated, plan);
            }
            match flow {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let reply = self.engine.solve(&formulated.program, &request, &mut watch);
        // An engine that dies at its limit has died: no reply is no answer.
        let reply = reply.map_err(|error: EngineError| SolverError::Engine(error.to_string()))?;
        for (what, count) in [("nodes", reply.nodes), ("iterations", reply.iterations)] {
            // What the engine did not count is missing, not 0.
            if let Some(count) = count {
                run.count(what, count);
            }
        }
        Ok(reply)
    }
}

/// What a reply without a vector means.
fn conclude<Plan>(reply: &Reply, has_incumbent: bool) -> Result<Answer<Plan>, SolverError> {
    match reply.status {
        // With an incumbent in hand this is a contradiction, and `solve` will call it one.
        Status::Infeasible => Ok(Answer::Infeasible),
        Status::Unbounded | Status::InfeasibleOrUnbounded | Status::Abandoned => {
            let status = reply.status;
            Err(SolverError::Engine(format!("the engine says {status:?} of a bounded program")))
        }
        Status::Optimal if !has_incumbent => {
            Err(SolverError::Engine("the engine claims an optimum without a solution".into()))
        }
        Status::Optimal
        | Status::TimeLimit
        | Status::NodeLimit
        | Status::OtherLimit
        | Status::Interrupted
        | Status::MemoryLimit => Ok(Answer::Unknown { lower_bound: None }),
    }
}

/// Not all of these variables at 1: the plan that they mean is infeasible in integers.
fn exclude(program: &mut Program, chosen: &[u32]) {
    let terms = chosen.iter().map(|&column| (edgeplan_mip::Variable(column), 1.0));
    program.at_most(terms, chosen.len() as f64 - 1.0);
}

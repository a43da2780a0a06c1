//! Relax, draw, repair.

use std::ops::ControlFlow;

use edgeplan_ilp::Formulation;
use edgeplan_mip::{Engine as _, Highs, Request, Status};
use edgeplan_problem::{Answer, Problem, Run, Solver, SolverError, Unsupported};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::Repair;

/// Randomized rounding of the LP relaxation, with repair. Its bound is the relaxation's optimum.
#[derive(Debug, Clone, Copy)]
pub struct Rounding {
    /// Plans that are drawn and repaired; the first one takes the largest variable of each choice.
    pub draws: u32,
    /// Whether the weak program is relaxed; its bound shows what the rows of the other one gain.
    pub weak: bool,
    /// Larger programs are not stated.
    pub nonzeros_max: usize,
}

impl Default for Rounding {
    fn default() -> Self {
        Self { draws: 16, weak: false, nonzeros_max: 3_000_000 }
    }
}

impl<P: Formulation + Repair> Solver<P> for Rounding {
    fn supports(&self, _problem: &P) -> Result<(), Unsupported> {
        Highs.available().map_err(|error| Unsupported(error.to_string()))
    }

    fn solve(&self, run: &mut Run<'_, P>) -> Result<Answer<P::Plan>, SolverError> {
        let problem = run.problem();
        let formulated = match self.weak {
            true => problem.formulate_weak(self.nonzeros_max),
            false => problem.formulate(self.nonzeros_max),
        };
        let formulated =
            formulated.map_err(|too_large| SolverError::Engine(too_large.to_string()))?;
        let request = Request {
            time: run.remaining(),
            seed: run.limits().seed as u32,
            relax: true,
            threads: run.limits().threads,
            ..Request::default()
        };
        let mut watch = |_: edgeplan_mip::Progress<'_>| match run.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let reply = Highs.solve(&formulated.program, &request, &mut watch);
        let reply = reply.map_err(|error| SolverError::Engine(error.to_string()))?;
        if let Some(pivots) = reply.iterations {
            run.count("pivots", pivots);
        }
        let values = match (reply.status, reply.values) {
            // No fractional plan, so no plan.
            (Status::Infeasible, _) => return Ok(Answer::Infeasible),
            (Status::Optimal, Some(values)) => values,
            (status, _) => return stopped(run, status),
        };
        if let Some(bound) = reply.bound {
            run.lower_bound(formulated.lower_bound(bound));
        }
        let mut random = Pcg64Mcg::seed_from_u64(run.limits().seed);
        for draw in 0..self.draws {
            let plan = match draw {
                0 => problem.decode(&formulated, &values),
                _ => problem.sample(&formulated, &values, &mut || random.random()),
            };
            run.count("draws", 1);
            if let Some(plan) = plan {
                problem.repair(plan, run, &mut random)?;
            }
            if run.is_proven() {
                break;
            }
        }
        Ok(match run.best() {
            Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound: run.bound() },
            None => Answer::Unknown { lower_bound: run.bound() },
        })
    }
}

/// The relaxation itself was not solved.
fn stopped<P: Problem>(run: &Run<'_, P>, status: Status) -> Result<Answer<P::Plan>, SolverError> {
    run.check()?;
    match status {
        Status::TimeLimit | Status::Interrupted | Status::OtherLimit | Status::NodeLimit => {
            Ok(Answer::Unknown { lower_bound: None })
        }
        _ => Err(SolverError::Engine(format!("the engine says {status:?} of a relaxation"))),
    }
}

//! A plan that an engine can run which fills the devices of a host in order: the blocks of each
//! device follow each other.

use std::time::{Duration, Instant};

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Answer, Cost, Limits, Outcome, Problem as _, judge, solve_in_time};
use edgeplan_runtimes::{BlockRuns, Runtime};
use edgeplan_solvers::{Entry, Opinion};
use serde::Serialize;

use crate::answer::{Progress, Task, answer};

/// The share of the time in which the question is answered with blocks in any order.
const ANY_ORDER: f64 = 0.7;
/// Plans in runs are looked for at most that long.
const LONGEST: Duration = Duration::from_secs(3);
/// The share of what is left that one question of runs may take.
const OF_REST: f64 = 0.3;

/// What runs of blocks cost over blocks in any order.
///
/// See [`Session::plan`](crate::Session::plan) for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InRuns {
    /// The engine that wants them.
    pub engine: &'static str,
    /// The cost of the plan that was found without them.
    pub cost_in_any_order: Cost,
}

impl InRuns {
    pub(crate) fn text(self, deployment: &Deployment, cost: Cost) -> String {
        let more = 100.0 * (cost.as_f64() / self.cost_in_any_order.as_f64().max(1.0) - 1.0);
        let amount = deployment.objective.amount(self.cost_in_any_order);
        let engine = self.engine;
        format!(
            "{engine} holds one run of blocks on each device: {more:+.2} % over {amount} of blocks \
             in any order, from which the bound is"
        )
    }
}

/// An answer, and a second opinion where there is one.
pub(crate) type Answered = (Outcome<Plan>, Option<Opinion>);

/// The answer to a question, with a plan that the engine can run where one is found. The bound is
/// that of plans with blocks in any order, so that it holds for this one, too.
pub(crate) fn answer_in_runs(
    deployment: &Deployment,
    engine: Option<&'static Runtime>,
    task: &Task<'_>,
    progress: &mut dyn Progress,
) -> (Answered, Option<InRuns>) {
    let in_runs = |engine: &&Runtime| engine.engine.parts && deployment.has_hosts();
    let Some(engine) = engine.filter(in_runs).filter(|_| deployment.models.len() == 1) else {
        return (answer(deployment, task, progress), None);
    };
    let start = Instant::now();
    let time = task.limits.time.map(|time| time.mul_f64(ANY_ORDER));
    let limits = Limits { time, ..task.limits };
    let (mut outcome, opinion) = answer(deployment, &Task { limits, ..*task }, progress);
    let Some(found) = outcome.plan.clone().filter(|_| !outcome.verdict.is_wrong()) else {
        return ((outcome, opinion), None);
    };
    let spent = start.elapsed();
    let rest = task.limits.time.map_or(LONGEST, |time| time.saturating_sub(spent).min(LONGEST));
    let solver = task.solver(deployment);
    let end = Instant::now() + rest;
    let search = Search { engine, deployment, solver, limits: task.limits, end };
    let Some(plan) = search.plan(&found).filter(|plan| *plan != found) else {
        return ((outcome, opinion), None);
    };
    let cost_in_any_order = deployment.evaluate(&found).cost;
    let own = Answer::Plan { plan, lower_bound: outcome.lower_bound() };
    (outcome.verdict, outcome.plan) = judge(deployment, own, task.limits.gap);
    let dearer = outcome.cost().is_some_and(|cost| cost > cost_in_any_order);
    let in_runs = dearer.then_some(InRuns { engine: engine.name, cost_in_any_order });
    ((outcome, opinion), in_runs)
}

struct Search<'a> {
    engine: &'static Runtime,
    deployment: &'a Deployment,
    solver: &'static Entry,
    limits: Limits<'a>,
    end: Instant,
}

impl Search<'_> {
    /// The best plan in runs that is found in the time; none where the engine can run no such plan.
    fn plan(self, found: &Plan) -> Option<Plan> {
        let arranged = self.engine.arranged(self.deployment, found);
        let mut best = self.cost(&arranged).map(|cost| (cost, arranged));
        let before = self.deployment.evaluate(found).cost;
        if best.as_ref().is_some_and(|(cost, _)| *cost <= before) {
            return best.map(|(_, plan)| plan);
        }
        // Downhill from the plan's own numbers of blocks.
        let mut next = vec![BlockRuns::of(self.deployment, found)];
        while let Some(better) = self.best_of(&next, &mut best) {
            next = better.near();
        }
        best.map(|(_, plan)| plan)
    }

    /// The best of some runs, if it is better than what is known, which it becomes.
    fn best_of(&self, all: &[BlockRuns], best: &mut Option<(Cost, Plan)>) -> Option<BlockRuns> {
        let mut better = None;
        for runs in all {
            let Some((cost, plan)) = self.best_in(runs) else { continue };
            if best.as_ref().is_none_or(|(known, _)| cost < *known) {
                (*best, better) = (Some((cost, plan)), Some(runs.clone()));
            }
        }
        better
    }

    fn best_in(&self, runs: &BlockRuns) -> Option<(Cost, Plan)> {
        let rest = self.end.saturating_duration_since(Instant::now());
        if rest.is_zero() || self.limits.interrupted() {
            return None;
        }
        let question = runs.question(self.deployment)?;
        let limits = Limits { time: Some(rest.mul_f64(OF_REST)), ..self.limits };
        let solver = (self.solver.make)();
        let outcome = solve_in_time(&question, solver, limits, &mut crate::Quiet);
        let plan = self.engine.arranged(self.deployment, &outcome.plan?);
        Some((self.cost(&plan)?, plan))
    }

    /// The cost of a plan that is feasible and that the engine can run.
    fn cost(&self, plan: &Plan) -> Option<Cost> {
        let evaluation = self.deployment.evaluate(plan);
        let can =
            self.engine.misfits(self.deployment, plan).is_ok_and(|misfits| misfits.is_empty());
        (can && evaluation.is_feasible()).then_some(evaluation.cost)
    }
}

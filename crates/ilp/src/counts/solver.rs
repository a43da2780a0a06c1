//! Counts, solved by an engine, and plans made of them.

use std::ops::ControlFlow;
use std::time::Duration;

use edgeplan_mip::{Engine, EngineError, Progress, Reply, Request, Status};
use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Answer, Cost, Limits, Run, Solver, SolverError, Unsupported, gap};

use super::program::{Stated, state};
use super::{arrange, cuts};
use crate::scale::safe_bound;
use crate::solver;

/// The program of counts, for one model on hosts of several devices.
///
/// Its bound is proven. Where no plan with the counts of its solution loses so little as the
/// program says, it is solved again with less allowed, until the plans' cost meets the bound or
/// nothing better comes: the bound need then not be met.
pub struct Counts {
    engine: Box<dyn Engine>,
    starts: Vec<Box<dyn Solver<Deployment> + Send>>,
    nonzeros_max: usize,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts").field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

/// Larger programs are not stated: they are small, or of no use.
const NONZEROS_MAX: usize = 400_000;
/// Times that it is solved, with more rows or with less loss allowed.
const TURNS_MAX: u32 = 24;
/// The part of the allowed loss that is taken off first where a solution is no plan; then twice as
/// much at each turn, but no more than its plan loses too much.
const TIGHTENED_LEAST: u64 = 500;
/// The gap where less loss is allowed, for plans only.
const ROUGH: f64 = 5e-4;
/// Times that its relaxation is.
const RELAXED_MAX: u32 = 40;
/// The part of the time that each starting solver may use.
const START_SHARE: u32 = 10;

impl Counts {
    /// On that engine, from nothing.
    pub fn new(engine: impl Engine + 'static) -> Self {
        Self { engine: Box::new(engine), starts: Vec::new(), nonzeros_max: NONZEROS_MAX }
    }

    /// Starts the engine from that solver's plan, if it is the best of those given.
    pub fn starting_from(mut self, start: impl Solver<Deployment> + Send + 'static) -> Self {
        self.starts.push(Box::new(start));
        self
    }

    /// States the program, with the tangents that its relaxation asks for.
    fn relaxed(
        &self,
        run: &mut Run<'_, Deployment>,
        loss_max: Option<u64>,
    ) -> Result<Stated, SolverError> {
        let mut stated = state(run.problem(), loss_max);
        let nonzeros = stated.program.nonzeros();
        if nonzeros > self.nonzeros_max {
            let most = self.nonzeros_max;
            let text = format!("{nonzeros} coefficients; at most {most} are stated");
            return Err(SolverError::Engine(text));
        }
        run.count("columns", stated.program.columns.len() as u64);
        for _ in 0..RELAXED_MAX {
            run.meet()?;
            let request = Request {
                time: run.remaining().map(|time| time.max(Duration::from_millis(1))),
                relax: true,
                threads: run.limits().threads,
                ..Request::default()
            };
            let go_on = &mut |_: Progress<'_>| ControlFlow::Continue(());
            let reply = self.engine.solve(&stated.program, &request, go_on);
            let reply =
                reply.map_err(|error: EngineError| SolverError::Engine(error.to_string()))?;
            run.count("relaxations", 1);
            let Some(values) = reply.values else { break };
            let Stated { program, layout, .. } = &mut stated;
            if cuts::add_losses(run.problem(), layout, program, &values) == 0 {
                break;
            }
        }
        cuts::add_pairs(&stated.layout, &mut stated.program);
        Ok(stated)
    }

    /// Solves a program. Its bounds are the instance's where it `is_whole`.
    fn ask(
        &self,
        run: &mut Run<'_, Deployment>,
        stated: &Stated,
        asked: &mut Asked,
    ) -> Result<Reply, SolverError> {
        let instance = run.problem();
        let columns = stated.program.columns.len();
        let encode = |plan: &Plan| stated.layout.encode(instance, &plan.models[0], columns);
        let mut told = run.best().map(|&(_, cost)| cost);
        let start = run.best().and_then(|(plan, _)| encode(plan)).filter(|_| asked.is_whole);
        let exact = run.limits().gap <= 2.0 * Limits::GAP;
        let gap = match () {
            () if !asked.is_whole => run.limits().gap.max(ROUGH),
            () if exact => 0.0,
            () => run.limits().gap / 2.0,
        };
        let request = Request { start, ..solver::asked(run, gap) };
        let mut watch = |progress: Progress<'_>| {
            if let Some(bound) = progress.bound {
                asked.report(run, safe_bound(bound, stated.scale));
            }
            if let Some(values) = progress.incumbent {
                told = asked.offer(run, stated, values).or(told);
            }
            let flow = run.meet();
            if let (Some(wanted), Some((plan, cost))) = (progress.wanted, run.best())
                && asked.is_whole
                && told.is_none_or(|told| *cost < told)
            {
                told = Some(*cost);
                *wanted = encode(plan);
            }
            match flow {
                Ok(()) if asked.is_worth_it(run) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        };
        let reply = self.engine.solve(&stated.program, &request, &mut watch);
        let reply = reply.map_err(|error: EngineError| SolverError::Engine(error.to_string()))?;
        for (what, count) in [("nodes", reply.nodes), ("iterations", reply.iterations)] {
            if let Some(count) = count {
                run.count(what, count);
            }
        }
        Ok(reply)
    }
}

/// What is known of a program that is being solved.
struct Asked {
    /// Whether its plans are all plans.
    is_whole: bool,
    /// By how much the last solution's plan loses too much.
    excess: Option<u64>,
    /// No solution costs less.
    bound: Cost,
}

impl Asked {
    fn report(&mut self, run: &mut Run<'_, Deployment>, bound: Cost) {
        self.bound = self.bound.max(bound);
        if self.is_whole {
            run.lower_bound(bound);
        }
    }

    /// Makes a plan of a solution; its cost if it is one.
    fn offer(
        &mut self,
        run: &mut Run<'_, Deployment>,
        stated: &Stated,
        values: &[f64],
    ) -> Option<Cost> {
        let instance = run.problem();
        let arranged = arrange::plan(instance, &stated.layout, values)?;
        self.excess = Some(arranged.excess);
        run.count("arranged", 1);
        run.incumbent(&Plan::single(arranged.plan))
    }

    /// Whether better plans may still come of it.
    fn is_worth_it(&self, run: &Run<'_, Deployment>) -> bool {
        let best = run.best().map(|&(_, cost)| cost);
        self.is_whole || best.is_none_or(|best| gap(best, self.bound) > run.limits().gap)
    }
}

/// Why the program of counts does not say all that an instance asks; none if it does.
fn refusal(instance: &Deployment) -> Option<&'static str> {
    let is_taken = instance.models.len() == 1 && instance.placement == Placement::Contiguous;
    if !is_taken {
        return Some("counts are of one model in contiguous placement");
    }
    if instance.objective == Objective::Bottleneck || instance.bottleneck_max.is_some() {
        return Some("counts have no bottleneck");
    }
    let is_limited = instance.devices.iter().any(|device| device.traffic_max.is_some());
    is_limited.then_some("counts have no limit on traffic")
}

impl Solver<Deployment> for Counts {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        if let Some(reason) = refusal(problem) {
            return Err(Unsupported(reason.into()));
        }
        self.engine.available().map_err(|error| Unsupported(error.to_string()))
    }

    fn has_own_process(&self) -> bool {
        self.engine.has_own_process()
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        run.start_from(&self.starts, START_SHARE);
        let budget = run.problem().models[0].loss_max.map(|most| most.0);
        let mut stated = self.relaxed(run, budget)?;
        let mut asked = Asked { is_whole: true, excess: None, bound: Cost::ZERO };
        let mut allowed = budget;
        let mut tightened = 0;
        for _ in 0..TURNS_MAX {
            run.check()?;
            let reply = self.ask(run, &stated, &mut asked)?;
            run.count("programs", 1);
            let is_denied = reply.status == Status::Infeasible;
            if let Some(bound) = reply.bound.filter(|_| !is_denied) {
                asked.report(run, safe_bound(bound, stated.scale));
            }
            let Some(values) = reply.values.filter(|_| !is_denied) else { break };
            asked.offer(run, &stated, &values);
            if run.is_proven() {
                break;
            }
            let Stated { program, layout, .. } = &mut stated;
            let rows = cuts::add_losses(run.problem(), layout, program, &values)
                + cuts::add_connections(layout, program, &values);
            run.count("rows added", rows as u64);
            if rows > 0 {
                continue;
            }
            // Only its layers' places keep the solution from being a plan.
            let Some((excess, most)) = asked.excess.zip(allowed) else { break };
            let part = budget.unwrap_or(0) / TIGHTENED_LEAST;
            let less = excess.min(part << tightened).max(1);
            tightened += 1;
            allowed = Some(most.saturating_sub(less));
            stated = self.relaxed(run, allowed)?;
            asked = Asked { is_whole: false, excess: None, bound: Cost::ZERO };
        }
        Ok(match run.best().cloned() {
            Some((plan, _)) => Answer::Plan { plan, lower_bound: run.bound() },
            None => Answer::Unknown { lower_bound: run.bound() },
        })
    }
}

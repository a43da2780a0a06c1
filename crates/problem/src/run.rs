//! The one handle that a running solver holds: question, clock, seed, limits, observer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::race::Seat;
use crate::{Cost, Problem};

/// What a run may use. The default has no limit and the seed 0.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Wall-clock time.
    pub time: Option<Duration>,
    /// Calls of [`Run::step`]; the same number gives the same answer on every machine.
    pub steps: Option<u64>,
    /// Seed of whatever is random.
    pub seed: u64,
    /// Threads of an engine, and of a solver that takes them.
    pub threads: u32,
    /// Relative gap at which a plan counts as proven: `(cost - bound) <= gap * cost`.
    pub gap: f64,
    /// Set from outside (Ctrl-C) to end the run with the best plan so far.
    pub interrupt: Option<&'a AtomicBool>,
}

impl Limits<'_> {
    /// The gap of float engines' own tolerances, below which "optimal" has no meaning for them.
    pub const GAP: f64 = 1e-6;

    /// Whether the interrupt flag is set.
    pub fn interrupted(&self) -> bool {
        self.interrupt.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self { time: None, steps: None, seed: 0, threads: 1, gap: Self::GAP, interrupt: None }
    }
}

/// Which limit ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The time is up.
    #[error("time limit")]
    Time,
    /// The steps are used up.
    #[error("step limit")]
    Steps,
    /// The interrupt flag was set.
    #[error("interrupted")]
    Interrupted,
    /// The incumbent is within the asked gap of the bound.
    #[error("gap reached")]
    Gap,
}

/// What ends a run, for the threads of its solver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch<'a> {
    until: Option<Instant>,
    interrupt: Option<&'a AtomicBool>,
    /// Other solvers have answered.
    is_over: Option<&'a AtomicBool>,
}

impl Watch<'_> {
    /// Whether work may go on.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn check(&self) -> Result<(), Stop> {
        let is_set = |flag: Option<&AtomicBool>, order| flag.is_some_and(|flag| flag.load(order));
        if is_set(self.interrupt, Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        if is_set(self.is_over, Ordering::Acquire) {
            return Err(Stop::Gap);
        }
        match self.until {
            Some(until) if Instant::now() >= until => Err(Stop::Time),
            _ => Ok(()),
        }
    }
}

/// An observer of progress. All methods default to doing nothing.
pub trait Observer {
    /// A better feasible plan was found.
    fn incumbent(&mut self, _elapsed: Duration, _cost: Cost) {}
    /// A better lower bound was proven.
    fn lower_bound(&mut self, _elapsed: Duration, _bound: Cost) {}
}

/// An observer that watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// A running solver's handle on its question, clock, seed, limits and observer.
pub struct Run<'a, P: Problem> {
    problem: &'a P,
    limits: Limits<'a>,
    observer: &'a mut dyn Observer,
    started: Instant,
    steps: u64,
    best: Option<(P::Plan, Cost)>,
    bound: Option<Cost>,
    work: BTreeMap<&'static str, u64>,
    /// Other solvers that answer the same question.
    seat: Option<Seat<'a, P>>,
}

impl<P: Problem> std::fmt::Debug for Run<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("limits", &self.limits)
            .field("steps", &self.steps)
            .field("incumbent", &self.best.as_ref().map(|(_, cost)| cost))
            .field("bound", &self.bound)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

impl<'a, P: Problem> Run<'a, P> {
    /// A run that starts now.
    pub fn new(problem: &'a P, limits: Limits<'a>, observer: &'a mut dyn Observer) -> Self {
        let started = Instant::now();
        Self {
            problem,
            limits,
            observer,
            started,
            steps: 0,
            best: None,
            bound: None,
            work: BTreeMap::new(),
            seat: None,
        }
    }

    /// A run beside others of the same question.
    pub(crate) fn seated(
        problem: &'a P,
        limits: Limits<'a>,
        observer: &'a mut dyn Observer,
        seat: Seat<'a, P>,
    ) -> Self {
        Self { seat: Some(seat), ..Self::new(problem, limits, observer) }
    }

    /// The question.
    pub fn problem(&self) -> &'a P {
        self.problem
    }

    /// The limits it runs under.
    pub fn limits(&self) -> Limits<'a> {
        self.limits
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time left, if time is limited.
    pub fn remaining(&self) -> Option<Duration> {
        self.limits.time.map(|limit| limit.saturating_sub(self.elapsed()))
    }

    /// One unit of work; the first line of every search loop.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn step(&mut self) -> Result<(), Stop> {
        self.steps += 1;
        if self.limits.steps.is_some_and(|limit| self.steps > limit) {
            return Err(Stop::Steps);
        }
        self.meet()
    }

    /// Waits for its turn and learns what other solvers of the same question found, without
    /// counting a step.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn meet(&mut self) -> Result<(), Stop> {
        let Some(seat) = &self.seat else { return self.check() };
        seat.take_turn();
        let better = seat.exchange.better_than(self.best.as_ref().map(|&(_, cost)| cost));
        let bound = seat.exchange.bound();
        if let Some(better) = better {
            self.observer.incumbent(self.started.elapsed(), better.1);
            self.best = Some(better);
        }
        if bound > Cost::ZERO {
            self.lower_bound(bound);
        }
        self.check()
    }

    /// Whether the run may go on, without counting a step.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn check(&self) -> Result<(), Stop> {
        self.watch().check()
    }

    /// What ends the run, for threads of its solver.
    pub fn watch(&self) -> Watch<'a> {
        Watch {
            // No end, if that is beyond what the clock counts.
            until: self.limits.time.and_then(|limit| self.started.checked_add(limit)),
            interrupt: self.limits.interrupt,
            is_over: self.seat.as_ref().map(|seat| &seat.exchange.is_over),
        }
    }

    /// Offers a plan. It is evaluated here; the run keeps it if it is feasible and the best so
    /// far. Returns its cost if it is feasible.
    pub fn incumbent(&mut self, plan: &P::Plan) -> Option<Cost> {
        let evaluation = self.problem.evaluate(plan);
        if !evaluation.is_feasible() {
            return None;
        }
        let cost = evaluation.cost;
        if self.best.as_ref().is_none_or(|&(_, best)| cost < best) {
            self.best = Some((plan.clone(), cost));
            self.observer.incumbent(self.started.elapsed(), cost);
            if let Some(seat) = &self.seat {
                seat.exchange.offer(plan, cost);
            }
        }
        Some(cost)
    }

    /// Reports a proven lower bound; the run keeps the largest.
    pub fn lower_bound(&mut self, bound: Cost) {
        if self.bound.is_none_or(|best| bound > best) {
            self.bound = Some(bound);
            self.observer.lower_bound(self.started.elapsed(), bound);
            if let Some(seat) = &self.seat {
                seat.exchange.raise(bound);
            }
        }
    }

    /// The best feasible plan so far and its cost.
    pub fn best(&self) -> Option<&(P::Plan, Cost)> {
        self.best.as_ref()
    }

    /// The largest lower bound so far.
    pub fn bound(&self) -> Option<Cost> {
        self.bound
    }

    /// Whether incumbent and bound are within the asked gap.
    pub fn is_proven(&self) -> bool {
        match (&self.best, self.bound) {
            (Some((_, cost)), Some(bound)) => crate::gap(*cost, bound) <= self.limits.gap,
            _ => false,
        }
    }

    /// Counts work other than seconds: `nodes`, `labels`, `pivots`.
    pub fn count(&mut self, what: &'static str, amount: u64) {
        *self.work.entry(what).or_default() += amount;
    }

    /// The counted work.
    pub fn work(&self) -> &BTreeMap<&'static str, u64> {
        &self.work
    }
}

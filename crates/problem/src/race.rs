//! Several solvers on one question at once: what one finds, the others know at their next step.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::turns::{Claim, Turns};
use crate::{Answer, Cost, Limits, Problem, Run, Silent, Solver, SolverError, Stop, gap};

/// What solvers of one question tell each other.
pub(crate) struct Exchange<P: Problem> {
    /// Cost of the best plan, `u64::MAX` before there is one: read at every step.
    cost: AtomicU64,
    best: Mutex<Option<(P::Plan, Cost)>>,
    bound: AtomicU64,
    /// Nothing is left to do.
    pub(crate) is_over: AtomicBool,
    /// Solvers that have ended.
    ended: AtomicUsize,
    gap: f64,
    /// Wakes the thread that waits for news.
    news: Mutex<Sender<()>>,
    turns: Option<Turns>,
}

/// A solver of a race.
#[derive(Clone, Copy)]
pub struct Racer<'a, P: Problem> {
    /// The solver.
    pub solver: &'a (dyn Solver<P> + Send),
    /// Its share of the time where there are fewer threads than solvers, as a part of the sum of
    /// shares.
    pub share: u32,
    /// What it has before the others begin, where there are fewer threads than solvers.
    pub lead: Duration,
}

impl<'a, P: Problem> Racer<'a, P> {
    /// A solver with that share and no lead.
    pub fn new(solver: &'a (dyn Solver<P> + Send), share: u32) -> Self {
        Self { solver, share, lead: Duration::ZERO }
    }
}

impl<P: Problem> std::fmt::Debug for Racer<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { share, lead, .. } = self;
        f.debug_struct("Racer").field("share", share).field("lead", lead).finish_non_exhaustive()
    }
}

/// A solver's place among the others.
pub(crate) struct Seat<'a, P: Problem> {
    pub(crate) exchange: &'a Exchange<P>,
    pub(crate) number: usize,
}

/// A chain of 1,024 layers is walked down recursively by some solvers.
pub(crate) const STACK: usize = 64 << 20;
/// The longest wait for news: limits of time end soon after.
pub(crate) const WAIT: Duration = Duration::from_millis(5);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Problem> Exchange<P> {
    /// For solvers that take turns, if there are fewer threads.
    pub(crate) fn new(turns: Option<Turns>, limits: Limits<'_>) -> (Self, Receiver<()>) {
        let (sender, receiver) = channel();
        let exchange = Self {
            cost: AtomicU64::new(u64::MAX),
            best: Mutex::new(None),
            bound: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            ended: AtomicUsize::new(0),
            gap: limits.gap,
            news: Mutex::new(sender),
            turns,
        };
        (exchange, receiver)
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// The best plan, if it costs less than that.
    pub(crate) fn better_than(&self, cost: Option<Cost>) -> Option<(P::Plan, Cost)> {
        let known = self.cost.load(Ordering::Acquire);
        let is_better = known < cost.map_or(u64::MAX, |cost| cost.0);
        if is_better { locked(&self.best).clone() } else { None }
    }

    /// The largest bound of all solvers.
    pub(crate) fn bound(&self) -> Cost {
        Cost(self.bound.load(Ordering::Acquire))
    }

    pub(crate) fn offer(&self, plan: &P::Plan, cost: Cost) {
        let mut best = locked(&self.best);
        if best.as_ref().is_none_or(|&(_, known)| cost < known) {
            *best = Some((plan.clone(), cost));
            self.cost.store(cost.0, Ordering::Release);
            drop(best);
            self.tell();
        }
    }

    pub(crate) fn raise(&self, bound: Cost) {
        if self.bound.fetch_max(bound.0, Ordering::AcqRel) < bound.0 {
            self.tell();
        }
    }

    fn tell(&self) {
        let (cost, bound) = (self.cost.load(Ordering::Acquire), self.bound());
        if cost < u64::MAX && gap(Cost(cost), bound) <= self.gap {
            self.end();
        }
        // The receiver may be gone: it stops waiting after the last answer.
        let _ = locked(&self.news).send(());
    }

    /// Asks every solver to stop at its next step.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(turns) = &self.turns {
            turns.wake();
        }
        let _ = locked(&self.news).send(());
    }
}

impl<P: Problem> Seat<'_, P> {
    /// Goes on when it is this solver's turn.
    pub(crate) fn take_turn(&self) {
        if let Some(turns) = &self.exchange.turns {
            turns.take(self.number, || self.exchange.is_over());
        }
    }
}

impl<P: Problem> Drop for Seat<'_, P> {
    fn drop(&mut self) {
        if let Some(turns) = &self.exchange.turns {
            turns.leave(self.number);
        }
    }
}

/// Runs several solvers on a run's question at once, each on a thread of its own; with fewer
/// [`Limits::threads`] than solvers they take turns by their shares. What one finds or proves,
/// the others know at their next step. A limit of steps is each solver's.
///
/// # Errors
/// The limit that ended the solvers before anything was proven; the failure of an engine, if no
/// other solver had an answer.
pub fn race<P: Problem>(
    run: &mut Run<'_, P>,
    racers: &[Racer<'_, P>],
) -> Result<Answer<P::Plan>, SolverError> {
    let (problem, limits) = (run.problem(), Limits { time: run.remaining(), ..run.limits() });
    let claim = |&Racer { share, lead, .. }: &Racer<'_, P>| Claim { share, lead };
    let claims: Vec<Claim> = racers.iter().map(claim).collect();
    let turns = Turns::of(&claims, limits.threads.max(1) as usize);
    let (exchange, news) = Exchange::new(turns, limits);
    let threads = (limits.threads / racers.len().max(1) as u32).max(1);
    // What is left of threads goes to the first of the largest share.
    let left = limits.threads.saturating_sub(threads * racers.len() as u32);
    let largest = (0..racers.len()).rev().max_by_key(|&number| racers[number].share);
    let more = |number: usize| left * u32::from(largest == Some(number));
    let limits = |number: usize| Limits { threads: threads + more(number), ..limits };
    if let Some((plan, cost)) = run.best() {
        exchange.offer(plan, *cost);
    }
    let ends: Vec<End<P::Plan>> = thread::scope(|scope| {
        let exchange = &exchange;
        let mut running = Vec::with_capacity(racers.len());
        for (number, &Racer { solver, .. }) in racers.iter().enumerate() {
            let seat = Seat { exchange, number };
            let limits = limits(number);
            let work = move || ends(problem, solver, limits, seat);
            let builder = thread::Builder::new().stack_size(STACK);
            running.push(builder.spawn_scoped(scope, work).expect("the system has threads"));
        }
        // A solver that panics has ended, too, and does not say so.
        while exchange.ended.load(Ordering::Acquire) < racers.len()
            && running.iter().any(|thread| !thread.is_finished())
        {
            let _ = news.recv_timeout(WAIT);
            report(run, exchange);
            if run.check().is_err() {
                exchange.end();
            }
        }
        let join = |thread: thread::ScopedJoinHandle<'_, End<P::Plan>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().map(join).collect()
    });
    report(run, &exchange);
    // No cost is below zero, which may be all that there is to prove.
    run.lower_bound(exchange.bound());
    for end in &ends {
        end.work.iter().for_each(|&(what, amount)| run.count(what, amount));
    }
    verdict(run, ends)
}

/// How one solver ended.
struct End<Plan> {
    said: Result<Answer<Plan>, SolverError>,
    work: Vec<(&'static str, u64)>,
}

/// Runs one solver to its end, and tells the others what it said.
fn ends<P: Problem>(
    problem: &P,
    solver: &(dyn Solver<P> + Send),
    limits: Limits<'_>,
    seat: Seat<'_, P>,
) -> End<P::Plan> {
    let exchange = seat.exchange;
    let mut silent = Silent;
    let mut run = Run::seated(problem, limits, &mut silent, seat);
    // Not before its turn.
    let said = match run.meet() {
        Ok(()) => solver.solve(&mut run),
        Err(stop) => Err(stop.into()),
    };
    match &said {
        Ok(Answer::Plan { plan, lower_bound }) => {
            run.incumbent(plan);
            run.lower_bound(lower_bound.unwrap_or_default());
        }
        Ok(Answer::Unknown { lower_bound }) => run.lower_bound(lower_bound.unwrap_or_default()),
        Ok(Answer::Infeasible) => exchange.end(),
        Err(_) => {}
    }
    let work = run.work().iter().map(|(&what, &amount)| (what, amount)).collect();
    exchange.ended.fetch_add(1, Ordering::AcqRel);
    let _ = locked(&exchange.news).send(());
    End { said, work }
}

/// Tells the run what is new.
pub(crate) fn report<P: Problem>(run: &mut Run<'_, P>, exchange: &Exchange<P>) {
    if let Some((plan, _)) = exchange.better_than(run.best().map(|&(_, cost)| cost)) {
        run.incumbent(&plan);
    }
    if exchange.bound() > Cost::ZERO {
        run.lower_bound(exchange.bound());
    }
}

/// What all that was said amounts to.
fn verdict<P: Problem>(
    run: &Run<'_, P>,
    ends: Vec<End<P::Plan>>,
) -> Result<Answer<P::Plan>, SolverError> {
    let said = |end: &End<P::Plan>| matches!(end.said, Ok(Answer::Infeasible));
    if ends.iter().any(said) {
        return Ok(Answer::Infeasible);
    }
    let found = run.best().map(|(plan, _)| plan.clone());
    let lower_bound = run.bound();
    let answer = match found {
        Some(plan) => Answer::Plan { plan, lower_bound },
        None => Answer::Unknown { lower_bound },
    };
    if run.is_proven() {
        return Ok(answer);
    }
    let is_answered = ends.iter().any(|end| end.said.is_ok());
    let mut errors = ends.into_iter().filter_map(|end| end.said.err()).collect::<Vec<_>>();
    // A limit says more than an engine that failed beside it.
    errors.sort_by_key(|error| !matches!(error, SolverError::Stopped(stop) if *stop != Stop::Gap));
    match errors.into_iter().next() {
        Some(error @ SolverError::Stopped(_)) => Err(error),
        Some(error) if !is_answered => Err(error),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evaluation, Outcome, Verdict, solve};

    /// Whose plans are numbers, which cost what they are; nothing below 10 is feasible.
    struct Numbers;

    impl Problem for Numbers {
        type Plan = u64;
        type Violation = String;
        type Account = ();

        fn evaluate(&self, &plan: &u64) -> Evaluation<Self> {
            let violations = if plan < 10 { vec!["too small".into()] } else { Vec::new() };
            Evaluation { cost: Cost(plan), violations, account: () }
        }
    }

    /// Counts a number down from 1,000,000, or a bound up from 0, until it is told the rest.
    #[derive(Clone, Copy)]
    enum Half {
        Plans,
        Bounds,
        Fails,
        Denies,
    }

    impl Solver<Numbers> for Half {
        fn solve(&self, run: &mut Run<'_, Numbers>) -> Result<Answer<u64>, SolverError> {
            let mut at = 0;
            loop {
                match self {
                    Self::Plans => {
                        run.incumbent(&10_u64.max(1_000_000_u64.saturating_sub(at)));
                    }
                    Self::Bounds => run.lower_bound(Cost(10.min(at))),
                    Self::Fails => return Err(SolverError::Engine("broken".into())),
                    Self::Denies => return Ok(Answer::Infeasible),
                }
                run.count("steps", 1);
                run.step()?;
                at += 1_000;
            }
        }
    }

    struct Both(Vec<Half>);

    impl Solver<Numbers> for Both {
        fn solve(&self, run: &mut Run<'_, Numbers>) -> Result<Answer<u64>, SolverError> {
            let racers: Vec<Racer<'_, Numbers>> =
                self.0.iter().map(|half| Racer::new(half, 1)).collect();
            race(run, &racers)
        }
    }

    fn raced(halves: &[Half], limits: Limits<'_>) -> Outcome<u64> {
        solve(&Numbers, &Both(halves.to_vec()), limits, &mut Silent)
    }

    #[test]
    fn what_one_finds_and_another_proves_is_an_answer() {
        for threads in [1, 2, 3] {
            let limits = Limits { threads, ..Limits::default() };
            let outcome = raced(&[Half::Plans, Half::Fails, Half::Bounds], limits);
            let optimal = Verdict::Optimal { cost: Cost(10), lower_bound: Cost(10) };
            assert_eq!((outcome.verdict, outcome.plan), (optimal, Some(10)));
            assert!(outcome.work["steps"] > 0);
        }
    }

    #[test]
    fn limits_end_a_race_with_what_is_known() {
        for threads in [1, 2] {
            let limits = Limits { threads, steps: Some(5), ..Limits::default() };
            let outcome = raced(&[Half::Plans], limits);
            let cost = Cost(995_000);
            let lower_bound = Some(Cost::ZERO);
            assert_eq!(outcome.verdict, Verdict::Feasible { cost, lower_bound });
            assert_eq!(outcome.stopped, Some(Stop::Steps));
            let time = Some(Duration::ZERO);
            let outcome = raced(&[Half::Bounds], Limits { threads, time, ..Limits::default() });
            assert_eq!(outcome.stopped, Some(Stop::Time));
        }
    }

    #[test]
    fn false_claims_are_not_hidden_by_the_others() {
        let limits = Limits { steps: Some(500), ..Limits::default() };
        let outcome = raced(&[Half::Plans, Half::Denies], limits);
        assert!(matches!(outcome.verdict, Verdict::Wrong(_) | Verdict::Infeasible));
        let outcome = raced(&[Half::Fails], limits);
        assert_eq!(outcome.verdict, Verdict::Failed("broken".into()));
    }
}

//! Answers that are back in time, whatever the solver is busy with.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::race::{Exchange, STACK, Seat, WAIT, report};
use crate::verdict::judged;
use crate::{Answer, Limits, Observer, Outcome, Problem, Run, Silent, Solver, Stop, judge, solve};

/// A solver that has not noticed a limit by this long after it is not waited for.
const GRACE: Duration = Duration::from_millis(150);

/// As [`solve`], but back soon after a limit of time or an interrupt, also while the solver is deep
/// inside an engine that looks at neither (HiGHS's presolve of a large program takes seconds). What
/// the solver had found by then is the answer; its thread ends at its next step. A solver with a
/// process of its own is waited for: it ends that process.
pub fn solve_in_time<P: Problem + Clone + Send + 'static>(
    problem: &P,
    solver: Box<dyn Solver<P> + Send>,
    limits: Limits<'_>,
    observer: &mut dyn Observer,
) -> Outcome<P::Plan>
where
    P::Plan: 'static,
{
    if solver.has_own_process() {
        return solve(problem, solver.as_ref(), limits, observer);
    }
    let mut run = Run::new(problem, limits, observer);
    // The solver says itself when it is done: no gap ends its run from outside.
    let (exchange, news) = Exchange::new(None, Limits { gap: -1.0, ..limits });
    let exchange = Arc::new(exchange);
    let (sender, answers) = channel();
    let (theirs, question) = (Arc::clone(&exchange), problem.clone());
    let Limits { time, steps, seed, threads, gap, interrupt: _ } = limits;
    let work = move || {
        let limits = Limits { time, steps, seed, threads, gap, interrupt: None };
        let mut silent = Silent;
        let seat = Seat { exchange: &theirs, number: 0 };
        let run = Run::seated(&question, limits, &mut silent, seat);
        // The receiver is gone where the answer came too late.
        let _ = sender.send(judged(run, solver.as_ref()));
    };
    let builder = thread::Builder::new().stack_size(STACK);
    let thread = builder.spawn(work).expect("the system has threads");
    let mut late = None;
    loop {
        match answers.recv_timeout(WAIT) {
            Ok(outcome) => {
                report(&mut run, &exchange);
                // It was told of an interrupt as of an end.
                let stopped = outcome.stopped.map(|stop| run.check().err().unwrap_or(stop));
                return Outcome { stopped, elapsed: run.elapsed(), ..outcome };
            }
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("an answer was sent"),
            },
            Err(RecvTimeoutError::Timeout) => {}
        }
        while news.try_recv().is_ok() {
            report(&mut run, &exchange);
        }
        if let Err(stop) = run.check() {
            exchange.end();
            let (since, stop) = *late.get_or_insert((run.elapsed(), stop));
            if run.elapsed() >= since + GRACE {
                return abandoned(&run, stop);
            }
        }
    }
}

/// What is known of a run whose solver is not waited for.
fn abandoned<P: Problem>(run: &Run<'_, P>, stop: Stop) -> Outcome<P::Plan> {
    let lower_bound = run.bound();
    let answer = match run.best() {
        Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound },
        None => Answer::Unknown { lower_bound },
    };
    let (verdict, plan) = judge(run.problem(), answer, run.limits().gap);
    let (elapsed, work) = (run.elapsed(), run.work().clone());
    Outcome { verdict, plan, elapsed, stopped: Some(stop), work }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::{Cost, Evaluation, SolverError, Verdict};

    #[derive(Clone)]
    struct Numbers;

    impl Problem for Numbers {
        type Plan = u64;
        type Violation = String;
        type Account = ();

        fn evaluate(&self, &plan: &u64) -> Evaluation<Self> {
            Evaluation { cost: Cost(plan), violations: Vec::new(), account: () }
        }
    }

    /// Finds a plan, and then looks at no limit for that long.
    struct Deaf(Duration);

    impl Solver<Numbers> for Deaf {
        fn solve(&self, run: &mut Run<'_, Numbers>) -> Result<Answer<u64>, SolverError> {
            run.incumbent(&7);
            run.lower_bound(Cost(3));
            thread::sleep(self.0);
            run.step()?;
            Ok(Answer::Plan { plan: 7, lower_bound: Some(Cost(7)) })
        }
    }

    /// A solver that is deaf for longer than any test lasts.
    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_deaf_solver_is_not_waited_for() {
        let known = Verdict::Feasible { cost: Cost(7), lower_bound: Some(Cost(3)) };
        let limits = Limits { time: Some(Duration::from_millis(30)), ..Limits::default() };
        let outcome = solve_in_time(&Numbers, Box::new(Deaf(LONG)), limits, &mut Silent);
        assert_eq!((outcome.verdict, outcome.stopped), (known.clone(), Some(Stop::Time)));
        let flag = AtomicBool::new(false);
        let began = Instant::now();
        let limits = Limits { interrupt: Some(&flag), ..Limits::default() };
        let outcome = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(30));
                flag.store(true, Ordering::Relaxed);
            });
            solve_in_time(&Numbers, Box::new(Deaf(LONG)), limits, &mut Silent)
        });
        assert_eq!((outcome.verdict, outcome.stopped), (known, Some(Stop::Interrupted)));
        assert!(began.elapsed() < LONG);
    }

    #[test]
    fn an_answer_in_time_is_the_solvers() {
        let deaf = Box::new(Deaf(Duration::ZERO));
        let outcome = solve_in_time(&Numbers, deaf, Limits::default(), &mut Silent);
        let optimal = Verdict::Optimal { cost: Cost(7), lower_bound: Cost(7) };
        assert_eq!((outcome.verdict, outcome.stopped), (optimal, None));
    }
}

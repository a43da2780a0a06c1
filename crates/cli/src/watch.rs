//! What a person sees while a solver thinks, and how they stop it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Limits, Observer, Outcome, Solver, gap, solve};
use indicatif::ProgressBar;

use crate::question::Question;
use crate::report::amount;
use crate::second_opinion;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C ends the solver, not the program: the best plan so far is still printed.
pub(crate) fn listen() {
    // A second handler cannot be set in tests; the default one then ends the program.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
}

/// Whether somebody pressed Ctrl-C.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Set when somebody presses Ctrl-C.
pub(crate) fn flag() -> &'static AtomicBool {
    &INTERRUPTED
}

/// The question's limits; Ctrl-C ends a run.
pub(crate) fn limits(question: &Question) -> Limits<'static> {
    Limits {
        time: Some(Duration::from_secs_f64(question.time)),
        gap: question.gap,
        seed: question.seed,
        threads: question.threads,
        interrupt: Some(&INTERRUPTED),
        ..Limits::default()
    }
}

/// Runs a solver under the question's limits, and checks what it says.
pub(crate) fn answer(
    instance: &Deployment,
    name: &str,
    solver: &dyn Solver<Deployment>,
    question: &Question,
) -> Outcome<Plan> {
    answer_within(instance, name, solver, limits(question))
}

/// Runs a solver under these limits with a progress line (on a terminal only), and checks what it
/// says.
pub(crate) fn answer_within(
    instance: &Deployment,
    name: &str,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Outcome<Plan> {
    let mut outcome = unchecked(instance, name, solver, limits);
    second_opinion::check(instance, name, &mut outcome, second_opinion::USUAL);
    outcome
}

/// Runs a solver under these limits with a progress line (on a terminal only).
pub(crate) fn unchecked(
    instance: &Deployment,
    name: &str,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Outcome<Plan> {
    let line = ProgressBar::new_spinner();
    line.enable_steady_tick(Duration::from_millis(200));
    let mut watcher = Watcher { instance, name, line, best: None, bound: None };
    watcher.show();
    let outcome = solve(instance, solver, limits, &mut watcher);
    watcher.line.finish_and_clear();
    outcome
}

/// A line that shows that something is going on until it is dropped (on a terminal only).
pub(crate) fn busy(what: &'static str) -> Busy {
    let line = ProgressBar::new_spinner().with_message(what);
    line.enable_steady_tick(Duration::from_millis(200));
    Busy(line)
}

/// Clears its line when dropped.
pub(crate) struct Busy(ProgressBar);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

struct Watcher<'a> {
    instance: &'a Deployment,
    name: &'a str,
    line: ProgressBar,
    best: Option<Cost>,
    bound: Option<Cost>,
}

impl Watcher<'_> {
    fn show(&self) {
        let show = |cost: Option<Cost>| match cost {
            Some(cost) => amount(self.instance, cost),
            None => "-".into(),
        };
        let gap = self.best.zip(self.bound).map(|(best, bound)| gap(best, bound));
        let gap = gap.map_or("-".into(), |gap| format!("{:.3} %", 100.0 * gap));
        let (best, bound) = (show(self.best), show(self.bound));
        self.line.set_message(format!("{}: incumbent {best}, bound {bound}, gap {gap}", self.name));
    }
}

impl Observer for Watcher<'_> {
    fn incumbent(&mut self, _elapsed: Duration, cost: Cost) {
        self.best = Some(cost);
        self.show();
    }

    fn lower_bound(&mut self, _elapsed: Duration, bound: Cost) {
        self.bound = Some(bound);
        self.show();
    }
}

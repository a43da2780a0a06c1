//! Progress on a terminal, and Ctrl-C.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edgeplan::{Phase, Progress};
use edgeplan_problem::deployment::Objective;
use edgeplan_problem::{Cost, Observer, gap};
use edgeplan_report::table::or_dash;
use indicatif::{ProgressBar, ProgressStyle};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What shells say of a program that Ctrl-C ended.
const INTERRUPT: i32 = 130;

/// Ctrl-C ends the solver, not the program: the best plan so far is still printed. A second one
/// ends the program; files are written whole or not at all, so nothing is left behind.
pub fn listen() {
    // A second handler cannot be set in tests; the default one then ends the program.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPT);
        }
    });
}

/// As [`listen`], but ends the program at once as long as there is nothing worth keeping.
pub fn listen_once(worth_keeping: &'static AtomicBool) {
    let _ = ctrlc::set_handler(move || {
        let kept = worth_keeping.load(Ordering::Relaxed);
        if INTERRUPTED.swap(true, Ordering::Relaxed) || !kept {
            eprintln!("interrupted; nothing is written");
            std::process::exit(INTERRUPT);
        }
    });
}

/// Ctrl-C ends the program after these last words: for work whose results are in a file already,
/// and whose single steps take too long to be waited for.
pub fn end_after(last_words: impl Fn() + Send + 'static) {
    let _ = ctrlc::set_handler(move || {
        last_words();
        std::process::exit(INTERRUPT);
    });
}

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Set by Ctrl-C.
pub fn flag() -> &'static AtomicBool {
    &INTERRUPTED
}

/// A bar that is cleared when dropped (on a terminal only).
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Deref for Bar {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.0
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar of that length; what stands beside it is a template of `indicatif`.
pub fn bar(length: u64, beside: &str) -> Bar {
    let bar = ProgressBar::new(length);
    // A template that cannot be read is no reason to end.
    if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:30}} {beside}")) {
        bar.set_style(style);
    }
    bar.tick();
    Bar(bar)
}

/// A line of progress until it is dropped (on a terminal only).
pub fn busy(what: &'static str) -> Busy {
    let line = ProgressBar::new_spinner().with_message(what);
    line.enable_steady_tick(Duration::from_millis(200));
    Busy(line)
}

/// Clears its line when dropped.
#[derive(Debug)]
pub struct Busy(ProgressBar);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One line after another that shows what is going on (on a terminal only).
#[derive(Debug, Default)]
pub struct Steps(Option<Busy>);

impl Steps {
    /// Begins a step; the line of the one before is cleared.
    pub fn begin(&mut self, what: &'static str) {
        drop(self.0.take());
        self.0 = Some(busy(what));
    }
}

/// A line that follows a solver and what comes after it (on a terminal only); cleared when dropped.
#[derive(Debug)]
pub struct Watcher {
    objective: Objective,
    solver: &'static str,
    line: ProgressBar,
    best: Option<Cost>,
    bound: Option<Cost>,
}

impl Watcher {
    /// Of a question with that objective.
    pub fn new(objective: Objective) -> Self {
        let line = ProgressBar::new_spinner();
        line.enable_steady_tick(Duration::from_millis(200));
        Self { objective, solver: "", line, best: None, bound: None }
    }

    fn show(&self) {
        let show = |cost: Option<Cost>| or_dash(cost.map(|cost| self.objective.amount(cost)));
        let gap = self.best.zip(self.bound).map(|(best, bound)| gap(best, bound));
        let gap = gap.map_or("-".into(), |gap| format!("{:.3} %", 100.0 * gap));
        let (best, bound) = (show(self.best), show(self.bound));
        let solver = self.solver;
        self.line.set_message(format!("{solver}: incumbent {best}, bound {bound}, gap {gap}"));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

impl Observer for Watcher {
    fn incumbent(&mut self, _elapsed: Duration, cost: Cost) {
        self.best = Some(cost);
        self.show();
    }

    fn lower_bound(&mut self, _elapsed: Duration, bound: Cost) {
        self.bound = Some(bound);
        self.show();
    }
}

impl Progress for Watcher {
    fn phase(&mut self, phase: Phase) {
        let what = match phase {
            Phase::Solving(solver) => {
                (self.solver, self.best, self.bound) = (solver, None, None);
                return self.show();
            }
            Phase::Seeking => "looking for the best value of the objective",
            Phase::Rederiving => "checking the bound independently",
            Phase::Diagnosing => "infeasible; searching for the smallest fix",
            Phase::AskingChanges => "solving the instance with each limit relaxed",
            Phase::Certifying => "writing the certificate",
        };
        self.line.set_message(what);
    }
}

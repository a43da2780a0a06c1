//! A solver's answer, checked before anybody sees it.

use std::time::Duration;

use edgeplan_files::deployment::PlanFile;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Contradiction, Limits, Observer, Outcome, Verdict, confirm, solve};
use edgeplan_solvers::{Effort, Entry, Opinion, find, second_opinion};

use crate::Error;

/// Who is asked, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The solver.
    pub solver: &'static Entry,
    /// Its time, gap, seed, threads, and what interrupts it.
    pub limits: Limits<'a>,
    /// Another solver answers as well, for as long again; if one denies the other, the verdict is
    /// [`Verdict::Wrong`]. Questions of a few thousand plans are always checked so.
    pub double_check: bool,
}

impl Default for Task<'_> {
    /// `chain-search`, without a limit of time, to a gap of 0.01 %.
    fn default() -> Self {
        let solver = find("chain-search").expect("it is registered");
        let limits = Limits { gap: 1e-4, ..Limits::default() };
        Self { solver, limits, double_check: false }
    }
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The least loss or the longest context is looked for.
    Seeking,
    /// A solver thinks.
    Solving(&'static str),
    /// The independent checker derives the root relaxation's bound again.
    Rederiving,
    /// An infeasible question's smallest fix is looked for.
    Diagnosing,
    /// Changed questions are asked, one after another.
    AskingChanges,
    /// A certificate's multipliers are climbed.
    Certifying,
}

/// Who is told of progress.
pub trait Progress: Observer {
    /// A phase begins.
    fn phase(&mut self, _phase: Phase) {}
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {}
impl Progress for Quiet {}

/// What a second opinion may cost unless somebody asks for more.
const USUAL: Effort = if cfg!(debug_assertions) { Effort::SMALL } else { Effort::INSTANT };

/// What a double check may take where the solver has no limit of time.
const UNLIMITED: Duration = Duration::from_secs(60);

/// Runs a solver and checks what it says: the plan is priced again and read back by name, and a
/// small question is answered a second time. What does not hold becomes [`Verdict::Wrong`].
pub fn answer(
    deployment: &Deployment,
    task: &Task<'_>,
    progress: &mut dyn Progress,
) -> (Outcome<Plan>, Option<Opinion>) {
    progress.phase(Phase::Solving(task.solver.name));
    let solver = (task.solver.make)();
    let mut outcome = solve(deployment, solver.as_ref(), task.limits, progress);
    let effort = match (task.double_check, task.limits.time) {
        (true, Some(time)) => Effort::within(time),
        (true, None) => Effort::within(UNLIMITED),
        (false, _) => USUAL,
    };
    let opinion = check(deployment, task, &mut outcome, effort);
    (outcome, opinion)
}

/// The answer, unless it is wrong: nothing is built on that.
///
/// # Errors
/// [`Error::Wrong`].
pub fn believed<P>(solver: &str, outcome: Outcome<P>) -> Result<Outcome<P>, Error> {
    match outcome.verdict {
        Verdict::Wrong(why) => Err(Error::Wrong { solver: solver.to_owned(), why }),
        _ => Ok(outcome),
    }
}

fn check(
    deployment: &Deployment,
    task: &Task<'_>,
    outcome: &mut Outcome<Plan>,
    effort: Effort,
) -> Option<Opinion> {
    confirm(deployment, outcome);
    if let Some(text) = outcome.plan.as_ref().and_then(|plan| misnamed(deployment, plan)) {
        outcome.verdict = Verdict::Wrong(Contradiction::Misnamed(text));
    }
    if task.limits.interrupted() {
        return None;
    }
    second_opinion(deployment, (task.solver.name, outcome), effort)
}

/// How the plan differs from what its file says, if it does.
fn misnamed(deployment: &Deployment, plan: &Plan) -> Option<String> {
    match PlanFile::new(deployment, plan).resolve("plan", deployment) {
        Ok(read) if read == *plan => None,
        Ok(_) => Some("another device or recipe has the same name".into()),
        Err(error) => Some(error.to_string()),
    }
}

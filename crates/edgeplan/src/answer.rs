//! A solver's answer, checked before it is returned.

use std::time::Duration;

use edgeplan_files::deployment::PlanFile;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{
    Contradiction, Limits, Observer, Outcome, Solver, Verdict, confirm, solve, solve_in_time,
};
use edgeplan_solvers::{Effort, Entry, Opinion, second_opinion, suited};

use crate::Error;

/// Which solver answers, and within which limits.
///
/// ```
/// use edgeplan::{Limits, Task};
///
/// let time = Some(std::time::Duration::from_secs(5));
/// let task = Task { limits: Limits { time, ..Task::default().limits }, ..Task::default() };
/// let session = edgeplan::Sources::default().load()?;
/// // The default suits the question.
/// assert_eq!(task.solver(session.deployment()).name, "chain-search");
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The solver; none for the one that suits the question best.
    pub solver: Option<&'static Entry>,
    /// Its time, gap, seed, threads, and what interrupts it.
    pub limits: Limits<'a>,
    /// Another solver answers as well, for as long again; if one denies the other, the verdict is
    /// [`Verdict::Wrong`]. Questions of a few thousand plans are always checked so.
    pub double_check: bool,
}

impl Default for Task<'_> {
    /// The solver that suits the question, without a limit of time, to a gap of 0.01 %.
    fn default() -> Self {
        let limits = Limits { gap: 1e-4, ..Limits::default() };
        Self { solver: None, limits, double_check: false }
    }
}

impl Task<'_> {
    /// The solver that answers a question: the one that is named, or `chain-search`, and
    /// `portfolio` where models or runs share devices.
    ///
    /// See [`Task`] for an example.
    pub fn solver(&self, deployment: &Deployment) -> &'static Entry {
        self.solver.unwrap_or_else(|| suited(deployment))
    }
}

/// A phase of an answer.
///
/// See [`Progress`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The least loss or the longest context is looked for.
    Seeking,
    /// A solver runs.
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

/// An observer of all phases of an answer.
///
/// ```
/// use edgeplan::{Phase, Progress};
///
/// #[derive(Default)]
/// struct Log(Vec<Phase>);
///
/// impl edgeplan_problem::Observer for Log {}
/// impl Progress for Log {
///     fn phase(&mut self, phase: Phase) {
///         self.0.push(phase);
///     }
/// }
///
/// let mut log = Log::default();
/// edgeplan::Sources::default().load()?.plan(&edgeplan::Task::default(), &mut log);
/// assert_eq!(log.0, [Phase::Solving("chain-search"), Phase::Rederiving]);
/// # Ok::<(), edgeplan::Error>(())
/// ```
pub trait Progress: Observer {
    /// A phase begins.
    fn phase(&mut self, _phase: Phase) {}
}

/// Progress that is not shown.
///
/// See [`Session::plan`](crate::Session::plan) for an example.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {}
impl Progress for Quiet {}

/// Effort of a second opinion that was not asked for.
const USUAL: Effort = if cfg!(debug_assertions) { Effort::SMALL } else { Effort::INSTANT };

/// What a double check may take where the solver has no limit of time.
const UNLIMITED: Duration = Duration::from_secs(60);

/// Runs a solver and checks what it says: the plan is priced again and read back by name, and a
/// small question is answered a second time. What does not hold becomes [`Verdict::Wrong`].
///
/// ```
/// use edgeplan::{Quiet, Sources, Task, answer, believed};
///
/// let session = Sources::default().load()?;
/// let (outcome, second) = answer(session.deployment(), &Task::default(), &mut Quiet);
/// // Instances of more than a few thousand plans are double-checked on request only.
/// assert!(second.is_none());
/// assert!(believed("chain-search", outcome)?.plan.is_some());
/// # Ok::<(), edgeplan::Error>(())
/// ```
pub fn answer(
    deployment: &Deployment,
    task: &Task<'_>,
    progress: &mut dyn Progress,
) -> (Outcome<Plan>, Option<Opinion>) {
    let entry = task.solver(deployment);
    progress.phase(Phase::Solving(entry.name));
    let outcome = solve_in_time(deployment, (entry.make)(), task.limits, progress);
    checked(deployment, entry.name, outcome, task)
}

/// As [`answer`], of a solver with that name, whichever solver the task names.
pub(crate) fn answer_of(
    deployment: &Deployment,
    name: &str,
    solver: &dyn Solver<Deployment>,
    task: &Task<'_>,
    progress: &mut dyn Progress,
) -> (Outcome<Plan>, Option<Opinion>) {
    let outcome = solve(deployment, solver, task.limits, progress);
    checked(deployment, name, outcome, task)
}

fn checked(
    deployment: &Deployment,
    name: &str,
    mut outcome: Outcome<Plan>,
    task: &Task<'_>,
) -> (Outcome<Plan>, Option<Opinion>) {
    let effort = match (task.double_check, task.limits.time) {
        (true, Some(time)) => Effort::within(time),
        (true, None) => Effort::within(UNLIMITED),
        (false, _) => USUAL,
    };
    let opinion = check(deployment, name, task, &mut outcome, effort);
    (outcome, opinion)
}

/// The answer, unless it is wrong: nothing is built on that.
///
/// See [`answer`](crate::answer()) for an example.
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
    name: &str,
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
    second_opinion(deployment, (name, outcome), effort)
}

/// How the plan differs from what its file says, if it does.
fn misnamed(deployment: &Deployment, plan: &Plan) -> Option<String> {
    match PlanFile::new(deployment, plan).resolve("plan", deployment) {
        Ok(read) if read == *plan => None,
        Ok(_) => Some("another device or recipe has the same name".into()),
        Err(error) => Some(error.to_string()),
    }
}

//! An external solver as one of the others.

use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Answer, Limits, Run, Silent, Solver, SolverError, Stop, solve};
use edgeplan_solvers::find;

use crate::files::{Files, Stamp};
use crate::guard::Guard;
use crate::process::Process;
use crate::{Claim, External};

const POLL: Duration = Duration::from_millis(5);
/// How often the plan is read again while it changes.
const GLANCE: Duration = Duration::from_millis(100);
/// Letters of a command that a failure shows.
const COMMAND_MAX: usize = 200;

impl Solver<Deployment> for External {
    fn has_own_process(&self) -> bool {
        true
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let problem = run.problem();
        let files =
            Files::of(problem).map_err(|error| self.failed(&format!("no folder: {error}")))?;
        if let Some(plan) = self.wants_start().then(|| quick(run)).flatten() {
            let written = files.write_start(problem, &plan);
            written.map_err(|error| self.failed(&format!("no plan to start from: {error}")))?;
        }
        let mut guard = Guard::over(files.folder())
            .map_err(|error| self.failed(&format!("no guard: /bin/sh: {error}")))?;
        let words = self.filled(&files, &run.limits(), run.remaining());
        let mut process = Process::start(&words)
            .map_err(|error| self.failed(&format!("{} does not start: {error}", words[0])))?;
        // A guard that is gone watches over nothing.
        let _ = guard.watch(process.id());
        let ending = wait(&mut process, &files, run);
        // Of a process that has ended, others of its group may still write.
        process.kill();
        match ending.map_err(|error| self.failed(&error))? {
            Ending::Alone(status) if status.success() => self.answer(&files, run, &mut process),
            Ending::Alone(status) => Err(self.ended(&status.to_string(), &mut process)),
            Ending::Interrupted => {
                glance(&files, run);
                Err(Stop::Interrupted.into())
            }
            Ending::Overdue => self.cut_off(&files, run, &mut process),
        }
    }
}

/// Whose plans the integer programs start from, and the part of the time that each may use.
const STARTS: [&str; 2] = ["chain-exact", "fastest-first"];
const START_SHARE: u32 = 10;

/// The best plan of solvers that take milliseconds. The run is not told of it: it is no answer of
/// the program that gets it.
fn quick(run: &Run<'_, Deployment>) -> Option<Plan> {
    let one = |name: &str| {
        let time = run.remaining().map(|time| time / START_SHARE);
        let limits = Limits { time, ..run.limits() };
        let outcome = solve(run.problem(), (find(name)?.make)().as_ref(), limits, &mut Silent);
        Some((outcome.cost()?, outcome.plan?))
    };
    STARTS.into_iter().filter_map(one).min_by_key(|(cost, _)| *cost).map(|(_, plan)| plan)
}

/// How a process ended.
enum Ending {
    /// By itself.
    Alone(ExitStatus),
    /// It was to be killed: its time and the grace are over.
    Overdue,
    /// It was to be killed: the run was interrupted from outside.
    Interrupted,
}

/// Waits for a process, and looks at its plan as it gets better.
fn wait(
    process: &mut Process,
    files: &Files,
    run: &mut Run<'_, Deployment>,
) -> Result<Ending, String> {
    let deadline = run.limits().time.and_then(|time| time.checked_add(External::GRACE));
    let (mut seen, mut next): (Stamp, Duration) = ([None; 2], GLANCE);
    loop {
        if process.floods() {
            return Err("killed: it wrote more than 64 MiB of output".into());
        }
        if let Some(status) = process.ended().map_err(|error| error.to_string())? {
            return Ok(Ending::Alone(status));
        }
        let elapsed = run.elapsed();
        if run.limits().interrupted() {
            return Ok(Ending::Interrupted);
        }
        if deadline.is_some_and(|deadline| elapsed >= deadline) {
            return Ok(Ending::Overdue);
        }
        if files.too_long() {
            return Err("killed: its plan or claim is longer than 64 MiB".into());
        }
        if elapsed >= next {
            next = elapsed + GLANCE;
            let stamp = files.stamp();
            if stamp != seen {
                seen = stamp;
                glance(files, run);
            }
        }
        thread::sleep(POLL);
    }
}

/// Tells the run what the files say by now: they may be half written, and then say nothing.
fn glance(files: &Files, run: &mut Run<'_, Deployment>) {
    if let Ok(Some(plan)) = files.read_plan(run.problem()) {
        run.incumbent(&plan);
    }
    if let Ok(Some(Claim { lower_bound: Some(bound), .. })) = files.read_claim() {
        run.lower_bound(bound);
    }
}

impl External {
    /// What it left behind when it ended well.
    fn answer(
        &self,
        files: &Files,
        run: &mut Run<'_, Deployment>,
        process: &mut Process,
    ) -> Result<Answer<Plan>, SolverError> {
        let unreadable = |error: edgeplan_files::InputError| self.failed(&error.to_string());
        let claim = files.read_claim().map_err(unreadable)?;
        let plan = files.read_plan(run.problem()).map_err(unreadable)?;
        let lower_bound = claim.as_ref().and_then(|claim| claim.lower_bound);
        let counts =
            claim.as_ref().map(|claim| [("nodes", claim.nodes), ("iterations", claim.iterations)]);
        for (what, count) in counts.into_iter().flatten() {
            if let Some(count) = count {
                run.count(what, count);
            }
        }
        match (plan, claim) {
            (None, None) => Err(self.ended("ended without a plan and without a claim", process)),
            (plan, Some(Claim { infeasible: true, .. })) => {
                // A plan beside it is a contradiction, which the judge names.
                plan.map(|plan| run.incumbent(&plan));
                Ok(Answer::Infeasible)
            }
            (Some(plan), _) => Ok(Answer::Plan { plan, lower_bound }),
            (None, Some(_)) => Ok(Answer::Unknown { lower_bound }),
        }
    }

    /// What it had found when it was killed at the end of its time, if anything.
    fn cut_off(
        &self,
        files: &Files,
        run: &mut Run<'_, Deployment>,
        process: &mut Process,
    ) -> Result<Answer<Plan>, SolverError> {
        glance(files, run);
        if run.best().is_some() || run.bound().is_some() {
            return Err(Stop::Time.into());
        }
        let grace = Self::GRACE.as_secs();
        Err(self
            .ended(&format!("killed {grace} s past its limit, without a feasible plan"), process))
    }

    fn ended(&self, how: &str, process: &mut Process) -> SolverError {
        let words = process.last_words();
        let words = if words.is_empty() { words } else { format!(": {words}") };
        self.failed(&format!("{how}{words}"))
    }

    fn failed(&self, problem: &str) -> SolverError {
        let command: String = self.command.chars().take(COMMAND_MAX).collect();
        SolverError::Engine(format!("`{command}`: {problem}"))
    }
}

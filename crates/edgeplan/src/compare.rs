//! Every solver on one question. Wrong answers are shown, never ranked.

use edgeplan_problem::deployment::Plan;
use edgeplan_problem::{
    Cost, Limits, Outcome, Problem, Silent, Verdict, confirm, reconcile, solve,
};
use edgeplan_report::answer::{DeploymentAnswer, ranking, reasons};
use edgeplan_solvers::{DEPLOYMENT, Entry};
use serde::Serialize;

use crate::answer::{Progress, Task, answer};
use crate::session::Session;

/// What every solver answered, best first.
///
/// See [`Session::compare`] for an example.
#[derive(Debug)]
pub struct Ranking {
    /// By cost, then time; then proofs that there is no plan; solvers that know neither are last.
    pub outcomes: Vec<(&'static str, Outcome<Plan>)>,
    /// The best lower bound of all.
    pub lower_bound: Option<Cost>,
}

impl Session {
    /// Asks every solver of the registry, and then `others`, under the task's limits, one after
    /// another, and confronts their answers: one that another's plan denies becomes
    /// [`Verdict::Wrong`].
    ///
    /// ```no_run
    /// # let session = edgeplan::Sources::default().load()?;
    /// let ranking = session.compare(&edgeplan::Task::default(), &[], &mut edgeplan::Quiet);
    /// println!("{} is the fastest to the best plan", ranking.outcomes[0].0);
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    pub fn compare(
        &self,
        task: &Task<'_>,
        others: &[&'static Entry],
        progress: &mut dyn Progress,
    ) -> Ranking {
        let one = |solver: &'static Entry| {
            answer(self.deployment(), &Task { solver: Some(solver), ..*task }, progress).0
        };
        let all = DEPLOYMENT.iter().chain(others.iter().copied());
        let outcomes = ranked(all, task.limits, one);
        let lower_bound = outcomes.iter().filter_map(|(_, o)| o.lower_bound()).max();
        Ranking { outcomes, lower_bound }
    }
}

impl Ranking {
    /// The answers for programs, under stable keys.
    ///
    /// See [`Session::compare`] for an example.
    pub fn keys(&self, session: &Session) -> impl Serialize {
        let deployment = session.deployment();
        let key = |(name, outcome): &(&str, Outcome<Plan>)| {
            DeploymentAnswer::new(deployment, name, outcome)
        };
        Ranked::new(&deployment.name, self.outcomes.iter().map(key))
    }

    /// The answers for people, as a table.
    ///
    /// See [`Session::compare`] for an example.
    pub fn text(&self, session: &Session) -> String {
        let deployment = session.deployment();
        let table = ranking(deployment, &self.outcomes, self.lower_bound);
        let text = format!("{}\n{table}\n{}", deployment.name, reasons(&self.outcomes));
        match self.outcomes.iter().any(|(_, outcome)| outcome.cost().is_some()) {
            true => text,
            false => text + "No plan was found; `edgeplan plan` says what stands in the way.",
        }
    }
}

/// Solvers' answers to one instance. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ranked<T> {
    instance: String,
    solvers: Vec<T>,
}

impl<T> Ranked<T> {
    pub(crate) fn new(instance: &str, solvers: impl Iterator<Item = T>) -> Self {
        Self { instance: instance.to_owned(), solvers: solvers.collect() }
    }
}

/// Runs a solver of any problem, and prices its plan again.
///
/// See [`schedule`](crate::schedule) for an example of what is made with it.
pub fn ask<P: Problem + 'static>(
    problem: &P,
    entry: &Entry<P>,
    limits: Limits<'_>,
) -> Outcome<P::Plan> {
    let mut outcome = solve(problem, (entry.make)().as_ref(), limits, &mut Silent);
    confirm(problem, &mut outcome);
    outcome
}

/// Asks every solver of a registry, one after another, until the run is interrupted; then confronts
/// their answers and ranks them: by cost, then time; then proofs that there is no plan;
/// answers without plan or proof are last.
///
/// See [`schedule`](crate::schedule) for an example of what is made with it.
pub fn ranked<P: Problem + 'static>(
    entries: impl IntoIterator<Item = &'static Entry<P>>,
    limits: Limits<'_>,
    mut ask: impl FnMut(&'static Entry<P>) -> Outcome<P::Plan>,
) -> Vec<(&'static str, Outcome<P::Plan>)> {
    let mut outcomes = Vec::new();
    for entry in entries.into_iter().take_while(|_| !limits.interrupted()) {
        outcomes.push((entry.name, ask(entry)));
    }
    reconcile(&mut outcomes);
    outcomes.sort_by_key(|(_, outcome)| {
        let proof = matches!(outcome.verdict, Verdict::Infeasible);
        (outcome.cost().is_none(), outcome.cost(), !proof, outcome.elapsed)
    });
    outcomes
}

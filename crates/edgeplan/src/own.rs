//! The answer of a solver that no registry has.

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Outcome, Problem as _, Solver};
use edgeplan_report::answer::DeploymentAnswer;
use edgeplan_report::bill::Bill;
use edgeplan_solvers::Opinion;
use serde::Serialize;

use crate::answer::{Progress, Task, answer_of};
use crate::opinion::OpinionKeys;
use crate::session::Session;

/// The answer of a solver that no registry has, judged as any other.
///
/// See [`Session::solve_with`] for an example.
#[derive(Debug)]
pub struct OwnAnswer<'a> {
    /// The solver's name.
    pub solver: &'a str,
    /// Plan, verdict, bound, time and work.
    pub outcome: Outcome<Plan>,
    /// Who answered the same question beside the solver, and what.
    pub second_opinion: Option<Opinion>,
}

impl Session {
    /// Asks a solver that no registry has under the task's limits; whichever solver the task names
    /// is not asked.
    ///
    /// ```
    /// use edgeplan::{Deployment, Plan, Quiet, Sources, Task};
    /// use edgeplan_problem::{Answer, Run, Solver, SolverError};
    ///
    /// /// Says what it was told.
    /// struct Parrot(Plan);
    ///
    /// impl Solver<Deployment> for Parrot {
    ///     fn solve(&self, _: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
    ///         Ok(Answer::Plan { plan: self.0.clone(), lower_bound: None })
    ///     }
    /// }
    ///
    /// let session = Sources::default().load()?;
    /// let planned = session.plan(&Task::default(), &mut Quiet);
    /// let parrot = Parrot(planned.outcome.plan.clone().expect("the example has a plan"));
    /// let answer = session.solve_with("parrot", &parrot, &Task::default(), &mut Quiet);
    /// // Without a lower bound, it is not known to be the best plan.
    /// assert_eq!(answer.outcome.verdict.word(), "feasible");
    /// assert_eq!(answer.outcome.cost(), planned.outcome.cost());
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    pub fn solve_with<'a>(
        &self,
        name: &'a str,
        solver: &dyn Solver<Deployment>,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> OwnAnswer<'a> {
        let deployment = self.deployment();
        let (outcome, second_opinion) = answer_of(deployment, name, solver, task, progress);
        OwnAnswer { solver: name, outcome, second_opinion }
    }
}

/// An answer and its plan's bill. Field names are stable keys.
#[derive(Serialize)]
struct OwnAnswerKeys {
    #[serde(flatten)]
    answer: DeploymentAnswer,
    second_opinion: Option<OpinionKeys>,
    #[serde(flatten)]
    bill: Option<Bill>,
}

impl OwnAnswer<'_> {
    /// The answer for programs, under stable keys.
    ///
    /// See [`Session::solve_with`] for an example.
    pub fn keys(&self, session: &Session) -> impl Serialize {
        let deployment = session.deployment();
        let bill = |plan| Bill::new(deployment, plan, &deployment.evaluate(plan).account);
        let opinion = self.second_opinion.as_ref();
        OwnAnswerKeys {
            answer: DeploymentAnswer::new(deployment, self.solver, &self.outcome),
            second_opinion: opinion.map(|opinion| OpinionKeys::new(deployment, opinion)),
            bill: self.outcome.plan.as_ref().map(bill),
        }
    }
}

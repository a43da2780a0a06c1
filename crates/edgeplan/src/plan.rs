//! The plan, its proof, and what people do today beside it.

use std::time::Duration;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Limits, Outcome, Silent, Verdict, solve};
use edgeplan_solvers::{Opinion, find};

use crate::answer::{Progress, Task, answer};
use crate::diagnosis::Diagnosis;
use crate::rederived::Rederived;
use crate::session::Session;

/// What people do today.
const POLICIES: [&str; 3] = ["fastest-first", "ram-proportional", "even-split"];
/// What llama.cpp does on a host of several devices; `n-cpu-moe` needs a model with experts.
const ON_HOSTS: [&str; 3] = ["llama-fit", "n-cpu-moe", "gpu-layers"];
/// A policy takes milliseconds; a huge question is not worth waiting for.
const POLICY_TIME: Duration = Duration::from_secs(2);

/// A policy that needs no solver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    /// Its name in the registry of solvers.
    pub policy: &'static str,
    /// The cost of its plan; none where it finds none.
    pub cost: Option<Cost>,
}

/// A plan with everything that is known of it.
#[derive(Debug)]
pub struct Planned {
    /// The solver.
    pub solver: &'static str,
    /// Plan, verdict, bound, time and work.
    pub outcome: Outcome<Plan>,
    /// Who answered the same question beside the solver, and what.
    pub second_opinion: Option<Opinion>,
    /// What the independent checker says of the bound; none of an answer that proves nothing.
    pub rederived: Option<Rederived>,
    /// What is in the way; of an infeasible question only.
    pub diagnosis: Option<Diagnosis>,
    /// Policies that need no solver; none without a plan.
    pub baselines: Vec<Baseline>,
}

impl Session {
    /// Finds a plan and proves how good it is.
    ///
    /// ```
    /// # let session = edgeplan::Sources::default().load()?;
    /// let planned = session.plan(&edgeplan::Task::default(), &mut edgeplan::Quiet);
    /// assert_eq!(planned.outcome.verdict.word(), "optimal");
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    pub fn plan(&self, task: &Task<'_>, progress: &mut dyn Progress) -> Planned {
        let deployment = self.deployment();
        let (mut outcome, second_opinion) = answer(deployment, task, progress);
        let rederived = Rederived::of(deployment, task, &mut outcome, progress);
        let diagnosis = (outcome.verdict == Verdict::Infeasible)
            .then(|| Diagnosis::of(deployment, task, progress));
        let baselines = if outcome.plan.is_some() { baselines(deployment) } else { Vec::new() };
        let solver = task.solver.name;
        Planned { solver, outcome, second_opinion, rederived, diagnosis, baselines }
    }
}

fn baselines(deployment: &Deployment) -> Vec<Baseline> {
    let limits = Limits { time: Some(POLICY_TIME), ..Limits::default() };
    let one = |&policy: &&'static str| {
        let solver = (find(policy)?.make)();
        if deployment.has_hosts() {
            solver.supports(deployment).ok()?;
        }
        let cost = solve(deployment, solver.as_ref(), limits, &mut Silent).cost();
        Some(Baseline { policy, cost })
    };
    let policies = if deployment.has_hosts() { &ON_HOSTS } else { &POLICIES };
    policies.iter().filter_map(one).collect()
}

//! The plan, its proof, and what people do today beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{
    Answer, Cost, Limits, Outcome, Problem as _, Silent, Verdict, judge, solve,
};
use edgeplan_report::answer::{DeploymentAnswer, headline};
use edgeplan_report::bill;
use edgeplan_report::bill::Bill;
use edgeplan_solvers::{Opinion, find};
use serde::Serialize;

use crate::Error;

use crate::answer::{Progress, Task};
use crate::cache::{CacheChoice, CacheKeys};
use crate::certificate::{CertifiedKey, bound_text};
use crate::choice::Unsure;
use crate::confidence::Confidence;
use crate::diagnosis::{Diagnosis, DiagnosisKeys};
use crate::opinion::{self, OpinionKeys};
use crate::rederived::{Rederived, RederivedKeys};
use crate::robust::{Robust, RobustKeys};
use crate::runs::{InRuns, answer_in_runs};
use crate::session::Session;
use crate::sought::{self, SoughtKeys};
use crate::summary::Summary;

/// What people do today.
const POLICIES: [&str; 3] = ["fastest-first", "ram-proportional", "even-split"];
/// What llama.cpp does on a host of several devices; `n-cpu-moe` needs a model with experts.
const ON_HOSTS: [&str; 3] = ["llama-fit", "n-cpu-moe", "gpu-layers"];
/// A policy takes milliseconds; a huge question is not worth waiting for.
const POLICY_TIME: Duration = Duration::from_secs(2);

/// A policy that needs no solver.
///
/// See [`Session::plan`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    /// Its name in the registry of solvers.
    pub policy: &'static str,
    /// The cost of its plan; none where it finds none.
    pub cost: Option<Cost>,
}

/// A plan with everything that is known of it.
///
/// See [`Session::plan`] for an example.
#[derive(Debug)]
pub struct Planned {
    /// The solver.
    pub solver: &'static str,
    /// Plan, verdict, bound, time and work.
    pub outcome: Outcome<Plan>,
    /// Who answered the same question beside the solver, and what.
    pub second_opinion: Option<Opinion>,
    /// What it costs that the engine of the question wants blocks in runs; none where it does not,
    /// or where that costs nothing.
    pub in_runs: Option<InRuns>,
    /// What the independent checker says of the bound; none of an answer that proves nothing.
    pub rederived: Option<Rederived>,
    /// What is in the way; of an infeasible question only.
    pub diagnosis: Option<Diagnosis>,
    /// Policies that need no solver; none without a plan.
    pub baselines: Vec<Baseline>,
    /// The best of them, where it may be better than the plan as far as times are known.
    pub unsure: Option<Unsure>,
    /// What is known of the plan over the bands of times, where the robust one was asked for: the
    /// outcome's plan is that one.
    pub robust: Option<Robust>,
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
        let ((mut outcome, second_opinion), in_runs) =
            answer_in_runs(deployment, self.engine(), task, progress);
        let rederived = Rederived::of(deployment, task, &mut outcome, progress);
        let diagnosis = (outcome.verdict == Verdict::Infeasible)
            .then(|| Diagnosis::of(deployment, task, progress));
        let tried = if outcome.plan.is_some() { baselines(deployment) } else { Vec::new() };
        let best = tried.iter().filter_map(|(one, plan)| Some((one, plan.as_ref()?)));
        let best = best.min_by_key(|(one, _)| one.cost);
        let unsure = best
            .zip(outcome.plan.as_ref())
            .and_then(|((one, other), plan)| Unsure::of(self.priced(), plan, one.policy, other));
        let baselines = tried.into_iter().map(|(one, _)| one).collect();
        let solver = task.solver(deployment).name;
        let robust = None;
        Planned {
            solver,
            outcome,
            second_opinion,
            in_runs,
            rederived,
            diagnosis,
            baselines,
            unsure,
            robust,
        }
    }

    /// As [`Session::plan`], with the robust plan in place of that of the predicted times
    /// ([`Session::robust`]). The bound stays that of the predicted times.
    ///
    /// ```
    /// # let session = edgeplan::Sources::default().load()?;
    /// let planned = session.plan_robust(&edgeplan::Task::default(), &mut edgeplan::Quiet)?;
    /// assert_eq!(planned.outcome.plan, planned.robust.map(|robust| robust.plan));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::robust`].
    pub fn plan_robust(
        &self,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Planned, Error> {
        let mut planned = self.plan(task, progress);
        let robust = self.robust(&planned.outcome, task, progress)?;
        let lower_bound = planned.outcome.lower_bound();
        let own = Answer::Plan { plan: robust.plan.clone(), lower_bound };
        let (verdict, plan) = judge(self.deployment(), own, task.limits.gap);
        (planned.outcome.verdict, planned.outcome.plan) = (verdict, plan);
        // It was of the other plan.
        planned.unsure = None;
        planned.robust = Some(robust);
        Ok(planned)
    }
}

/// What people do today, with the plans that it comes to.
fn baselines(deployment: &Deployment) -> Vec<(Baseline, Option<Plan>)> {
    let limits = Limits { time: Some(POLICY_TIME), ..Limits::default() };
    let one = |&policy: &&'static str| {
        let solver = (find(policy)?.make)();
        if deployment.has_hosts() {
            solver.supports(deployment).ok()?;
        }
        let outcome = solve(deployment, solver.as_ref(), limits, &mut Silent);
        let cost = outcome.cost();
        Some((Baseline { policy, cost }, outcome.plan.filter(|_| cost.is_some())))
    };
    let policies = if deployment.has_hosts() { &ON_HOSTS } else { &POLICIES };
    policies.iter().filter_map(one).collect()
}

/// A planned session. Field names are stable keys.
#[derive(Serialize)]
struct PlannedKeys {
    #[serde(flatten)]
    answer: DeploymentAnswer,
    second_opinion: Option<OpinionKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_runs: Option<InRuns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sought: Option<SoughtKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheKeys>,
    #[serde(flatten)]
    plan: Option<PlanKeys>,
    #[serde(flatten)]
    diagnosis: Option<DiagnosisKeys>,
    #[serde(flatten)]
    rederived: Option<RederivedKeys>,
    #[serde(flatten)]
    certified: Option<CertifiedKey>,
}

#[derive(Serialize)]
struct PlanKeys {
    summary: Vec<Summary>,
    #[serde(flatten)]
    bill: Bill,
    #[serde(flatten)]
    confidence: Confidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    baselines: Option<BTreeMap<&'static str, Option<Cost>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsure: Option<Unsure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    robust: Option<RobustKeys>,
}

impl Planned {
    /// The answer for programs, under stable keys. `certified` is the bound of the certificate that
    /// was asked for, or why there is none.
    ///
    /// See [`Session::plan`] for an example.
    ///
    /// # Errors
    /// As [`Session::summary`].
    pub fn keys(
        &self,
        session: &Session,
        certified: Option<&Result<Cost, String>>,
    ) -> Result<impl Serialize, Error> {
        let (deployment, outcome) = (session.deployment(), &self.outcome);
        let mut answer = DeploymentAnswer::new(deployment, self.solver, outcome);
        if let Some(diagnosis) = &self.diagnosis {
            answer.answered.reason = Some(diagnosis.sentence());
        }
        let plan = outcome.plan.as_ref().map(|plan| self.plan_keys(session, plan)).transpose()?;
        let opinion = self.second_opinion.as_ref();
        Ok(PlannedKeys {
            answer,
            second_opinion: opinion.map(|opinion| OpinionKeys::new(deployment, opinion)),
            in_runs: self.in_runs,
            sought: session.sought().map(|sought| sought.keys()),
            cache: session.cache_choice().map(CacheChoice::keys),
            plan,
            diagnosis: self.diagnosis.as_ref().map(|diagnosis| diagnosis.keys(deployment)),
            rederived: self.rederived.as_ref().map(Rederived::keys),
            certified: certified.map(CertifiedKey::new),
        })
    }

    fn plan_keys(&self, session: &Session, plan: &Plan) -> Result<PlanKeys, Error> {
        let deployment = session.deployment();
        let costs = || self.baselines.iter().map(|one| (one.policy, one.cost)).collect();
        Ok(PlanKeys {
            summary: session.summary(plan)?,
            bill: Bill::new(deployment, plan, &deployment.evaluate(plan).account),
            confidence: Confidence::of(session.priced(), plan),
            baselines: self.outcome.cost().map(|_| costs()),
            unsure: self.unsure.clone(),
            robust: self.robust.as_ref().map(Robust::keys),
        })
    }

    /// The answer for people: what the plan means for its users, the verdict, the plan's bill, and
    /// what the proof rests on. `double_checked` says that a second opinion was asked for.
    ///
    /// See [`Session::plan`] for an example.
    ///
    /// # Errors
    /// As [`Session::summary`].
    pub fn text(
        &self,
        session: &Session,
        certified: Option<&Result<Cost, String>>,
        double_checked: bool,
    ) -> Result<String, Error> {
        let (deployment, outcome) = (session.deployment(), &self.outcome);
        let mut parts = Vec::new();
        if let Some(plan) = &outcome.plan {
            parts.extend(session.sentences(plan)?);
        }
        parts.extend(sought::text(session));
        parts.extend(session.cache_choice().map(CacheChoice::text));
        parts.push(headline(deployment, self.solver, outcome));
        let in_runs = self.in_runs.zip(outcome.cost());
        parts.extend(in_runs.map(|(in_runs, cost)| in_runs.text(deployment, cost)));
        if double_checked || outcome.verdict.is_wrong() {
            let second = self.second_opinion.as_ref();
            parts.push(opinion::text(deployment, &outcome.verdict, second));
        }
        if let Some(plan) = &outcome.plan {
            parts.push(bill::text(deployment, plan, &deployment.evaluate(plan).account));
            parts.push(Confidence::of(session.priced(), plan).text());
            parts.extend(outcome.cost().map(|cost| self.baselines_text(deployment, cost)));
            parts.extend(self.unsure.as_ref().map(Unsure::text));
            parts.extend(self.robust.as_ref().map(|robust| robust.text(deployment)));
        }
        parts.extend(self.diagnosis.as_ref().map(|diagnosis| diagnosis.text(deployment)));
        let rederived = self.rederived.as_ref();
        parts.extend(rederived.map(|rederived| rederived.text(deployment, self.solver)));
        parts.extend(certified.map(|certified| match certified {
            Ok(bound) => bound_text(deployment, *bound),
            Err(reason) => format!("no certificate was written: {reason}"),
        }));
        Ok(parts.join("\n"))
    }

    /// One line: each policy's cost, and how much more than the plan's that is.
    fn baselines_text(&self, deployment: &Deployment, best: Cost) -> String {
        let one = |&Baseline { policy, cost }: &Baseline| match cost {
            None => format!("{policy} finds none"),
            Some(cost) => {
                let more = 100.0 * (cost.as_f64() / best.as_f64().max(1.0) - 1.0);
                format!("{policy} {} ({more:+.1} %)", deployment.objective.amount(cost))
            }
        };
        format!("beside it: {}", self.baselines.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

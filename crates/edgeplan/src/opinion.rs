//! The second solver's answer, for people and for programs.

use edgeplan_problem::Verdict;
use edgeplan_problem::deployment::Deployment;
use edgeplan_report::answer::CostKey;
use edgeplan_solvers::Opinion;
use serde::Serialize;

/// A second answer. Field names are stable keys.
#[derive(Serialize)]
pub(crate) struct OpinionKeys {
    solver: &'static str,
    verdict: &'static str,
    reason: Option<String>,
    #[serde(flatten)]
    cost: CostKey,
}

impl OpinionKeys {
    pub(crate) fn new(deployment: &Deployment, Opinion { by, outcome }: &Opinion) -> Self {
        Self {
            solver: by,
            verdict: outcome.verdict.word(),
            reason: outcome.verdict.reason(),
            cost: CostKey::new(deployment.objective, outcome.cost()),
        }
    }
}

/// One line: which solver agrees with the first answer, or whose claim a plan refutes.
pub(crate) fn text(deployment: &Deployment, first: &Verdict, second: Option<&Opinion>) -> String {
    let Some(Opinion { by, outcome }) = second else {
        return "second opinion: no other solver answered within the time limit".into();
    };
    let cost = outcome.cost().map(|cost| format!(" {}", deployment.objective.amount(cost)));
    let what = format!("{}{}", outcome.verdict.word(), cost.unwrap_or_default());
    match (outcome.verdict.reason(), first) {
        (Some(reason), _) => format!("second opinion: {by} is {what}: {reason}"),
        (None, Verdict::Wrong(_)) => format!("second opinion: {by} says {what}"),
        (None, _) => format!("second opinion: {by} agrees ({what})"),
    }
}

//! Every answer is checked before it is shown: its plan is priced again and read back by name, and
//! a small question is answered a second time.

use std::time::Duration;

use edgeplan_instances::instance::PlanFile;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Contradiction, Outcome, Verdict, confirm};
use edgeplan_solvers::{Effort, Opinion, second_opinion};
use serde_json::{Value, json};

use crate::report::{amount, cost_key, reason};
use crate::watch;

/// What a second opinion may cost unless somebody asks for more.
pub(crate) const USUAL: Effort =
    if cfg!(debug_assertions) { Effort::SMALL } else { Effort::INSTANT };

/// What `--double-check` may cost.
pub(crate) fn asked_for(seconds: f64) -> Effort {
    Effort::within(Duration::from_secs_f64(seconds))
}

/// Checks an outcome of that solver; what does not hold becomes the verdict `wrong`. Returns the
/// second opinion, if one was to be had for that effort.
pub(crate) fn check(
    instance: &Deployment,
    solver: &str,
    outcome: &mut Outcome<Plan>,
    effort: Effort,
) -> Option<Opinion> {
    confirm(instance, outcome);
    if let Some(text) = outcome.plan.as_ref().and_then(|plan| misnamed(instance, plan)) {
        outcome.verdict = Verdict::Wrong(Contradiction::Misnamed(text));
    }
    if watch::interrupted() {
        return None;
    }
    second_opinion(instance, (solver, outcome), effort)
}

/// How the plan differs from what its file says, if it does.
fn misnamed(instance: &Deployment, plan: &Plan) -> Option<String> {
    match PlanFile::new(instance, plan).resolve("plan", instance) {
        Ok(read) if read == *plan => None,
        Ok(_) => Some("another device or recipe has the same name".into()),
        Err(error) => Some(error.to_string()),
    }
}

/// One line for people: who agrees, or whose claim the plan denies.
pub(crate) fn text(instance: &Deployment, verdict: &Verdict, opinion: Option<&Opinion>) -> String {
    let Some(Opinion { by, outcome }) = opinion else {
        return "second opinion: no other solver answered within the time limit".into();
    };
    let cost = outcome.cost().map(|cost| format!(" {}", amount(instance, cost)));
    let what = format!("{}{}", outcome.verdict.word(), cost.unwrap_or_default());
    match (reason(&outcome.verdict), verdict) {
        (Some(reason), _) => format!("second opinion: {by} is {what}: {reason}"),
        (None, Verdict::Wrong(_)) => format!("second opinion: {by} says {what}"),
        (None, _) => format!("second opinion: {by} agrees ({what})"),
    }
}

/// The same for programs.
pub(crate) fn json(instance: &Deployment, opinion: Option<&Opinion>) -> Value {
    opinion.map_or(Value::Null, |Opinion { by, outcome }| {
        json!({
            "solver": by,
            "verdict": outcome.verdict.word(),
            "reason": reason(&outcome.verdict),
            cost_key(instance): outcome.cost(),
        })
    })
}

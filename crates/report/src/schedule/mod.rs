//! Schedules: pictures, tables and stable keys.

mod keys;
mod picture;
mod text;

use edgeplan_problem::scheduling::{Account, Plan, Scheduling};
use edgeplan_problem::{Outcome, Problem as _, Share};

pub use keys::{CheckedSchedule, RankedSchedule, ScheduleAnswer, ScheduleBill};
pub use picture::svg;
pub use text::{checked, headline, ranking, tables};

/// What an answer attains of the satisfaction that is possible.
#[derive(Debug, Clone, Copy)]
struct Attained {
    /// Of the schedule.
    satisfaction: Option<Share>,
    /// No schedule has more.
    most: Option<Share>,
    /// Relative gap between the two.
    gap: Option<f64>,
}

impl Attained {
    fn by(instance: &Scheduling, outcome: &Outcome<Plan>) -> Self {
        let satisfaction = outcome.cost().map(|cost| instance.satisfaction_of(cost));
        let most = outcome.lower_bound().map(|cost| instance.satisfaction_of(cost));
        let gap = satisfaction.zip(most).map(|(has, most)| match most {
            Share::ZERO => 0.0,
            most => most.saturating_sub(has).as_f64() / most.as_f64(),
        });
        Self { satisfaction, most, gap }
    }
}

/// Unserved requests without any candidate, even on empty servers.
fn impossible(instance: &Scheduling, account: &Account) -> usize {
    let requests = instance.requests.iter().zip(&account.requests);
    let unserved = requests.filter(|(_, served)| served.is_none());
    unserved.filter(|(request, _)| instance.candidates(request).is_empty()).count()
}

/// Users satisfied by an outcome's schedule.
fn satisfied(instance: &Scheduling, outcome: &Outcome<Plan>) -> Option<usize> {
    Some(instance.evaluate(outcome.plan.as_ref()?).account.satisfied)
}

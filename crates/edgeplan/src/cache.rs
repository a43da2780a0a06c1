//! The format of the KV cache, where a workload names several: an outer choice, because engines
//! keep one cache format for all layers. Each format is a question of its own, answered and proven
//! like any other; the best answer is kept.

use std::sync::Arc;
use std::time::Instant;

use edgeplan_problem::deployment::{Deployment, Objective};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Cost, Limits, Verdict, gap};
use serde::Serialize;

use crate::Error;
use crate::answer::{Phase, Progress, Task, answer};
use crate::session::{Inputs, Origin, Session};
use crate::sought::{Aim, Sought};

/// The format of the KV cache that was chosen, and what the others come to.
///
/// See [`Session::resolved`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheChoice {
    /// The format with the best plan.
    pub format: Format,
    /// The other ones, in the order of the workload.
    pub others: Vec<OtherCache>,
}

/// What a format of the KV cache comes to that was not chosen.
///
/// See [`Session::resolved`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCache {
    /// The format.
    pub format: Format,
    /// What its best plan is worth.
    pub worth: Worth,
    /// Whether it is proven that no plan with it is better than the one that was found, within the
    /// task's gap.
    pub excluded: bool,
}

/// What the best plan with a format is worth.
///
/// See [`Session::resolved`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// The cost of a plan, and a lower bound of that of all plans.
    Cost(Objective, Cost, Option<Cost>),
    /// What the objective looked for.
    Sought(Sought),
    /// Proven that there is no plan.
    NoPlan,
    /// No plan was found in time.
    Unknown,
    /// It cannot be used, and why.
    Refused(String),
}

/// The answer of one format: its question, resolved.
struct Tried {
    format: Format,
    session: Option<Session>,
    worth: Worth,
}

impl Session {
    /// The question with the format of the KV cache that has the best plan, where several are
    /// offered; then what its objective looks for is filled in.
    pub(crate) fn with_best_cache(
        self,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let (Origin::Built(inputs), Some(workload)) = (self.origin(), self.workload()) else {
            return Ok(self);
        };
        let formats = workload.kv.all();
        if formats.len() < 2 {
            return self.found(task, progress);
        }
        progress.phase(Phase::Seeking);
        let began = Instant::now();
        let (mut tried, mut refused) = (Vec::new(), None);
        for (index, &format) in formats.iter().enumerate() {
            // Each format may take its share of what is left.
            let left = task.limits.time.map(|time| time.saturating_sub(began.elapsed()));
            let time = left.map(|left| left / (formats.len() - index) as u32);
            let own = Task { limits: Limits { time, ..task.limits }, ..*task };
            tried.push(self.tried(inputs, format, &own, progress).unwrap_or_else(|error| {
                let worth = Worth::Refused(error.to_string());
                refused.get_or_insert(error);
                Tried { format, session: None, worth }
            }));
        }
        let best = (0..tried.len()).filter(|&index| tried[index].session.is_some());
        // Of equals the one that is named first.
        let best =
            best.min_by(|&one, &other| tried[one].worth.rank().cmp(&tried[other].worth.rank()));
        let Some(best) = best else {
            return Err(refused.unwrap_or_else(|| Error::Impossible("no cache format".into())));
        };
        let chosen = tried.remove(best);
        let others = tried.into_iter().map(|other| OtherCache {
            format: other.format,
            excluded: other.worth.is_no_better(&chosen.worth, task.limits.gap),
            worth: other.worth,
        });
        let others = others.collect();
        let Some(mut session) = chosen.session else { return Ok(self) };
        session.cache = Some(CacheChoice { format: chosen.format, others });
        Ok(session)
    }

    fn tried(
        &self,
        inputs: &Arc<Inputs>,
        format: Format,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Tried, Error> {
        let mut workload = inputs.workload.clone();
        workload.kv = format.into();
        let inputs = Inputs { workload, ..(**inputs).clone() };
        let session = Self::new(Origin::Built(Arc::new(inputs)), self.view())?;
        let session = session.found(task, progress)?;
        let worth = match session.sought() {
            Some(sought) => Worth::Sought(sought),
            None => Worth::of(session.deployment(), task),
        };
        Ok(Tried { format, session: Some(session), worth })
    }
}

impl Worth {
    fn of(deployment: &Deployment, task: &Task<'_>) -> Self {
        let (outcome, _) = answer(deployment, task, &mut crate::Quiet);
        match (&outcome.verdict, outcome.cost()) {
            (Verdict::Infeasible, _) => Self::NoPlan,
            (verdict, Some(cost)) if !verdict.is_wrong() => {
                Self::Cost(deployment.objective, cost, outcome.verdict.lower_bound())
            }
            _ => Self::Unknown,
        }
    }

    /// Less is better.
    fn rank(&self) -> (u8, u64) {
        match self {
            Self::Cost(_, cost, _) => (0, cost.0),
            Self::Sought(Sought { aim: Aim::Loss, value, .. }) => (0, *value),
            Self::Sought(Sought { aim: Aim::Context, value, .. }) => (0, u64::MAX - value),
            Self::Unknown => (1, 0),
            Self::NoPlan => (2, 0),
            Self::Refused(_) => (3, 0),
        }
    }

    /// Whether no plan of this format is better than what was found with another one.
    fn is_no_better(&self, than: &Self, gap_max: f64) -> bool {
        match (self, than) {
            (Self::NoPlan | Self::Refused(_), _) => true,
            (Self::Cost(_, _, Some(bound)), Self::Cost(_, cost, _)) => {
                gap(*cost, *bound) <= gap_max
            }
            (Self::Sought(own), Self::Sought(best)) => match own.aim {
                Aim::Loss => gap(Cost(best.value), Cost(own.bound)) <= gap_max,
                Aim::Context => own.bound <= best.value,
            },
            _ => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Cost(objective, cost, _) => objective.amount(*cost),
            Self::Sought(Sought { aim: Aim::Loss, value, .. }) => {
                format!("a loss of {:.6}", *value as f64 / 1e9)
            }
            Self::Sought(Sought { aim: Aim::Context, value, .. }) => format!("{value} tokens"),
            Self::NoPlan => "no plan".into(),
            Self::Unknown => "none found".into(),
            Self::Refused(problem) => problem.clone(),
        }
    }
}

/// The choice under stable keys.
#[derive(Serialize)]
pub(crate) struct CacheKeys {
    format: Format,
    others: Vec<OtherKeys>,
}

#[derive(Serialize)]
struct OtherKeys {
    format: Format,
    best: String,
    excluded: bool,
}

impl CacheChoice {
    pub(crate) fn keys(&self) -> CacheKeys {
        let other = |other: &OtherCache| OtherKeys {
            format: other.format,
            best: other.worth.text(),
            excluded: other.excluded,
        };
        CacheKeys { format: self.format, others: self.others.iter().map(other).collect() }
    }

    /// One line: the format, and what the others come to.
    pub(crate) fn text(&self) -> String {
        let other = |other: &OtherCache| {
            let proof = if other.excluded { "" } else { " (a better plan is not excluded)" };
            format!("{} {}{proof}", other.format, other.worth.text())
        };
        let others: Vec<String> = self.others.iter().map(other).collect();
        format!("KV cache in {}; with {}", self.format, others.join(", "))
    }
}

//! The second look at what a plan proves: the bound of the root relaxation, derived again by the
//! checker of certificates, which shares no code with any solver.
//!
//! The relaxation alone seldom proves all; the rest of a proof is the solver's enumeration, and the
//! answer says how much is which. A proof that the checker contradicts is taken back.

use std::time::{Duration, Instant};

use edgeplan_certificate::Rejected;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Contradiction, Cost, Limits, Outcome, Verdict};
use edgeplan_search::Climbing;
use serde::Serialize;

use crate::answer::{Phase, Progress, Task};
use crate::certificate::Proof;

/// Mostly it takes milliseconds; after this long the last grid that was climbed counts.
const TIME_MAX: Duration = Duration::from_secs(1);
/// The solver whose relaxation it is.
const CHAIN_SEARCH: &str = "chain-search";

/// What the checker says of an answer with a bound.
///
/// See [`Planned::text`](crate::Planned::text), which says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rederived {
    /// The bound that the relaxation alone proves, [`Cost::MAX`] where it shows that there is no
    /// plan; or why none was derived.
    pub derived: Result<Cost, String>,
    /// The bound that the answer carries; [`Cost::MAX`] where it says that there is no plan.
    pub claimed: Cost,
    /// Why the answer's proof was taken back.
    pub withdrawn: Option<String>,
    /// What that took.
    pub elapsed: Duration,
}

impl Rederived {
    /// Derives a bound again; none for an answer that proves nothing. A verdict that the checker
    /// contradicts is replaced: by [`Verdict::Wrong`] where a bound is above the plan, by the bound
    /// that holds where chain-search's own relaxation shows less than its tables say.
    pub(crate) fn of(
        deployment: &Deployment,
        task: &Task<'_>,
        outcome: &mut Outcome<Plan>,
        progress: &mut dyn Progress,
    ) -> Option<Self> {
        if task.limits.interrupted() {
            return None;
        }
        let (claimed, cost) = match outcome.verdict {
            Verdict::Infeasible => (Cost::MAX, None),
            _ => (outcome.lower_bound()?, Some(outcome.cost()?)),
        };
        let started = Instant::now();
        let mut rederived =
            Self { derived: Ok(Cost::ZERO), claimed, withdrawn: None, elapsed: Duration::ZERO };
        progress.phase(Phase::Rederiving);
        let limits = Limits { time: Some(time(task.limits)), ..task.limits };
        let proof = Proof::of(deployment, limits, Climbing::Brief(cost), cost);
        rederived.derived = proof.and_then(|proof| {
            derive(proof, deployment, cost).or_else(|refusal| {
                let (verdict, derived) = settled(&refusal, cost, task.solver(deployment).name);
                if let Some(verdict) = verdict {
                    rederived.withdrawn = Some(refusal.to_string());
                    outcome.verdict = verdict;
                }
                derived
            })
        });
        if rederived.derived == Ok(Cost::ZERO) && claimed > Cost::ZERO {
            rederived.derived =
                Err("the checker's relaxation shows nothing in so short a time".into());
        }
        Some(Self { elapsed: started.elapsed(), ..rederived })
    }

    /// How much of the proof rests on the solver alone, in a line.
    ///
    /// See [`Planned::text`](crate::Planned::text), which says it.
    pub fn text(&self, deployment: &Deployment, solver: &str) -> String {
        let text = match &self.derived {
            Err(reason) => format!("the proof rests on {solver} alone: {reason}"),
            Ok(Cost::MAX) => "derived again by the independent checker: there is no plan".into(),
            Ok(bound) => {
                let amount = deployment.objective.amount(*bound);
                let rest = match *bound >= self.claimed {
                    true => "the whole bound".into(),
                    false => format!("the rest of the bound rests on {solver}"),
                };
                format!(
                    "derived again by the independent checker: no plan is below {amount} ({rest})"
                )
            }
        };
        let withdrawn = self.withdrawn.iter().map(|why| format!("\nproof withdrawn: {why}"));
        std::iter::once(text).chain(withdrawn).collect()
    }

    /// The keys `rederived_...` and `proof_withdrawn`.
    pub(crate) fn keys(&self) -> RederivedKeys {
        RederivedKeys {
            rederived_lower_bound: self.derived.clone().ok().filter(|&bound| bound < Cost::MAX),
            rederived_infeasible: self.derived == Ok(Cost::MAX),
            rederived_missing: self.derived.clone().err(),
            rederived_elapsed_s: self.elapsed.as_secs_f64(),
            proof_withdrawn: self.withdrawn.clone(),
        }
    }
}

/// What the checker says of a bound. Field names are stable keys.
#[derive(Serialize)]
pub(crate) struct RederivedKeys {
    rederived_lower_bound: Option<Cost>,
    rederived_infeasible: bool,
    rederived_missing: Option<String>,
    rederived_elapsed_s: f64,
    proof_withdrawn: Option<String>,
}

/// How long a climb may take.
fn time(limits: Limits<'_>) -> Duration {
    limits.time.map_or(TIME_MAX, |time| time.min(TIME_MAX))
}

/// The bound that the root relaxation proves by itself. What prices of configurations lack of their
/// claim is the rest of the proof; what tables of paths lack was claimed falsely.
fn derive(proof: Proof, deployment: &Deployment, cost: Option<Cost>) -> Result<Cost, Rejected> {
    match proof {
        Proof::Paths(_) => proof.check(deployment, cost),
        Proof::Hosts(_) | Proof::Configurations(_) => {
            proof.proven(deployment, cost).map(|(_, bound)| bound)
        }
    }
}

/// The verdict that replaces one which the checker contradicts, and what is left of the bound.
fn settled(
    refusal: &Rejected,
    plan: Option<Cost>,
    solver: &str,
) -> (Option<Verdict>, Result<Cost, String>) {
    match *refusal {
        Rejected::AbovePlan { bound, cost } => {
            let by = "its own plan".into();
            let wrong = Verdict::Wrong(Contradiction::BoundAboveCost { bound, cost, by });
            (Some(wrong), Err(refusal.to_string()))
        }
        Rejected::Unproven { proven, .. } => {
            let lower_bound = Some(proven);
            let left = match plan {
                Some(cost) => Verdict::Feasible { cost, lower_bound },
                None => Verdict::Unknown { lower_bound },
            };
            // The tables of chain-search say nothing of the bounds of other engines.
            ((solver == CHAIN_SEARCH).then_some(left), Ok(proven))
        }
        Rejected::Unsupported(_)
        | Rejected::Instance(_)
        | Rejected::Malformed(_)
        | Rejected::TooLarge { .. } => (None, Err(refusal.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_above_the_plan_is_wrong_whichever_solver_proved_it() {
        let refusal = Rejected::AbovePlan { bound: Cost(9), cost: Cost(8) };
        for solver in [CHAIN_SEARCH, "highs"] {
            let (verdict, derived) = settled(&refusal, Some(Cost(8)), solver);
            assert!(matches!(verdict, Some(Verdict::Wrong(_))), "{verdict:?}");
            assert!(derived.is_err());
        }
    }

    #[test]
    fn tables_that_show_too_much_cost_their_solver_its_proof() {
        let refusal = Rejected::Unproven { claimed: Cost(8), proven: Cost(5) };
        let (verdict, derived) = settled(&refusal, Some(Cost(8)), CHAIN_SEARCH);
        let lower_bound = Some(Cost(5));
        assert_eq!(verdict, Some(Verdict::Feasible { cost: Cost(8), lower_bound }));
        assert_eq!(derived, Ok(Cost(5)));
        let (verdict, _) = settled(&refusal, None, CHAIN_SEARCH);
        assert_eq!(verdict, Some(Verdict::Unknown { lower_bound }));
        assert_eq!(settled(&refusal, Some(Cost(8)), "highs"), (None, Ok(Cost(5))));
    }
}

//! Verdicts are derived, not claimed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Answer, Cost, Limits, Observer, Problem, Run, Silent, Solver, SolverError, Stop, Unsupported,
};

/// What is true of an answer, after its plan was evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The plan is feasible and within the asked gap of a lower bound.
    Optimal {
        /// The plan's cost.
        cost: Cost,
        /// The bound that proves it.
        lower_bound: Cost,
    },
    /// The plan is feasible; the bound, if any, leaves a gap.
    Feasible {
        /// The plan's cost.
        cost: Cost,
        /// The best bound, if there is one.
        lower_bound: Option<Cost>,
    },
    /// The solver proved that there is no plan.
    Infeasible,
    /// No plan was found.
    Unknown {
        /// The best bound, if there is one.
        lower_bound: Option<Cost>,
    },
    /// The answer contradicts itself or another one. Shown, never ranked.
    Wrong(Contradiction),
    /// The solver does not take this question.
    Unsupported(Unsupported),
    /// The solver or its engine failed.
    Failed(String),
}

impl Verdict {
    /// Whether the answer contradicts itself or another one.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong(_))
    }

    /// Cost of the feasible plan, if there is one that may be ranked.
    pub fn cost(&self) -> Option<Cost> {
        match *self {
            Self::Optimal { cost, .. } | Self::Feasible { cost, .. } => Some(cost),
            _ => None,
        }
    }

    /// The lower bound, if there is one that may be believed.
    pub fn lower_bound(&self) -> Option<Cost> {
        match *self {
            Self::Optimal { lower_bound, .. } => Some(lower_bound),
            Self::Feasible { lower_bound, .. } | Self::Unknown { lower_bound } => lower_bound,
            _ => None,
        }
    }

    /// `optimal`, `feasible`, `infeasible`, `unknown`, `wrong`, `unsupported` or `failed`: the
    /// words of tables and files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Optimal { .. } => "optimal",
            Self::Feasible { .. } => "feasible",
            Self::Infeasible => "infeasible",
            Self::Unknown { .. } => "unknown",
            Self::Wrong(_) => "wrong",
            Self::Unsupported(_) => "unsupported",
            Self::Failed(_) => "failed",
        }
    }

    /// Why the answer is wrong, unsupported or failed; none of any other verdict.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Wrong(contradiction) => Some(contradiction.to_string()),
            Self::Unsupported(reason) => Some(reason.to_string()),
            Self::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    }
}

/// Why an answer is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contradiction {
    /// The returned plan breaks constraints.
    #[error("the returned plan is infeasible: {0}")]
    InfeasiblePlan(String),
    /// The claimed bound is above the cost of a feasible plan.
    #[error("claims that no plan costs less than {bound}, but {by} has one for {cost}")]
    BoundAboveCost {
        /// The claimed bound.
        bound: Cost,
        /// The cost of a feasible plan.
        cost: Cost,
        /// Whose plan that is.
        by: String,
    },
    /// The plan, read back by the names that a file gives it, is another one.
    #[error("the plan's names do not mean the plan: {0}")]
    Misnamed(String),
    /// There is a cost and no plan.
    #[error("claims a plan for {cost} and shows none")]
    NoPlan {
        /// The claimed cost.
        cost: Cost,
    },
    /// The plan's cost is not the claimed one.
    #[error("{}, its plan costs {cost}", claim(*.claimed))]
    OtherCost {
        /// The claimed cost, if there is one.
        claimed: Option<Cost>,
        /// The plan's cost.
        cost: Cost,
    },
    /// It claims that no plan exists.
    #[error("claims that there is no plan, but {by} has one for {cost}")]
    NotInfeasible {
        /// The cost of a feasible plan.
        cost: Cost,
        /// Whose plan that is.
        by: String,
    },
    /// As a record says it: of a contradiction that was found earlier, the words are left.
    #[error("{0}")]
    Recorded(String),
}

/// A claimed cost, in words.
fn claim(cost: Option<Cost>) -> String {
    cost.map_or("claims no cost".into(), |cost| format!("claims a cost of {cost}"))
}

/// A solver's run, judged.
#[derive(Debug, Clone)]
pub struct Outcome<Plan> {
    /// What is true of the answer.
    pub verdict: Verdict,
    /// The plan, if it is feasible.
    pub plan: Option<Plan>,
    /// Wall-clock time of the run.
    pub elapsed: Duration,
    /// The limit that ended the run, if one did.
    pub stopped: Option<Stop>,
    /// Counted work.
    pub work: BTreeMap<&'static str, u64>,
}

impl<Plan> Outcome<Plan> {
    /// Cost of the feasible plan, if there is one that may be ranked.
    pub fn cost(&self) -> Option<Cost> {
        self.verdict.cost()
    }

    /// The lower bound, if there is one that may be believed.
    pub fn lower_bound(&self) -> Option<Cost> {
        self.verdict.lower_bound()
    }
}

/// Relative gap between a plan's cost and a lower bound: 0 when they meet.
pub fn gap(cost: Cost, bound: Cost) -> f64 {
    if cost <= bound { 0.0 } else { (cost.0 - bound.0) as f64 / cost.as_f64() }
}

/// Runs a solver and judges its answer. Solvers are called here, and in races of several.
pub fn solve<P: Problem>(
    problem: &P,
    solver: &dyn Solver<P>,
    limits: Limits<'_>,
    observer: &mut dyn Observer,
) -> Outcome<P::Plan> {
    judged(Run::new(problem, limits, observer), solver)
}

/// Ends a run with a solver's answer, judged.
pub(crate) fn judged<P: Problem>(mut run: Run<'_, P>, solver: &dyn Solver<P>) -> Outcome<P::Plan> {
    let (problem, limits) = (run.problem(), run.limits());
    if let Err(reason) = solver.supports(problem) {
        return Outcome {
            verdict: Verdict::Unsupported(reason),
            plan: None,
            elapsed: Duration::ZERO,
            stopped: None,
            work: BTreeMap::new(),
        };
    }
    let answer = solver.solve(&mut run);
    let elapsed = run.elapsed();
    let stopped = match &answer {
        Err(SolverError::Stopped(stop)) => Some(*stop),
        _ => run.check().err(),
    };
    let (verdict, plan) = match answer {
        // The plan that the engine started from is not its answer.
        Err(SolverError::Engine(message)) => (Verdict::Failed(message), None),
        Err(SolverError::Stopped(_)) => judge(problem, best_of(&run, None, None), limits.gap),
        Ok(Answer::Plan { plan, lower_bound }) => {
            judge(problem, best_of(&run, Some(plan), lower_bound), limits.gap)
        }
        Ok(Answer::Unknown { lower_bound }) => {
            judge(problem, best_of(&run, None, lower_bound), limits.gap)
        }
        Ok(Answer::Infeasible) => match run.best() {
            Some(&(_, cost)) => {
                let by = "its own incumbent".into();
                (Verdict::Wrong(Contradiction::NotInfeasible { cost, by }), None)
            }
            None => judge(problem, Answer::Infeasible, limits.gap),
        },
    };
    Outcome { verdict, plan, elapsed, stopped, work: run.work().clone() }
}

impl<P: Problem> Run<'_, P> {
    /// Offers the plans of quick solvers, each of which may use a part of the time: `1 / share`.
    pub fn start_from(&mut self, solvers: &[Box<dyn Solver<P> + Send>], share: u32) {
        for solver in solvers {
            let time = self.remaining().map(|time| time / share);
            let limits = Limits { time, ..self.limits() };
            if let Some(plan) = solve(self.problem(), solver.as_ref(), limits, &mut Silent).plan {
                self.incumbent(&plan);
            }
        }
    }
}

/// Joins what a solver returned with what it reported on the way: the better plan, the larger
/// bound. A returned plan that is infeasible is kept, so that it is judged and not hidden.
fn best_of<P: Problem>(
    run: &Run<'_, P>,
    plan: Option<P::Plan>,
    lower_bound: Option<Cost>,
) -> Answer<P::Plan> {
    let lower_bound = lower_bound.max(run.bound());
    let better = |plan: &P::Plan| {
        let evaluation = run.problem().evaluate(plan);
        run.best().is_some_and(|&(_, best)| evaluation.is_feasible() && best < evaluation.cost)
    };
    match (plan, run.best()) {
        (Some(plan), _) if !better(&plan) => Answer::Plan { plan, lower_bound },
        (_, Some((best, _))) => Answer::Plan { plan: best.clone(), lower_bound },
        (_, None) => Answer::Unknown { lower_bound },
    }
}

/// Derives the verdict of one answer; `gap_max` is the relative gap that counts as proven.
/// Returns the plan only if it is feasible.
pub fn judge<P: Problem>(
    problem: &P,
    answer: Answer<P::Plan>,
    gap_max: f64,
) -> (Verdict, Option<P::Plan>) {
    match answer {
        Answer::Infeasible => (Verdict::Infeasible, None),
        Answer::Unknown { lower_bound } => (Verdict::Unknown { lower_bound }, None),
        Answer::Plan { plan, lower_bound } => {
            let evaluation = problem.evaluate(&plan);
            if let Some(violation) = evaluation.violations.first() {
                let reason = Contradiction::InfeasiblePlan(violation.to_string());
                return (Verdict::Wrong(reason), None);
            }
            let cost = evaluation.cost;
            let verdict = match lower_bound {
                Some(bound) if bound > cost => Verdict::Wrong(Contradiction::BoundAboveCost {
                    bound,
                    cost,
                    by: "its own plan".into(),
                }),
                Some(bound) if gap(cost, bound) <= gap_max => {
                    Verdict::Optimal { cost, lower_bound: bound }
                }
                _ => Verdict::Feasible { cost, lower_bound },
            };
            (verdict, Some(plan))
        }
    }
}

/// Confronts the outcomes of several solvers on one question: a bound above the cost of another's
/// feasible plan, or a claim of infeasibility beside one, becomes [`Verdict::Wrong`].
pub fn reconcile<Plan>(outcomes: &mut [(&str, Outcome<Plan>)]) {
    reconcile_verdicts(outcomes.iter_mut().map(|(name, outcome)| (*name, &mut outcome.verdict)));
}

/// [`reconcile`] where nothing but the verdicts is at hand, such as those of records, each with the
/// name of its solver.
pub fn reconcile_verdicts<'a>(verdicts: impl IntoIterator<Item = (&'a str, &'a mut Verdict)>) {
    let mut verdicts: Vec<(&str, &mut Verdict)> = verdicts.into_iter().collect();
    let plans = verdicts.iter().filter_map(|(name, verdict)| Some((verdict.cost()?, *name)));
    let Some((cost, by)) = plans.min() else { return };
    for (_, verdict) in &mut verdicts {
        let by = by.to_owned();
        let contradiction = match **verdict {
            Verdict::Infeasible => Contradiction::NotInfeasible { cost, by },
            _ => match verdict.lower_bound() {
                Some(bound) if bound > cost => Contradiction::BoundAboveCost { bound, cost, by },
                _ => continue,
            },
        };
        **verdict = Verdict::Wrong(contradiction);
    }
}

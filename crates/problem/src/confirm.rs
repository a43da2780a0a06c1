//! An answer is checked once more, right before it is shown.

use crate::{Contradiction, Outcome, Problem, Verdict};

/// Prices the plan again and holds it against the verdict: the plan must be feasible, cost what
/// the verdict says, and not be below the bound; a verdict without a cost must have no plan. What
/// does not hold becomes [`Verdict::Wrong`]. Costs one evaluation.
///
/// [`solve`](crate::solve) makes only outcomes that hold. This is for answers that
/// were stored or sent since.
pub fn confirm<P: Problem>(problem: &P, outcome: &mut Outcome<P::Plan>) {
    if let Some(contradiction) = contradiction(problem, outcome) {
        if matches!(contradiction, Contradiction::InfeasiblePlan(_)) {
            outcome.plan = None;
        }
        outcome.verdict = Verdict::Wrong(contradiction);
    }
}

fn contradiction<P: Problem>(problem: &P, outcome: &Outcome<P::Plan>) -> Option<Contradiction> {
    let claimed = outcome.cost();
    let Some(plan) = &outcome.plan else {
        return claimed.map(|cost| Contradiction::NoPlan { cost });
    };
    let evaluation = problem.evaluate(plan);
    if let Some(violation) = evaluation.violations.first() {
        return Some(Contradiction::InfeasiblePlan(violation.to_string()));
    }
    let cost = evaluation.cost;
    let by = || "its own plan".to_owned();
    match outcome.verdict {
        Verdict::Wrong(_) => None,
        Verdict::Infeasible => Some(Contradiction::NotInfeasible { cost, by: by() }),
        _ if claimed != Some(cost) => Some(Contradiction::OtherCost { claimed, cost }),
        _ => match outcome.lower_bound() {
            Some(bound) if bound > cost => {
                Some(Contradiction::BoundAboveCost { bound, cost, by: by() })
            }
            _ => None,
        },
    }
}

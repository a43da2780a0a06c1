//! A second opinion: a question that is small enough is answered again by a method that has
//! nothing in common with the first, and the two answers are confronted.

use std::time::Duration;

use edgeplan_dp::ChainExact;
use edgeplan_ilp::Ilp;
use edgeplan_mip::Highs;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Limits, Outcome, Silent, Solver, Verdict, reconcile, solve};
use edgeplan_search::ChainSearch;

use crate::enumeration::Enumeration;

/// What a second opinion may cost. Whatever would cost more is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Most plans that are tried one after another; about a microsecond each.
    pub plans_max: u64,
    /// Most states of the count-vector program; about ten nanoseconds each per mix of formats.
    pub states_max: usize,
    /// Most coefficients of the integer program.
    pub nonzeros_max: usize,
    /// Most time.
    pub time: Duration,
}

impl Effort {
    /// Milliseconds: what every answer gets.
    pub const INSTANT: Self =
        Self { plans_max: 5_000, states_max: 0, nonzeros_max: 0, time: Duration::from_millis(100) };
    /// A second at most: what debug builds and tests ask for.
    pub const SMALL: Self = Self {
        plans_max: 20_000,
        states_max: 100_000,
        nonzeros_max: 5_000,
        time: Duration::from_secs(1),
    };

    /// Whatever can be had in that time.
    pub fn within(time: Duration) -> Self {
        Self { plans_max: 1_000_000, states_max: 20_000_000, nonzeros_max: 3_000_000, time }
    }
}

/// A second answer, after it was confronted with the first.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// Whose answer it is.
    pub by: &'static str,
    /// The answer. It is [`Verdict::Wrong`] where the first one's plan denies it.
    pub outcome: Outcome<Plan>,
}

/// Asks for a second answer where `asked` claims what a plan alone does not show: a
/// bound, or that there is no plan. The first of these that the effort allows is asked: every plan
/// in turn, the count-vector program, the integer program on HiGHS (chain-search where the first
/// answer came from that program). If one answer has a feasible plan that the other's claim
/// excludes, the claim becomes [`Verdict::Wrong`], which names both. `None` if no solver was asked.
pub fn second_opinion(
    problem: &Deployment,
    asked: (&str, &mut Outcome<Plan>),
    effort: Effort,
) -> Option<Opinion> {
    let (name, outcome) = asked;
    if outcome.lower_bound().is_none() && outcome.verdict != Verdict::Infeasible {
        return None;
    }
    let (by, second) = another(problem, name, effort)?;
    let mut both = [(name, outcome.clone()), (by, second)];
    reconcile(&mut both);
    let [(_, first), (_, second)] = both;
    *outcome = first;
    Some(Opinion { by, outcome: second })
}

/// The first answer that may count: of a solver that takes the question, with a plan or a proof.
fn another(
    problem: &Deployment,
    asked: &str,
    effort: Effort,
) -> Option<(&'static str, Outcome<Plan>)> {
    let Effort { plans_max, states_max, nonzeros_max, time } = effort;
    let limits = Limits { time: Some(time), ..Limits::default() };
    let enumeration: Box<dyn Solver<Deployment>> = Box::new(Enumeration { plans_max });
    let program: Box<dyn Solver<Deployment>> =
        Box::new(ChainExact { states_max, ..ChainExact::default() });
    let engine: (&str, Box<dyn Solver<Deployment>>) = match asked {
        "highs" | "cbc" | "lp-rounding" => ("chain-search", Box::new(ChainSearch::default())),
        _ => ("highs", Box::new(Ilp { nonzeros_max, ..Ilp::new(Highs) })),
    };
    let engine = (nonzeros_max > 0).then_some(engine);
    let others = [("enumeration", enumeration), ("chain-exact", program)];
    let others = others.into_iter().filter(|(by, _)| *by != asked).chain(engine);
    others.map(|(by, solver)| (by, solve(problem, solver.as_ref(), limits, &mut Silent))).find(
        |(_, outcome)| matches!(outcome.verdict, Verdict::Optimal { .. } | Verdict::Infeasible),
    )
}

//! What a search is for, and which bounds and plans matter to that.

use edgeplan_problem::deployment::{Deployment, Objective};
use edgeplan_problem::{Cost, Run};

use crate::chain::Chain;

/// What rounding in floating point may add to a bound, in scaled units: products of prices are not
/// exact, sums are. Nothing is cut off, and no bound believed, by less than this.
const SLACK: f64 = 64.0;

/// Scaled cost above which plans do not matter, and a little: they are no better than the
/// incumbent, by more than the asked gap; or every request takes too long. [`f64::MAX`] where
/// neither is known.
pub(crate) fn cutoff(run: &Run<'_, Deployment>, scale: f64) -> f64 {
    let instance = run.problem();
    match (run.best(), instance.objective, instance.latency_max) {
        (Some((_, cost)), ..) => {
            let enough = (cost.as_f64() * (1.0 - run.limits().gap) * scale).floor();
            enough.min((cost.as_f64() - 1.0) * scale) + SLACK
        }
        (None, Objective::Latency, Some(limit)) => {
            let weights = instance.models.iter().map(|model| f64::from(model.weight));
            limit.as_f64() * weights.sum::<f64>() * scale + SLACK
        }
        _ => f64::MAX,
    }
}

/// A scaled bound as a cost.
pub(crate) fn unscaled(bound: f64, scale: f64) -> Cost {
    match bound - SLACK {
        bound if bound <= 0.0 => Cost::ZERO,
        bound if bound >= f64::MAX => Cost::MAX,
        bound => Cost((bound / scale).ceil() as u64),
    }
}

/// What is proven once every plan within a scaled cost is known; [`Cost::MAX`] if there is none.
pub(crate) fn beyond(run: &Run<'_, Deployment>, cutoff: f64, scale: f64) -> Cost {
    match run.best() {
        Some((_, cost)) => unscaled(cutoff + 1.0, scale).min(*cost),
        None => Cost::MAX,
    }
}

/// What a search is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// The cheapest plan; whether bounds are of the whole instance and may be reported.
    Cheapest { reports: bool },
    /// A part of a larger question: what of its plans costs at most that, scaled.
    Part { limit: f64 },
    /// Any plan whose bottleneck is at most `cycle`, of at most that cost.
    AnyWithin { cycle: u64, cost_max: Option<u64> },
}

impl Goal {
    /// The goal of a part: its bounds are not the whole's.
    pub(crate) fn of_a_part(self) -> Self {
        match self {
            Self::Cheapest { .. } => Self::Cheapest { reports: false },
            other => other,
        }
    }

    /// Whether what was looked for is found.
    pub(crate) fn is_reached(self, run: &Run<'_, Deployment>) -> bool {
        match self {
            Self::Cheapest { .. } | Self::Part { .. } => false,
            Self::AnyWithin { cycle, .. } => run.best().is_some_and(|(_, cost)| cost.0 <= cycle),
        }
    }

    /// Scaled cost above which plans of a chain do not matter: they are no better than the
    /// incumbent, by more than the asked gap; or they break a limit on the cost itself.
    pub(crate) fn cutoff(self, run: &Run<'_, Deployment>, chain: &Chain) -> f64 {
        match self {
            Self::AnyWithin { cost_max, .. } => {
                cost_max.map_or(chain.cost_max, |max| max as f64 * chain.scale) + SLACK
            }
            Self::Part { limit } => limit,
            Self::Cheapest { .. } => cutoff(run, chain.scale).min(chain.cost_max + SLACK),
        }
    }

    /// What is proven once every plan within the cutoff is known.
    pub(crate) fn beyond(self, run: &Run<'_, Deployment>, chain: &Chain) -> Cost {
        match self {
            Self::Cheapest { .. } => beyond(run, self.cutoff(run, chain), chain.scale),
            Self::Part { .. } | Self::AnyWithin { .. } => Cost::MAX,
        }
    }

    /// Reports a bound, where it is the whole instance's.
    pub(crate) fn report(self, run: &mut Run<'_, Deployment>, bound: Cost) {
        if matches!(self, Self::Cheapest { reports: true }) && bound < Cost::MAX {
            run.lower_bound(bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::{Limits, Nanos, Silent};

    use super::*;
    use crate::chain::tests::question;

    #[test]
    fn a_scaled_bound_is_never_more_than_a_cost() {
        for scale in [1.0, 64.0, 1024.0, (1u64 << 40) as f64] {
            for cost in [0u64, 1, 2, 1_000] {
                let bound = unscaled(cost as f64 * scale, scale);
                assert!(bound.0 <= cost && bound.0 + 64 >= cost, "{cost} at {scale}: {bound}");
                assert!(scale < 1_000.0 || bound.0 == cost, "{cost} at {scale}: {bound}");
            }
        }
        assert_eq!(unscaled(f64::INFINITY, 1.0), Cost::MAX);
        assert_eq!(unscaled(f64::NEG_INFINITY, 1.0), Cost::ZERO);
        assert_eq!(unscaled(f64::MAX, 8.0), Cost::MAX);
    }

    #[test]
    fn without_a_plan_only_a_limit_on_the_objective_limits() {
        let mut question = question(&[0], &[(0, 1)]);
        let known = |question: &Deployment| {
            let mut observer = Silent;
            cutoff(&Run::new(question, Limits::default(), &mut observer), 2.0)
        };
        assert_eq!(known(&question), f64::MAX);
        question.latency_max = Some(Nanos(10));
        assert_eq!(known(&question), 20.0 + SLACK);
        question.latency_max = Some(Nanos::MAX);
        assert!(known(&question) > 1e18);
    }

    #[test]
    fn only_plans_that_are_better_by_the_gap_matter() {
        let question = question(&[9, 9], &[(0, 600), (0, 400)]);
        let mut observer = Silent;
        let limits = Limits { gap: 0.01, ..Limits::default() };
        let mut run = Run::new(&question, limits, &mut observer);
        let (cost, plan) = question.brute_force().expect("there is a plan");
        assert_eq!(run.incumbent(&plan), Some(cost));
        assert_eq!(cutoff(&run, 1.0), 990.0 + SLACK);
        // Once all of these are known, no plan is below what remains of the gap.
        let scale = 1024.0;
        assert_eq!(beyond(&run, cutoff(&run, scale), scale), Cost(991));
    }
}

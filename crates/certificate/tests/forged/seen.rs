//! Claims held against the truth.

use edgeplan_certificate::Rejected;
use edgeplan_problem::Cost;

/// How often what happened.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) forged: u64,
    /// Certificates that prove a bound, if only 0.
    pub(super) accepted: u64,
    /// Proven bounds above 0, where there is a plan.
    pub(super) positive: u64,
    /// Proven bounds of all that is true.
    pub(super) tight: u64,
    /// Proofs that there is no plan.
    pub(super) infeasible: u64,
}

impl Seen {
    /// Holds a certificate's claims against the cost of the best plan; `check` takes a claim and
    /// the cost of a known plan.
    pub(super) fn forge(
        &mut self,
        seed: u64,
        truth: Option<Cost>,
        check: &dyn Fn(Cost, Option<Cost>) -> Result<Cost, Rejected>,
    ) {
        self.forged += 1;
        let proven = match check(Cost::ZERO, truth) {
            Ok(proven) => proven,
            Err(Rejected::Malformed(_) | Rejected::TooLarge { .. }) => return,
            Err(other) => panic!("seed {seed}: {other:?}"),
        };
        self.accepted += 1;
        let Some(cost) = truth else {
            self.infeasible += u64::from(check(Cost::MAX, None) == Ok(Cost::MAX));
            return;
        };
        assert!(proven <= cost, "seed {seed}: {proven} of {cost}");
        // Also by a checker that is not told of the plan.
        for claim in [cost.0 + 1, cost.0 + (cost.0 / 8).max(2), u64::MAX] {
            let refused = check(Cost(claim), None);
            assert!(refused.is_err(), "seed {seed}: {refused:?} of {cost}");
        }
        let whole = check(cost, None);
        assert!(whole.as_ref().is_ok_and(|bound| *bound == cost) || whole.is_err(), "seed {seed}");
        let half = check(Cost(cost.0.div_ceil(2)), None).is_ok_and(|bound| bound > Cost::ZERO);
        self.positive += u64::from(proven > Cost::ZERO || half);
        self.tight += u64::from(whole.is_ok());
    }
}

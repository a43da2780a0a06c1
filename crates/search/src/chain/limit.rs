//! The most of an amount that may be used, where there may be no limit.

/// A limit on bytes, nanoseconds or loss. It is one number, whether there is a limit or not, so
/// that the innermost loops compare once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(u64);

/// No plan of a checked instance takes as much of anything: a limit of as much is none.
const ABSURD: u64 = 1 << 62;

impl Limit {
    /// No limit: every amount is allowed.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// The least of some limits; none where there is none, or only absurd ones.
    pub(crate) fn least(limits: impl IntoIterator<Item = Option<u64>>) -> Self {
        let least = limits.into_iter().flatten().min();
        least.filter(|&limit| limit < ABSURD).map_or(Self::NONE, Self)
    }

    /// The same of one limit.
    pub(crate) fn of(limit: Option<u64>) -> Self {
        Self::least([limit])
    }

    /// What one of so many requests may take of a limit on all.
    pub(crate) fn per_request(self, weight: u32) -> Self {
        if self == Self::NONE { self } else { Self(self.0 / u64::from(weight)) }
    }

    /// Whether that much is allowed.
    pub(crate) fn allows(self, amount: u64) -> bool {
        amount <= self.0
    }

    /// The limit, if there is one.
    pub(crate) fn get(self) -> Option<u64> {
        (self != Self::NONE).then_some(self.0)
    }

    /// The limit as a price is multiplied by it; without one, more than anything takes.
    pub(crate) fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_counts_and_absurd_ones_do_not() {
        assert_eq!(Limit::least([None, Some(7), Some(5)]).get(), Some(5));
        assert_eq!(Limit::least([None, None]), Limit::NONE);
        assert_eq!(Limit::least([Some(ABSURD), Some(u64::MAX)]), Limit::NONE);
        assert_eq!(Limit::of(Some(ABSURD - 1)).get(), Some(ABSURD - 1));
    }

    #[test]
    fn a_limit_on_all_requests_is_rounded_down_for_one_and_none_stays_none() {
        let limit = Limit::of(Some(8)).per_request(3);
        assert!(limit.allows(2) && !limit.allows(3));
        assert_eq!(Limit::NONE.per_request(3), Limit::NONE);
        assert!(Limit::NONE.allows(u64::MAX));
    }
}

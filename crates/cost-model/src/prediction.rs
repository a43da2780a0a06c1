//! A predicted time and its interval.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};

use edgeplan_problem::Nanos;

/// The time of work that was not measured.
///
/// `low` and `high` enclose the true time with [`crate::COVERAGE`], as far as the work resembles
/// what was measured and the machine is as busy as it was then. Sums add the ends, as if all errors
/// had the same sign: an interval that is rather too wide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prediction {
    /// As often above as below the true time.
    pub median: Nanos,
    /// Lower end; zero where nothing is known.
    pub low: Nanos,
    /// Upper end; [`Nanos::MAX`] where nothing is known.
    pub high: Nanos,
    /// Whether the work lies outside of what was measured: more rows, or other sizes.
    pub extrapolated: bool,
    /// Whether the kernel itself was not measured, and others stand in for it.
    pub estimated: bool,
}

impl Prediction {
    /// No time at all, for certain.
    pub const ZERO: Self = Self {
        median: Nanos::ZERO,
        low: Nanos::ZERO,
        high: Nanos::ZERO,
        extrapolated: false,
        estimated: false,
    };

    /// A time without an interval, as published rates yield it.
    pub const fn exact(time: Nanos) -> Self {
        Self { median: time, low: time, high: time, ..Self::ZERO }
    }

    /// The same work where everything takes that many times as long.
    pub fn slowed(self, factor: f64) -> Self {
        let time = |time: Nanos| match time {
            Nanos::MAX => time,
            time => Nanos((time.as_f64() * factor).ceil() as u64),
        };
        let (median, low, high) = (time(self.median), time(self.low), time(self.high));
        Self { median, low, high, ..self }
    }

    /// Half of it.
    pub fn halved(self) -> Self {
        self.slowed(0.5)
    }

    /// Around `nanos`, off by at most the factor e^`spread` either way.
    pub(crate) fn around(nanos: f64, spread: Option<f64>) -> Self {
        let median = nanos.max(1.0);
        Self {
            median: Nanos(median.round() as u64),
            low: spread.map_or(Nanos::ZERO, |s| Nanos((median * (-s).exp()).floor() as u64)),
            high: spread.map_or(Nanos::MAX, |s| Nanos((median * s.exp()).ceil() as u64)),
            extrapolated: false,
            estimated: false,
        }
    }
}

impl Add for Prediction {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            median: self.median + other.median,
            low: self.low + other.low,
            high: self.high + other.high,
            extrapolated: self.extrapolated | other.extrapolated,
            estimated: self.estimated | other.estimated,
        }
    }
}

impl AddAssign for Prediction {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for Prediction {
    type Output = Self;

    fn mul(self, count: u64) -> Self {
        let (median, low, high) = (self.median * count, self.low * count, self.high * count);
        Self { median, low, high, ..self }
    }
}

impl Sum for Prediction {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

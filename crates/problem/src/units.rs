//! Measures: integers with a unit in their type.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measure is a `u64` that adds, compares and multiplies by a count. Sums saturate, so that an
/// absurd plan is priced as absurd instead of wrapping round to cheap.
macro_rules! measure {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// More than anything.
            pub const MAX: Self = Self(u64::MAX);

            /// The difference, or zero where `other` is larger.
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// As a float, for reports and engines; exact up to 2^53.
            pub fn as_f64(self) -> f64 {
                self.0 as f64
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                debug_assert!(self >= other, "{self:?} - {other:?}");
                self.saturating_sub(other)
            }
        }

        impl Mul<u64> for $name {
            type Output = Self;
            fn mul(self, count: u64) -> Self {
                Self(self.0.saturating_mul(count))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                values.fold(Self::ZERO, Add::add)
            }
        }
    };
}

measure! {
    /// Time in nanoseconds.
    Nanos
}
measure! {
    /// Memory or traffic in bytes.
    Bytes
}
measure! {
    /// Quality loss in nano-nats per token, or in billionths of whatever measure is used.
    Loss
}
measure! {
    /// A share of one in billionths: an accuracy, a weight, a user's satisfaction.
    Share
}
measure! {
    /// What a problem minimises: nanoseconds, bytes, weight or billionths, as its objective says.
    Cost
}

impl Share {
    /// All of it.
    pub const ONE: Self = Self(1_000_000_000);
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.as_f64();
        let text = match self.0 {
            0..1_000 => format!("{} ns", self.0),
            1_000..1_000_000 => format!("{:.1} us", nanos / 1e3),
            1_000_000..1_000_000_000 => format!("{:.2} ms", nanos / 1e6),
            _ => format!("{:.3} s", nanos / 1e9),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        let bytes = self.as_f64();
        let text = match self.0 {
            0..KIB => format!("{} B", self.0),
            KIB..MIB => format!("{:.1} KiB", bytes / KIB as f64),
            MIB..GIB => format!("{:.1} MiB", bytes / MIB as f64),
            _ => format!("{:.2} GiB", bytes / GIB as f64),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.5}", self.as_f64() / 1e9))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.2} %", self.as_f64() / 1e7))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        assert_eq!(Nanos::MAX + Nanos(1), Nanos::MAX);
        assert_eq!([Bytes(1), Bytes(2)].into_iter().sum::<Bytes>(), Bytes(3));
    }

    #[test]
    fn people_read_three_digits() {
        assert_eq!(Nanos(72_530_000).to_string(), "72.53 ms");
        assert_eq!(Bytes(6 << 30).to_string(), "6.00 GiB");
        assert_eq!(Loss(28_152_000).to_string(), "0.02815");
        assert_eq!(Share(452_500_000).to_string(), "45.25 %");
    }
}

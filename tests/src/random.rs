//! What small random questions are drawn from.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

pub(crate) struct Random(Pcg64Mcg);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// From zero to that, each as likely.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        self.0.random_range(0..=max)
    }

    /// True in that percentage of all cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }

    /// One of these, each as likely; list a value twice to double its chance.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.up_to(values.len() as u64 - 1) as usize]
    }

    /// Zero in that percentage of all cases, else from zero to `max`.
    pub(crate) fn sparse(&mut self, zero_percent: u64, max: u64) -> u64 {
        if self.chance(zero_percent) { 0 } else { self.up_to(max) }
    }
}

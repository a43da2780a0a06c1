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
}

//! The time.

use std::time::Instant;

use edgeplan_problem::Nanos;

/// Tells the time since some moment; never goes back.
pub trait Clock {
    /// Now.
    fn now(&self) -> Nanos;
}

/// The clock of the system, from the moment that it was made.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// Starts at 0.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

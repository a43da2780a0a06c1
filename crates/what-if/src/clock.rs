//! The time of many small solves together.

use std::time::{Duration, Instant};

use edgeplan_problem::Limits;

/// The part of all the time that one of many small solves may take.
const PARTS: u32 = 25;
/// Bounds of that part: less finds nothing, more keeps a person waiting.
const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(1);

/// Splits the time of [`Limits`] among solves that come one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock<'a> {
    began: Instant,
    limits: Limits<'a>,
}

impl<'a> Clock<'a> {
    /// Starts now; the time of `limits` is that of everything.
    pub(crate) fn new(limits: Limits<'a>) -> Self {
        Self { began: Instant::now(), limits }
    }

    /// Time that is left; `None` if it is not limited.
    fn left(&self) -> Option<Duration> {
        self.limits.time.map(|time| time.saturating_sub(self.began.elapsed()))
    }

    /// Whether no solve may start any more.
    pub(crate) fn is_over(&self) -> bool {
        self.limits.interrupted() || self.left() == Some(Duration::ZERO)
    }

    /// Limits of one solve, where the number of solves is unknown.
    pub(crate) fn small(&self) -> Limits<'a> {
        let whole = self.limits.time;
        let each = whole.map(|whole| (whole / PARTS).clamp(LEAST, MOST));
        let time = each.zip(self.left()).map(|(each, left)| each.min(left));
        Limits { time, ..self.limits }
    }

    /// Limits of the next of so many solves.
    pub(crate) fn of(&self, count: usize) -> Limits<'a> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        Limits { time: self.left().map(|left| left / count), ..self.limits }
    }
}

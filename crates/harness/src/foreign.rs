//! What else a machine does while a trial runs.

use std::time::Instant;

use edgeplan_measure::machine::busy_seconds;

use crate::limit::cpu_time;

/// Shortest trial, in seconds, whose neighbours can be told: the system counts in ticks of 10 ms.
const SHORTEST: f64 = 0.5;

/// The counters before a trial.
pub(crate) struct Watch {
    started: Instant,
    busy: Option<f64>,
    own: Option<f64>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), busy: busy_seconds(), own: cpu_time() }
    }

    /// Cores that other programs than this one and its trial kept busy since the start, in the
    /// mean. Of the trials of this process only one may have run meanwhile, and it must have ended.
    pub(crate) fn cores(self) -> Option<f64> {
        let wall = self.started.elapsed().as_secs_f64();
        let busy = busy_seconds()? - self.busy?;
        let own = cpu_time()? - self.own?;
        (wall >= SHORTEST).then(|| ((busy - own) / wall).max(0.0))
    }
}

//! Did the machine stay the same? A kernel that never changes is timed again and again: throttling
//! makes it slower in the course of a run, other work makes it uneven.

use edgeplan_cost_model::profile::Work;
use edgeplan_measure::clock::Clock;
use edgeplan_measure::sample::{Rule, Sample, repeat};
use edgeplan_problem::{Bytes, Nanos};

use crate::engine::{Engine, Kernel};
use crate::grid::Task;

/// Small, and a bit of everything: memory, multiplication, every thread.
pub(super) const REFERENCE: Work =
    Work::Attention { heads: 8, kv_heads: 8, head_dim: 64, context: 512, batch: 8 };

/// How often it is timed in the course of a run, unless that is short.
const LOOKS: u64 = 16;
const EVERY_LEAST: Nanos = Nanos(100_000_000);

const RULE: Rule = Rule { repeats_min: 9, repeats_max: 9, error_max: 0.0, time: Nanos(20_000_000) };

/// A change by less than this is noise.
const DRIFT: f64 = 0.1;
const SCATTER: f64 = 0.25;

/// The reference kernel, and what it took.
pub(super) struct Drift {
    kernel: Option<Kernel>,
    every: Nanos,
    next: Nanos,
    medians: Vec<Nanos>,
}

impl Drift {
    /// Without a kernel where it cannot run.
    pub(super) fn new(engine: &mut dyn Engine, memory: Bytes, time: Nanos) -> Self {
        let fits = engine.needs(&Task::Time(REFERENCE)) <= memory;
        let kernel = if fits { engine.prepare(&REFERENCE).ok() } else { None };
        let every = Nanos(time.0 / LOOKS).max(EVERY_LEAST);
        Self { kernel, every, next: Nanos::ZERO, medians: Vec::new() }
    }

    /// Times the kernel if it is time for that.
    pub(super) fn look(&mut self, clock: &dyn Clock, elapsed: Nanos) {
        if elapsed >= self.next {
            self.look_again(clock, elapsed);
        }
    }

    /// Times the kernel.
    pub(super) fn look_again(&mut self, clock: &dyn Clock, elapsed: Nanos) {
        self.next = elapsed + self.every;
        let Some(kernel) = &mut self.kernel else { return };
        // The kernels before it left other things in the caches.
        let sample = kernel().and_then(|()| repeat(clock, &RULE, kernel));
        self.medians.extend(sample.ok().map(|sample| sample.median));
    }

    /// What a reader must know.
    pub(super) fn notes(&self) -> Vec<String> {
        let third = self.medians.len().div_ceil(3);
        let (Some(first), Some(last), Some(all)) = (
            Sample::of(&self.medians[..third]),
            Sample::of(&self.medians[self.medians.len() - third..]),
            Sample::of(&self.medians),
        ) else {
            return vec!["no reference kernel ran: nobody knows whether the machine slowed".into()];
        };
        let change = last.median.as_f64() / first.median.as_f64().max(1.0) - 1.0;
        let low = self.medians.iter().min().map_or(0.0, |time| time.as_f64());
        let scatter = (all.median.as_f64() - low) / low.max(1.0);
        let mut notes = Vec::new();
        if change.abs() > DRIFT {
            let way = if change > 0.0 { "slower" } else { "faster" };
            notes.push(format!(
                "the reference kernel became {:.0} % {way} in the course of the run ({} to {}): \
                 throttling, or other work",
                100.0 * change.abs(),
                first.median,
                last.median,
            ));
        }
        if scatter > SCATTER {
            notes.push(format!(
                "the reference kernel took {} at best and {} as a rule: other work ran",
                Nanos(low as u64),
                all.median,
            ));
        }
        notes
    }
}

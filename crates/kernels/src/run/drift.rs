//! Did the machine stay the same? A kernel that never changes is timed again and again: throttling
//! makes it slower in the course of a run, other work makes it uneven.

use edgeplan_cost_model::profile::Work;
use edgeplan_measure::clock::Clock;
use edgeplan_measure::sample::{Sample, quick};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};

use crate::engine::{Engine, Kernel};
use crate::grid::Task;

/// Short, and a bit of everything: memory, multiplication, every thread.
pub(super) const REFERENCE: Work =
    Work::Matmul { format: Format::F32, rows: 1024, row_len: 1024, batch: 8 };

/// How often it is timed in the course of a run, unless that is short: often enough that other work
/// of a second shows.
const LOOKS: u64 = 512;
const EVERY_LEAST: Nanos = Nanos(100_000_000);

/// Runs of one look, of which the shortest counts: threads of the kernels before it may still spin,
/// for a millisecond at most, where other work makes every run slower.
const RUNS: usize = 6;

/// A change by less than this is noise.
pub(super) const NOISE: f64 = 0.1;
/// A time by so much longer shows other work.
pub(super) const BUSY: f64 = 0.25;

/// The reference kernel, and what it took.
pub(super) struct Drift {
    kernel: Option<Kernel>,
    every: Nanos,
    next: Nanos,
    times: Vec<Nanos>,
}

impl Drift {
    /// Without a kernel where it cannot run.
    pub(super) fn new(engine: &mut dyn Engine, memory: Bytes, time: Nanos) -> Self {
        let fits = engine.needs(&Task::Time(REFERENCE)) <= memory;
        let kernel = if fits { engine.prepare(&REFERENCE).ok() } else { None };
        let every = Nanos(time.0 / LOOKS).max(EVERY_LEAST);
        Self { kernel, every, next: Nanos::ZERO, times: Vec::new() }
    }

    /// Times the kernel if it is time for that. How often it was timed so far.
    pub(super) fn look(&mut self, clock: &dyn Clock, elapsed: Nanos) -> usize {
        if elapsed >= self.next {
            self.look_again(clock, elapsed);
        }
        self.times.len()
    }

    /// Times the kernel.
    pub(super) fn look_again(&mut self, clock: &dyn Clock, elapsed: Nanos) {
        self.next = elapsed + self.every;
        let Some(kernel) = &mut self.kernel else { return };
        let mut run = || {
            let begin = clock.now();
            kernel().ok().map(|()| clock.now().saturating_sub(begin))
        };
        self.times.extend((0..RUNS).filter_map(|_| run()).min());
    }

    /// By how much the kernel was slower than usual on a quiet machine, around the moment when it
    /// had been timed so often: 0.5 is half as much again.
    pub(super) fn disturbance(&self, looks: usize) -> f64 {
        let around = &self.times[looks.saturating_sub(1)..(looks + 1).min(self.times.len())];
        let slowest = around.iter().max().map_or(0.0, |time| time.as_f64());
        (slowest / self.quiet().max(1.0) - 1.0).max(0.0)
    }

    /// What it takes on a quiet machine.
    fn quiet(&self) -> f64 {
        quick(&self.times).map_or(0.0, |time| time.as_f64())
    }

    /// What a reader must know.
    pub(super) fn notes(&self) -> Vec<String> {
        let third = self.times.len().div_ceil(3);
        let (Some(first), Some(last), Some(all)) = (
            Sample::of(&self.times[..third]),
            Sample::of(&self.times[self.times.len() - third..]),
            Sample::of(&self.times),
        ) else {
            return vec![
                "no reference kernel ran: it is unknown whether the machine slowed".into(),
            ];
        };
        let change = last.median.as_f64() / first.median.as_f64().max(1.0) - 1.0;
        let quiet = self.quiet();
        let mut notes = Vec::new();
        if change.abs() > NOISE {
            let way = if change > 0.0 { "slower" } else { "faster" };
            notes.push(format!(
                "the reference kernel became {:.0} % {way} in the course of the run ({} to {}): \
                 throttling, or other work",
                100.0 * change.abs(),
                first.median,
                last.median,
            ));
        }
        if (all.median.as_f64() - quiet) / quiet.max(1.0) > BUSY {
            notes.push(format!(
                "the reference kernel took {} when it was quick and {} as a rule: other work ran",
                Nanos(quiet as u64),
                all.median,
            ));
        }
        notes
    }
}

//! Goes through a grid: within a time, within the machine's memory, until it is interrupted.

mod drift;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use edgeplan_cost_model::profile::{Resident, Timing, Work};
use edgeplan_measure::clock::Clock;
use edgeplan_measure::sample::{Rule, Sample, repeat};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};

use self::drift::Drift;
use crate::engine::{Engine, EngineError, Kernel};
use crate::grid::Task;

/// Limits and observers of a run.
pub struct Run<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// What runs the work.
    pub engine: &'a mut dyn Engine,
    /// All of it ends after this long, or one run of a kernel later.
    pub time: Nanos,
    /// What needs more is left out.
    pub memory: Bytes,
    /// Ends the run after the kernel that runs.
    pub stop: &'a AtomicBool,
    /// Hears what comes next.
    pub progress: &'a mut dyn FnMut(&Progress),
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("time", &self.time).finish_non_exhaustive()
    }
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Tasks that are done or left out.
    pub done: usize,
    /// All tasks.
    pub all: usize,
    /// What comes next.
    pub now: String,
}

/// What a run found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// Times, in the order of the grid.
    pub timings: Vec<Timing>,
    /// Memory by format.
    pub resident: Vec<Resident>,
    /// Whether every task was done.
    pub complete: bool,
    /// What was left out and why, and what disturbed the run.
    pub notes: Vec<String>,
}

/// Steady kernels are run five times, unsteady ones until their median is known to a hundredth.
const RULE: Rule = Rule { repeats_min: 5, repeats_max: 100, error_max: 0.01, time: Nanos::ZERO };

/// This part of the time is kept for what was disturbed.
const RESERVE: u64 = 8;

/// A task whose one run is guessed to take more than this part of the time is left out.
const PART_MAX: u64 = 16;

/// Why a task was not done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Memory,
    Slow,
    Time,
    Stopped,
    Engine(String),
}

impl Run<'_> {
    /// Does the tasks in their order. Each gets an equal share of the time that is left, so what a
    /// short one does not need is there for a long one. What was disturbed is done again at the
    /// end.
    pub fn record(&mut self, tasks: &[Task]) -> Recording {
        let begin = self.clock.now();
        let mut recording = Recording::default();
        let mut left: Vec<(Left, String)> = Vec::new();
        let mut speeds = Speeds::default();
        let mut drift = Drift::new(self.engine, self.memory, self.time);
        let mut looks = Vec::new();
        for (done, task) in tasks.iter().enumerate() {
            let now = task_name(task);
            (self.progress)(&Progress { done, all: tasks.len(), now: now.clone() });
            let elapsed = self.clock.now().saturating_sub(begin);
            let looked = drift.look(self.clock, elapsed);
            let rest = self.time.saturating_sub(elapsed);
            let share = rest.saturating_sub(Nanos(self.time.0 / RESERVE));
            let share = Nanos(share.0 / (tasks.len() - done) as u64);
            let end = match self.hindrance(task, speeds.guess(task), rest) {
                Some(reason) => Err(reason),
                None => match task {
                    Task::Time(work) => self.time(work, share).map(|sample| {
                        let timing = timing(*work, &sample);
                        speeds.learn(&timing);
                        recording.timings.push(timing);
                        looks.push(looked);
                    }),
                    Task::Resident(format) => self
                        .engine
                        .resident(*format)
                        .map(|resident| recording.resident.extend(resident))
                        .map_err(|EngineError(reason)| Left::Engine(reason)),
                },
            };
            left.extend(end.err().map(|reason| (reason, now)));
        }
        drift.look_again(self.clock, self.clock.now().saturating_sub(begin));
        let again = self.again(&mut recording.timings, &looks, &mut drift, begin);
        recording.complete = left.is_empty();
        recording.notes = self.notes(left, tasks.len());
        recording.notes.extend(again);
        recording.notes.extend(drift.notes());
        recording
    }

    /// Repeats what ran while the reference kernel was slow, the worst first, and keeps the shorter
    /// times: other work only ever makes a kernel slower. Over and over as long as there is time.
    /// With a note if some stay in doubt.
    fn again(
        &mut self,
        timings: &mut [Timing],
        looks: &[usize],
        drift: &mut Drift,
        begin: Nanos,
    ) -> Option<String> {
        let mut doubts: Vec<f64> = looks.iter().map(|looks| drift.disturbance(*looks)).collect();
        loop {
            let mut loud: Vec<usize> =
                (0..doubts.len()).filter(|&index| doubts[index] > drift::NOISE).collect();
            loud.sort_by(|&a, &b| doubts[b].total_cmp(&doubts[a]));
            let mut done = false;
            for (count, &index) in loud.iter().enumerate() {
                let elapsed = self.clock.now().saturating_sub(begin);
                let (timing, rest) = (&mut timings[index], self.time.saturating_sub(elapsed));
                if self.stop.load(Ordering::Relaxed) || rest <= timing.median_ns * 2 {
                    continue;
                }
                let looked = drift.look(self.clock, elapsed);
                let share = Nanos(rest.0 / (loud.len() - count) as u64);
                let Ok(sample) = self.time(&timing.work, share) else { continue };
                if sample.median < timing.median_ns {
                    *timing = self::timing(timing.work, &sample);
                }
                drift.look_again(self.clock, self.clock.now().saturating_sub(begin));
                doubts[index] = drift.disturbance(looked).min(doubts[index]);
                done = true;
            }
            if !done {
                break;
            }
        }
        let doubtful = doubts.iter().filter(|doubt| **doubt > drift::BUSY).count();
        (doubtful > 0).then(|| {
            format!("{doubtful} of {} times were taken while other work ran", timings.len())
        })
    }

    /// What forbids a task before it begins.
    fn hindrance(&self, task: &Task, guess: Option<Nanos>, rest: Nanos) -> Option<Left> {
        if self.stop.load(Ordering::Relaxed) {
            Some(Left::Stopped)
        } else if self.engine.needs(task) > self.memory {
            Some(Left::Memory)
        } else if guess > Some(Nanos(self.time.0 / PART_MAX)) {
            Some(Left::Slow)
        } else if rest == Nanos::ZERO || guess > Some(rest) {
            Some(Left::Time)
        } else {
            None
        }
    }

    /// One run that is not counted, unless it takes all the time there is; then repeats.
    fn time(&mut self, work: &Work, share: Nanos) -> Result<Sample, Left> {
        let failed = |EngineError(reason)| Left::Engine(reason);
        let mut kernel = self.engine.prepare(work).map_err(failed)?;
        let (clock, stop) = (self.clock, self.stop);
        let mut run = || run(&mut kernel, stop);
        let first = repeat(clock, &Rule { repeats_max: 1, ..RULE }, &mut run)?;
        if first.median >= share {
            return Ok(first);
        }
        repeat(clock, &Rule { time: share - first.median, ..RULE }, &mut run)
    }

    /// One note for every reason, with the first tasks that it hit.
    fn notes(&self, mut left: Vec<(Left, String)>, all: usize) -> Vec<String> {
        // Stable, so that tasks stay in the order of the grid.
        left.sort_by(|(a, _), (b, _)| a.cmp(b));
        let same = |a: &(Left, String), b: &(Left, String)| a.0 == b.0;
        let note = |tasks: &[(Left, String)]| {
            let why = match &tasks[0].0 {
                Left::Memory => format!("need more than the {} that may be used", self.memory),
                Left::Slow => format!("would take too much of the {}", self.time),
                Left::Time => format!("were not reached within {}", self.time),
                Left::Stopped => "were not reached before the interruption".into(),
                Left::Engine(reason) => format!("cannot be run: {reason}"),
            };
            let names: Vec<&str> = tasks.iter().take(3).map(|(_, name)| name.as_str()).collect();
            let more = if tasks.len() > 3 { ", ..." } else { "" };
            format!("{} of {all} left out, they {why}: {}{more}", tasks.len(), names.join(", "))
        };
        left.chunk_by(same).map(note).collect()
    }
}

fn run(kernel: &mut Kernel, stop: &AtomicBool) -> Result<(), Left> {
    if stop.load(Ordering::Relaxed) {
        return Err(Left::Stopped);
    }
    kernel().map_err(|EngineError(reason)| Left::Engine(reason))
}

fn timing(work: Work, sample: &Sample) -> Timing {
    let &Sample { median: median_ns, mad: mad_ns, repeats } = sample;
    Timing { work, median_ns, mad_ns, repeats }
}

fn task_name(task: &Task) -> String {
    match task {
        Task::Time(work) => work.name(),
        Task::Resident(format) => format!("memory/{format}"),
    }
}

/// What matrices took so far, by format: elements, rows, time.
#[derive(Default)]
struct Speeds(HashMap<Format, Vec<(u64, u64, Nanos)>>);

impl Speeds {
    /// Above this batch times grow with the batch; below it they often do not.
    const LINEAR: u64 = 8;

    fn learn(&mut self, timing: &Timing) {
        if let Work::Matmul { format, rows, row_len, batch } = timing.work {
            let known = self.0.entry(format).or_default();
            known.push((rows * row_len, batch, timing.median_ns));
        }
    }

    /// What a product will take, from the largest batch of its format that is no larger: rather too
    /// little than too much, because what is guessed to be too long is left out.
    fn guess(&self, task: &Task) -> Option<Nanos> {
        let &Task::Time(Work::Matmul { format, rows, row_len, batch }) = task else { return None };
        let known = self.0.get(&format)?.iter().filter(|(_, known, _)| *known <= batch);
        let &(elements, rows_known, time) = known.max_by_key(|(_, known, _)| *known)?;
        let growth = if rows_known >= Self::LINEAR { batch / rows_known } else { 1 };
        let nanos = u128::from(time.0) * u128::from(rows * row_len) / u128::from(elements.max(1));
        Some(Nanos(u64::try_from(nanos * u128::from(growth)).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests;

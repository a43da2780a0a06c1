//! A whole measurement: the machine, the grid, what disturbed it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edgeplan_cost_model::profile::{Machine as Described, Profile, SCHEMA};
use edgeplan_files::InputError;
use edgeplan_measure::clock::Monotonic;
use edgeplan_measure::machine::{Machine, date, load_average, revision};
use edgeplan_problem::{Bytes, Nanos};
use edgeplan_reference_llama::on_worker;

use crate::engine::{Candle, EngineError};
use crate::grid::{Scope, Size, grid};
use crate::run::{Progress, Recording, Run};

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How much.
    pub size: Size,
    /// For how long at most.
    pub time: Duration,
    /// Whether an accelerator is measured, where this build knows one.
    pub accelerated: bool,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The embedded catalog of models.
    #[error(transparent)]
    Catalog(#[from] InputError),
    /// The engine does not work at all.
    #[error("candle: {0}")]
    Engine(#[from] EngineError),
}

/// A machine is used by others, too: half of its free memory is left to them.
const MEMORY_SHARE: u64 = 2;
/// Less than this may stay in caches that the system does not tell of.
const COLD_LEAST: u64 = 64 << 20;
/// More than this would fill small machines; no cache of a machine at home is half as large.
const COLD_MOST: u64 = 1 << 30;
/// From this many processes per core on, other work disturbs times.
const IDLE: f64 = 0.25;

/// As the workspace pins it.
const ENGINE: &str = "candle 0.11.1";

/// How many bytes do not stay in the caches of this machine: twice what they hold.
pub fn cold_bytes(machine: &Machine) -> Bytes {
    let caches = machine.cache_bytes.unwrap_or_default();
    Bytes(caches.saturating_mul(2).clamp(COLD_LEAST, COLD_MOST))
}

/// Threads of candle's kernels: the environment's, else one a core (candle 0.11, `utils.rs`).
pub fn threads() -> u32 {
    let wanted = std::env::var("CANDLE_NUM_THREADS").ok();
    let wanted = wanted.and_then(|text| text.parse().ok()).filter(|&threads| threads > 0);
    wanted.unwrap_or_else(|| candle_core::utils::get_num_threads() as u32)
}

/// Measures this machine.
///
/// # Errors
/// When the engine does not work at all. What it cannot do in part, and what disturbed it, is in
/// the notes.
pub fn profile(
    options: &Options,
    stop: &AtomicBool,
    progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Profile, ProfileError> {
    on_worker(|| profile_here(options, stop, progress))
}

fn profile_here(
    options: &Options,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Profile, ProfileError> {
    let clock = Monotonic::start();
    let (machine, load) = (Machine::here(), load_average());
    let cold_bytes = cold_bytes(&machine);
    let mut candle = Candle::new(options.accelerated, cold_bytes)?;
    let tasks = grid(&Scope { size: options.size, threads: threads(), cold_bytes })?;
    let accelerator = candle.accelerator();
    let mut run = Run {
        clock: &clock,
        engine: &mut candle,
        time: Nanos(u64::try_from(options.time.as_nanos()).unwrap_or(u64::MAX)),
        memory: Bytes(machine.free_bytes / MEMORY_SHARE),
        stop,
        progress,
    };
    let Recording { timings, resident, complete, mut notes } = run.record(&tasks);
    if load > IDLE * f64::from(machine.cores) {
        let cores = machine.cores;
        notes.push(format!(
            "{load:.1} processes ran or waited for {cores} cores in the minute before: other work"
        ));
    }
    let machine = describe(machine, accelerator);
    Ok(Profile { schema: SCHEMA, machine, complete, notes, timings, resident })
}

fn describe(machine: Machine, accelerator: Option<String>) -> Described {
    Described {
        processor: machine.processor,
        features: machine.features.into_iter().map(Into::into).collect(),
        accelerator,
        cores: machine.cores,
        threads: threads(),
        memory_bytes: Bytes(machine.memory_bytes),
        free_bytes: Bytes(machine.free_bytes),
        system: machine.system,
        engine: ENGINE.into(),
        revision: revision().into(),
        date: date(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_the_pinned_one() {
        let version = ENGINE.strip_prefix("candle ").unwrap();
        let pinned = format!("candle-core = {{ version = \"={version}\"");
        assert!(include_str!("../../../Cargo.toml").contains(&pinned), "{pinned}");
    }

    #[test]
    fn unknown_caches_are_not_small() {
        let caches = |cache_bytes| cold_bytes(&Machine { cache_bytes, ..Machine::here() });
        assert_eq!(caches(None), Bytes(64 << 20));
        assert_eq!(caches(Some(96 << 20)), Bytes(192 << 20));
        assert_eq!(caches(Some(u64::MAX)), Bytes(1 << 30));
    }
}

//! What was measured so far.

use std::path::Path;

use edgeplan_cost_model::engine::{ENGINE_SCHEMA, EngineName, EngineProfile, Spread};
use edgeplan_cost_model::profile::Machine as Described;
use edgeplan_files::{InputError, parse_json, read_text};
use edgeplan_measure::machine::{Machine, date, revision};
use edgeplan_problem::Bytes;

use crate::bench::Test;
use crate::device::Device;
use crate::programs::EngineError;

/// What an earlier run left in a file that this one goes on with; none where there is no file.
///
/// # Errors
/// A file that is something else.
pub fn before(path: &Path) -> Result<Option<EngineProfile>, EngineError> {
    if !path.is_file() {
        return Ok(None);
    }
    let name = path.display().to_string();
    let found: EngineProfile = parse_json(&name, &read_text(path)?)?;
    found.check().map_err(|error| InputError::key(name, error.key, error.problem))?;
    Ok(Some(found))
}

/// Of two measurements of one cell the one that other work disturbed less.
pub(crate) fn shorter(first: Spread, second: Spread) -> Spread {
    let least = if second.median_ns < first.median_ns { second } else { first };
    Spread {
        min_ns: first.min_ns.min(second.min_ns),
        repeats: first.repeats + second.repeats,
        ..least
    }
}

/// A profile of nothing yet, of the build that printed this test.
pub(crate) fn empty(first: &Test, device: Option<&Device>) -> EngineProfile {
    let machine = Machine::here();
    let own = [Bytes(machine.memory_bytes), Bytes(machine.free_bytes)];
    let [memory_bytes, free_bytes] = device.map_or(own, |device| device.memory);
    EngineProfile {
        schema: ENGINE_SCHEMA,
        engine: EngineName::LlamaCpp,
        machine: Described {
            processor: machine.processor,
            features: machine.features.into_iter().map(Into::into).collect(),
            accelerator: device.map(|device| device.description.clone()),
            cores: machine.cores,
            threads: first.n_threads,
            memory_bytes,
            free_bytes,
            system: machine.system,
            engine: format!("llama.cpp {}", first.build_commit),
            revision: revision().into(),
            date: date(),
        },
        backend: device.map_or("CPU", |device| &device.name).into(),
        complete: false,
        notes: Vec::new(),
        models: Vec::new(),
        passes: Vec::new(),
        kernels: Vec::new(),
    }
}

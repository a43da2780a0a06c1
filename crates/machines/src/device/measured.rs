//! A machine that was measured: its profile, and the cost model that follows from it.

use std::path::Path;

use edgeplan_cost_model::CostModel;
use edgeplan_cost_model::profile::{Machine, Profile, SCHEMA};
use edgeplan_problem::Bytes;
use serde::Deserialize;

use edgeplan_files::{InputError, parse_json};

/// What a runtime gets of all memory, in percent: as the catalog has it for desktop computers.
const USABLE_PERCENT: u64 = 85;

/// A measured machine.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The file.
    pub file: String,
    /// What it says.
    pub profile: Profile,
    /// What follows from it.
    pub model: CostModel,
}

/// The only key that every version of the file has.
#[derive(Deserialize)]
pub(super) struct Version {
    schema: u32,
}

impl Version {
    /// Whether a file is of the version that is read.
    pub(super) fn check(file: &str, text: &str, known: u32) -> Result<(), InputError> {
        let Self { schema } = parse_json(file, text)?;
        if schema != known {
            let problem = format!("{schema}; {known} is allowed: measure again with this version");
            return Err(InputError::key(file, "schema", problem));
        }
        Ok(())
    }
}

/// What a runtime gets of so much memory.
pub(super) fn share(memory: Bytes) -> Bytes {
    Bytes(memory.0 / 100 * USABLE_PERCENT)
}

/// Bytes that a runtime may use: what was free when the machine was measured, but of all memory no
/// more than the usual share.
pub(super) fn usable(machine: &Machine) -> Bytes {
    share(machine.memory_bytes).min(machine.free_bytes)
}

/// File, engine, device and day, in a few words.
pub(super) fn origin(file: &str, machine: &Machine, complete: bool) -> String {
    let name = Path::new(file).file_name().map(|name| name.to_string_lossy());
    let on = machine.accelerator.as_ref().unwrap_or(&machine.processor);
    let partial = if complete { "" } else { ", incomplete" };
    let (engine, date) = (&machine.engine, &machine.date);
    format!("{}: {engine} on {on}, {date}{partial}", name.unwrap_or_default())
}

impl Measured {
    /// Parses what `edgeplan profile` wrote; `file` is only named in errors.
    ///
    /// # Errors
    /// Another version of the file, unknown keys with the nearest known one, numbers that make no
    /// sense.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        Version::check(file, text, SCHEMA)?;
        let profile: Profile = parse_json(file, text)?;
        let model = CostModel::fit(&profile)
            .map_err(|error| InputError::key(file, error.key, error.problem))?;
        Ok(Self { file: file.into(), profile, model })
    }

    /// Bytes that a runtime may use.
    pub fn usable(&self) -> Bytes {
        usable(&self.profile.machine)
    }

    /// File, engine, device and day, in a few words.
    pub fn origin(&self) -> String {
        origin(&self.file, &self.profile.machine, self.profile.complete)
    }
}

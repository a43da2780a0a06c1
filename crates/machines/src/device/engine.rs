//! A machine that an engine's own programs measured: the profile, and the cost model that follows
//! from it.

use edgeplan_cost_model::engine::{ENGINE_SCHEMA, EngineModel, EngineProfile};
use edgeplan_problem::Bytes;
use serde::Deserialize;

use super::Backend;
use super::measured::{Version, origin, usable};
use edgeplan_files::{InputError, parse_json};

/// A machine as an engine sees it.
#[derive(Debug, Clone)]
pub struct EngineMeasured {
    /// The file.
    pub file: String,
    /// What it says.
    pub profile: EngineProfile,
    /// What follows from it.
    pub model: EngineModel,
}

/// The key that only profiles of engines have.
#[derive(Deserialize)]
struct Named {
    engine: Option<serde::de::IgnoredAny>,
}

impl EngineMeasured {
    /// Whether a file is the profile of an engine, and not of this project's own kernels.
    pub(super) fn is(text: &str) -> bool {
        parse_json::<Named>("", text).is_ok_and(|named| named.engine.is_some())
    }

    /// Parses what `edgeplan profile --engine` wrote; `file` is only named in errors.
    ///
    /// # Errors
    /// Another version of the file, unknown keys with the nearest known one, numbers that make no
    /// sense, no pass that tells what products take.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        Version::check(file, text, ENGINE_SCHEMA)?;
        Self::of(file, parse_json(file, text)?)
    }

    /// What follows from a profile.
    ///
    /// # Errors
    /// Numbers that make no sense, no pass that tells what products take.
    pub fn of(file: &str, profile: EngineProfile) -> Result<Self, InputError> {
        let model = EngineModel::fit(&profile)
            .map_err(|error| InputError::key(file, error.key, error.problem))?;
        Ok(Self { file: file.into(), profile, model })
    }

    /// Bytes that a runtime may use.
    pub fn usable(&self) -> Bytes {
        usable(&self.profile.machine)
    }

    /// The backend, by the name that the engine gives its device.
    pub fn backend(&self) -> Option<Backend> {
        let name = self.profile.backend.trim_end_matches(|letter: char| letter.is_ascii_digit());
        Some(match name {
            "CPU" => Backend::Cpu,
            "CUDA" => Backend::Cuda,
            "ROCm" | "HIP" => Backend::Rocm,
            "Vulkan" => Backend::Vulkan,
            "SYCL" => Backend::Sycl,
            "MTL" | "Metal" => Backend::Metal,
            _ => return None,
        })
    }

    /// File, engine, device and day, in a few words.
    pub fn origin(&self) -> String {
        origin(&self.file, &self.profile.machine, self.profile.complete)
    }
}

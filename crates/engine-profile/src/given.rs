//! Files that the user named, timed elsewhere than by this crate.

use std::path::Path;

use edgeplan_cost_model::engine::{EngineProfile, Way};

use crate::bench;
use crate::models;
use crate::programs::EngineError;

/// The profile with passes of the model in `path` as `llama-bench -o jsonl` printed them:
/// predictions are held against them, and nothing is learned from them. They replace what it has of
/// that model.
///
/// # Errors
/// A file that is no model, or lines that are no tests.
pub fn with_given(
    profile: &EngineProfile,
    path: &Path,
    printed: &str,
    way: Way,
) -> Result<EngineProfile, EngineError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let model = models::describe(&name, path, true)?;
    let mut all = profile.clone();
    all.models.retain(|known| known.name != model.name);
    all.models.push(model);
    all.passes.retain(|known| known.pass.model != name);
    for test in bench::tests(printed)? {
        all.passes.push(test.timing(&name, way)?);
    }
    Ok(all)
}

//! How far a file is from its original as llama.cpp runs both.

use std::path::Path;

use edgeplan_files::read_text;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_problem::Bytes;

use super::{EngineError, Judge, Programs, Work, as_in_file};
use crate::apply::{self, Formats};
use crate::fidelity::{Excerpt, Fidelity, formats};
use crate::sense::predicted;

/// Measures a file against the float model of a folder of work. `sensitivity` is that of the
/// original.
///
/// # Errors
/// Files that cannot be read, a text that is too short, a program that fails, time that is over.
pub fn fidelity(
    path: &Path,
    programs: &Programs,
    work: &Work,
    excerpt: Excerpt<'_>,
    sensitivity: Option<&Path>,
) -> Result<Fidelity, EngineError> {
    let load = |path: &Path| edgeplan_model::load(&path.display().to_string());
    let (spec, original) = (load(path)?, load(&work.model)?);
    let sensed = sensitivity
        .map(|file| MeasuredSensitivity::parse(&file.display().to_string(), &read_text(file)?))
        .transpose()?;
    let promised = sensed.and_then(|sensed| {
        let mut formats = formats(&as_in_file(spec.clone()));
        let sensed = sensed.as_in_file(&spec);
        formats.retain(|name, _| sensed.rows().iter().any(|row| row.tensor == *name));
        predicted(&sensed, &formats)
    });
    let judge = Judge::new(programs, work, excerpt)?;
    let found = judge.measure(path)?;
    let stored = |spec: &ModelSpec| Bytes(apply::bytes(spec, &Formats::new()));
    Ok(Fidelity {
        model: spec.name.clone(),
        tokens: judge.tokens() as usize,
        kl_nats: found.kl,
        predicted_kl_nats: promised,
        loss_nats: found.original_loss + found.loss_change,
        original_loss_nats: found.original_loss,
        bytes: stored(&as_in_file(spec)),
        original_bytes: stored(&as_in_file(original)),
    })
}

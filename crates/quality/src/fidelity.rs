//! How far a file is from its original on a text, and whether that is what was promised.

use std::fmt::{Display, Formatter};
use std::path::Path;

use edgeplan_files::{InputError, read_text};
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_model::{ModelSpec, TensorClass};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::LlamaError;
use serde::Serialize;

use crate::apply::{Formats, bytes};
use crate::measure::Reference;
use crate::sense::predicted;
use crate::text::Text;

/// A text to measure on, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a> {
    /// The file.
    pub text: &'a Path,
    /// Tokens of it at most.
    pub tokens: usize,
    /// Tokens of a window.
    pub context: usize,
}

/// What a quantized file loses. Field names are stable keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fidelity {
    /// The quantized model.
    pub model: String,
    /// Tokens that it was measured on.
    pub tokens: usize,
    /// KL divergence from the original, in nats per token.
    pub kl_nats: f64,
    /// What the sensitivity file adds up to for its formats; none where it lacks one.
    pub predicted_kl_nats: Option<f64>,
    /// Loss, in nats per token.
    pub loss_nats: f64,
    /// The original's.
    pub original_loss_nats: f64,
    /// Bytes of all tensors.
    pub bytes: Bytes,
    /// The original's.
    pub original_bytes: Bytes,
}

/// Measures a file against its original. `sensitivity` is that of the original; `progress` is
/// called for every piece of the text, with how many there are.
///
/// # Errors
/// Files that cannot be read or run, a text shorter than a window, two different models.
pub fn fidelity(
    path: &Path,
    original: &Path,
    excerpt: Excerpt<'_>,
    sensitivity: Option<&Path>,
    progress: &mut dyn FnMut(usize),
) -> Result<Fidelity, LlamaError> {
    let name = |path: &Path| path.display().to_string();
    let spec = edgeplan_model::load(&name(path))?;
    let original_spec = edgeplan_model::load(&name(original))?;
    let sensed = sensitivity
        .map(|file| MeasuredSensitivity::parse(&name(file), &read_text(file)?))
        .transpose()?;
    let promised = sensed.and_then(|sensed| predicted(&sensed, &formats(&spec)));
    let Excerpt { text, tokens, context } = excerpt;
    let pieces = Text::read(text, original)?.pieces(tokens, context)?;
    let (tokens, count) =
        (pieces.iter().map(|piece| piece.tokens.elem_count()).sum(), pieces.len());
    let (teacher, student) = (crate::load(original, context)?, crate::load(path, context)?);
    if original_spec.vocab != spec.vocab || teacher.layers() != student.layers() {
        let problem = format!("not the same model as {}", original.display());
        return Err(InputError::file(name(path), problem).into());
    }
    let kept = teacher.kept_max();
    let reference = Reference::new(&teacher, pieces, kept, &mut || progress(count))?;
    let found = reference.distance(&student, 0, &reference.tokens())?;
    let stored = |spec: &ModelSpec| Bytes(bytes(spec, &Formats::new()));
    Ok(Fidelity {
        model: spec.name.clone(),
        tokens,
        kl_nats: found.kl,
        predicted_kl_nats: promised,
        loss_nats: found.loss,
        original_loss_nats: reference.loss,
        bytes: stored(&spec),
        original_bytes: stored(&original_spec),
    })
}

impl Display for Fidelity {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let expected = self.predicted_kl_nats.map(|kl| format!(", {kl:.5} expected"));
        write!(
            f,
            "{} on {} tokens: divergence {:.5} nats per token{}\n\
             loss {:.4}, of the original {:.4} ({:+.2} %)\n\
             {} of {} ({:.1} %)\n",
            self.model,
            self.tokens,
            self.kl_nats,
            expected.unwrap_or_default(),
            self.loss_nats,
            self.original_loss_nats,
            100.0 * (self.loss_nats / self.original_loss_nats - 1.0),
            self.bytes,
            self.original_bytes,
            100.0 * self.bytes.as_f64() / self.original_bytes.as_f64().max(1.0)
        )
    }
}

/// The formats of a file's matrices; a tied head is in that of the embedding.
pub(crate) fn formats(spec: &ModelSpec) -> Formats {
    let tensors = spec.layers.iter().flat_map(|layer| &layer.tensors);
    let matrices = tensors.filter(|tensor| TensorClass::MATRICES.contains(&tensor.class));
    matrices
        .filter_map(|tensor| {
            Some((tensor.name.clone(), Format::from_ggml_id(tensor.native?.ggml_id)?))
        })
        .collect()
}

//! How far a file is from its original on a text, and whether that is what was promised.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::value_parser;
use edgeplan_files::read_text;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::measured::Sensed;
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use edgeplan_quality::apply::{Formats, bytes};
use edgeplan_quality::sense::predicted;
use edgeplan_quality::{Reference, Text, load};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(super) struct Quality {
    /// Measure KL divergence and loss (nats per token) on this text, in place of times
    #[arg(long, requires = "against")]
    text: Option<PathBuf>,
    /// text: unquantized model to compare with
    #[arg(long, requires = "text")]
    against: Option<PathBuf>,
    /// text: sensitivity file of the unquantized model, for the predicted divergence
    #[arg(long, requires = "text")]
    sensitivity: Option<PathBuf>,
    /// text: tokens of the text to evaluate
    #[arg(long, default_value_t = 8192, value_parser = value_parser!(u32).range(2..))]
    tokens: u32,
    /// text: context window, in tokens
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(2..=65_536))]
    context: u32,
}

impl Quality {
    /// Measures it, if that was asked for: as data and for people.
    pub(super) fn measured(&self, path: &Path) -> Result<Option<(Value, String)>> {
        let (Some(text), Some(against)) = (&self.text, &self.against) else { return Ok(None) };
        let spec = edgeplan_model::load(&path.display().to_string())?;
        let original_spec = edgeplan_model::load(&against.display().to_string())?;
        let promised = match &self.sensitivity {
            Some(file) => {
                let sensed = Sensed::parse(&file.display().to_string(), &read_text(file)?)?;
                predicted(&sensed, &formats(&spec))
            }
            None => None,
        };
        let context = self.context as usize;
        let pieces = Text::read(text, against)?.pieces(self.tokens as usize, context)?;
        let tokens: usize = pieces.iter().map(|piece| piece.elem_count()).sum();
        let (original, student) = (load(against, context)?, load(path, context)?);
        if original_spec.vocab != spec.vocab || original.layers() != student.layers() {
            bail!("{}: not the same model as {}", path.display(), against.display());
        }
        let bar = ProgressBar::new(pieces.len() as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} pieces, {elapsed}")?);
        let reference = Reference::new(&original, pieces, original.kept_max(), &mut || bar.inc(1))?;
        let found = reference.distance(&student, 0, &reference.tokens())?;
        bar.finish_and_clear();
        let stored = |spec: &ModelSpec| Bytes(bytes(spec, &Formats::new()));
        let (bytes, before) = (stored(&spec), stored(&original_spec));
        let json = json!({
            "model": spec.name,
            "tokens": tokens,
            "kl_nats": found.kl,
            "predicted_kl_nats": promised,
            "loss_nats": found.loss,
            "original_loss_nats": reference.loss,
            "bytes": bytes,
            "original_bytes": before,
        });
        let expected = promised.map(|kl| format!(", {kl:.5} expected")).unwrap_or_default();
        let text = format!(
            "{} on {tokens} tokens: divergence {:.5} nats per token{expected}\n\
             loss {:.4}, of the original {:.4} ({:+.2} %)\n\
             {} of {} ({:.1} %)\n",
            spec.name,
            found.kl,
            found.loss,
            reference.loss,
            100.0 * (found.loss / reference.loss - 1.0),
            bytes,
            before,
            100.0 * bytes.as_f64() / before.as_f64().max(1.0)
        );
        Ok(Some((json, text)))
    }
}

/// The formats of a file's matrices; a tied head is in that of the embedding.
fn formats(spec: &ModelSpec) -> Formats {
    let tensors = spec.layers.iter().flat_map(|layer| &layer.tensors);
    let matrices =
        tensors.filter(|tensor| edgeplan_model::TensorClass::MATRICES.contains(&tensor.class));
    matrices
        .filter_map(|tensor| {
            Some((tensor.name.clone(), Format::from_ggml_id(tensor.native?.ggml_id)?))
        })
        .collect()
}

//! How far a file is from its original on a text, and whether that is what was promised.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::value_parser;
use edgeplan_quality::engine::verify::fidelity as fidelity_by_engine;
use edgeplan_quality::fidelity::{Excerpt, Fidelity, fidelity};

use crate::engine::Engine;
use crate::watch;

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
    #[command(flatten)]
    engine: Engine,
}

impl Quality {
    /// Measures it, if that was asked for.
    pub(super) fn measured(&self, path: &Path) -> Result<Option<Fidelity>> {
        let (Some(text), Some(against)) = (&self.text, &self.against) else { return Ok(None) };
        let (tokens, context) = (self.tokens as usize, self.context as usize);
        let excerpt = Excerpt { text, tokens, context };
        if let Some((programs, work, _lock)) = self.engine.open(against, text)? {
            let sensitivity = self.sensitivity.as_deref();
            return Ok(Some(fidelity_by_engine(path, &programs, &work, excerpt, sensitivity)?));
        }
        let bar = watch::bar(0, "{pos}/{len} pieces, {elapsed}");
        let sensitivity = self.sensitivity.as_deref();
        let found = fidelity(path, against, excerpt, sensitivity, &mut |pieces| {
            bar.set_length(pieces as u64);
            bar.inc(1);
        });
        Ok(Some(found?))
    }
}

//! `llama-perplexity`: how far a file is from its float model on a text.
//!
//! Its `--kl-divergence` prints the divergence last, from a thread of its own that is not waited
//! for (ggml-org/llama.cpp issue 22142): on a busy machine the lines are lost. So the log
//! probabilities of both files are saved, and summed up here as there; [`Judge::printed`] asks for
//! the program's own figure.

use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, write_atomic};
use edgeplan_problem::format::Format;

use super::EngineError;
use super::logits::{difference, windows};
use super::output::{Statistics, statistics};
use super::programs::Programs;
use super::work::Work;
use crate::fidelity::Excerpt;

/// Tokens that the program decodes at once.
const BATCH: usize = 512;
/// Fewer scored tokens have no statistics.
const SCORED_MIN: usize = 100;
/// Bytes of the text that the program reads for a token: more than any vocabulary needs.
const BYTES_PER_TOKEN: usize = 32;
/// How often the program is asked for its own figure.
const ASKED: usize = 2;

/// What was measured of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Divergence from the float model, in nats per token, at least 0.
    pub kl: f64,
    /// Its standard error over tokens.
    pub kl_error: f64,
    /// Change of the loss, in nats per token.
    pub loss_change: f64,
    /// Loss of the float model, in nats per token.
    pub original_loss: f64,
}

/// Measures files on one text.
#[derive(Debug)]
pub struct Judge<'a> {
    programs: &'a Programs,
    /// What the float model predicts.
    original: PathBuf,
    /// What a student predicts.
    student: PathBuf,
    /// The part of the text that is needed.
    text: PathBuf,
    /// Tokens of a window.
    context: usize,
    /// Windows.
    windows: usize,
}

impl<'a> Judge<'a> {
    /// Runs the float model over a text once, unless a folder of work has that already. The second
    /// half of each window is scored.
    ///
    /// # Errors
    /// A text that is too short or cannot be read; a program that fails; the end of the time.
    pub fn new(
        programs: &'a Programs,
        work: &Work,
        excerpt: Excerpt<'_>,
    ) -> Result<Self, EngineError> {
        let Excerpt { text, tokens, context } = excerpt;
        let windows = tokens / context;
        let scored = windows * (context / 2).saturating_sub(1);
        if scored < SCORED_MIN {
            let problem = format!(
                "{tokens} in windows of {context}: {scored} are scored, those behind the middle of \
                 each window; {SCORED_MIN} are needed"
            );
            return Err(InputError::key("arguments", "tokens", problem).into());
        }
        let original = work.logits(excerpt)?;
        let part = original.with_extension("txt");
        let whole = edgeplan_files::read_text(text)?;
        let end = whole.floor_char_boundary(tokens * BYTES_PER_TOKEN);
        write_atomic(&part, &whole[..end])?;
        let student = work.file("student.bin");
        let judge = Self { programs, original, student, text: part, context, windows };
        if !judge.original.exists() {
            judge.save_original(&work.model, text)?;
        }
        Ok(judge)
    }

    /// Tokens that are run, scored or not.
    pub fn tokens(&self) -> u64 {
        (self.windows * self.context) as u64
    }

    fn arguments(&self, file: &Path, logits: &Path) -> Vec<String> {
        let mut arguments = vec!["--model".into(), file.display().to_string()];
        for (name, value) in [
            ("--file", self.text.display().to_string()),
            ("--ctx-size", self.context.to_string()),
            ("--batch-size", BATCH.max(self.context).to_string()),
            ("--chunks", self.windows.to_string()),
            ("--save-all-logits", logits.display().to_string()),
        ] {
            arguments.extend([name.to_owned(), value]);
        }
        arguments
    }

    fn save_original(&self, model: &Path, text: &Path) -> Result<(), EngineError> {
        let part = self.original.with_extension("part");
        let said = self.programs.perplexity(&self.arguments(model, &part), model)?;
        let name = text.display().to_string();
        let found = match windows(&part) {
            Ok(found) => found,
            // A text that is too short leaves a file without windows.
            Err(_) if said.contains("you need at least") => 0,
            Err(error) => return Err(error.into()),
        };
        if found < self.windows as u64 {
            let problem = format!(
                "{found} windows of {} tokens, of at least two that are needed; {} are asked for",
                self.context, self.windows
            );
            return Err(InputError::file(name, problem).into());
        }
        std::fs::rename(&part, &self.original)
            .map_err(|error| InputError::file(part.display().to_string(), error.to_string()).into())
    }

    /// Measures a file.
    ///
    /// # Errors
    /// A program that fails; the end of the time.
    pub fn measure(&self, file: &Path) -> Result<Verdict, EngineError> {
        self.run(file, &[])
    }

    /// Measures a file with a KV cache of these formats, with flash attention.
    ///
    /// # Errors
    /// As [`Judge::measure`].
    pub fn measure_cache(
        &self,
        file: &Path,
        [keys, values]: [Format; 2],
    ) -> Result<Verdict, EngineError> {
        let name = |format: Format| format.name().to_lowercase();
        let (keys, values) = (name(keys), name(values));
        let more = ["--cache-type-k", &keys, "--cache-type-v", &values, "--flash-attn", "on"];
        self.run(file, &more)
    }

    fn run(&self, file: &Path, more: &[&str]) -> Result<Verdict, EngineError> {
        // What an earlier run left must not be taken for this one's.
        let _ = std::fs::remove_file(&self.student);
        let mut arguments = self.arguments(file, &self.student);
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        let said = self.programs.perplexity(&arguments, file)?;
        if !self.student.exists() {
            let is_error = |line: &&str| line.contains("error") || line.contains("fail");
            let last = said.lines().rfind(is_error).unwrap_or("it says no more").trim();
            let problem = format!("llama-perplexity saves no predictions of it: {last}");
            return Err(InputError::file(file.display().to_string(), problem).into());
        }
        let found = difference(&self.original, &self.student)?;
        Ok(Verdict {
            // Rounding may make it a little negative.
            kl: found.kl.mean.max(0.0),
            kl_error: found.kl.error,
            loss_change: found.loss_change.mean,
            original_loss: found.original_loss,
        })
    }

    /// What `llama-perplexity --kl-divergence` itself prints of a file; none where its last lines
    /// are lost twice.
    ///
    /// # Errors
    /// As [`Judge::measure`].
    pub fn printed(&self, file: &Path) -> Result<Option<Statistics>, EngineError> {
        let mut arguments = self.arguments(file, &self.original);
        arguments.push("--kl-divergence".into());
        for _ in 0..ASKED {
            let said = self.programs.perplexity(&arguments, file)?;
            if let Some(found) = statistics(&said) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

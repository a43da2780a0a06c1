//! Text as a model reads it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::quantized::tokenizer::TokenizerFromGguf as _;
use candle_core::{Device, Tensor};
use edgeplan_files::{InputError, read_text};
use edgeplan_reference_llama::LlamaError;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use crate::{folder, sentencepiece};

/// Positions that go through a layer together: enough for products to be efficient.
const PIECE: usize = 1024;

/// The tokens of a text, in the vocabulary of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The file, for errors.
    pub file: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// What stands in place of the first token of each window, for models that begin a text with a
    /// token of its own; none for others.
    pub begin: Option<u32>,
}

impl Text {
    /// Reads a text in the vocabulary of a GGUF file, or of a folder of safetensors.
    ///
    /// # Errors
    /// Files that cannot be read, a file without a vocabulary of byte pairs.
    pub fn read(text: &Path, model: &Path) -> Result<Self, LlamaError> {
        let words = read_text(text)?;
        let Vocabulary { tokenizer, begin, prefix } = match model.is_dir() {
            true => Vocabulary::plain(folder::tokenizer(model)?),
            false => Vocabulary::read(model)?,
        };
        let file = text.display().to_string();
        // Line by line, so that a long text is never split at once.
        let mut tokens = Vec::new();
        let words = format!("{prefix}{words}");
        for line in words.split_inclusive('\n') {
            let encoded = tokenizer.encode_fast(line, false);
            let encoded = encoded.map_err(|error| InputError::file(&file, error.to_string()))?;
            tokens.extend_from_slice(encoded.get_ids());
        }
        Ok(Self { file, tokens, begin })
    }

    /// Cuts off the last of so many equal parts, to be held out.
    pub fn hold_out(&mut self, parts: usize) -> Self {
        let kept = self.tokens.len() - self.tokens.len() / parts;
        let (file, tokens) = (self.file.clone(), self.tokens.split_off(kept));
        Self { file, tokens, begin: self.begin }
    }

    /// At most `count` tokens of it in windows of `context`, spread evenly, a few windows a piece:
    /// `[windows, context]`.
    ///
    /// # Errors
    /// A text that is shorter than one window.
    pub fn pieces(&self, count: usize, context: usize) -> Result<Vec<Tensor>, LlamaError> {
        let windows = (self.tokens.len() / context).min(count.div_ceil(context));
        if windows == 0 {
            let problem = format!("{} tokens; {context} or more are needed", self.tokens.len());
            return Err(InputError::file(&self.file, problem).into());
        }
        let gap = (self.tokens.len() - context) / windows.max(2).saturating_sub(1);
        let starts: Vec<usize> = (0..windows).map(|window| window * gap).collect();
        let piece = |starts: &[usize]| {
            let tokens = starts.iter().flat_map(|&start| &self.tokens[start..start + context]);
            let mut tokens: Vec<u32> = tokens.copied().collect();
            if let Some(begin) = self.begin {
                tokens.iter_mut().step_by(context).for_each(|first| *first = begin);
            }
            Ok(Tensor::from_vec(tokens, (starts.len(), context), &Device::Cpu)?)
        };
        starts.chunks((PIECE / context).max(1)).map(piece).collect()
    }
}

/// What reads text for a model.
struct Vocabulary {
    tokenizer: Tokenizer,
    begin: Option<u32>,
    /// What stands before a text.
    prefix: &'static str,
}

impl Vocabulary {
    fn plain(tokenizer: Tokenizer) -> Self {
        Self { tokenizer, begin: None, prefix: "" }
    }

    /// That of a GGUF file.
    fn read(model: &Path) -> Result<Self, InputError> {
        let name = model.display().to_string();
        let file = File::open(model).map_err(|error| InputError::file(&name, error.to_string()))?;
        let refused = |error: candle_core::Error| {
            let error = error.to_string();
            let problem = error.lines().next().unwrap_or_default().to_owned();
            InputError::key(&name, "tokenizer.ggml", problem)
        };
        let content = Content::read(&mut BufReader::new(file)).map_err(refused)?;
        let truth = |key: &str, usual: bool| {
            let value = content.metadata.get(&format!("tokenizer.ggml.{key}"));
            value.and_then(|value| value.to_bool().ok()).unwrap_or(usual)
        };
        let pieces = sentencepiece::is_kind_of(&content);
        let begin = content.metadata.get("tokenizer.ggml.bos_token_id");
        let begin = begin.and_then(|id| id.to_u32().ok());
        let begin = begin.filter(|_| truth("add_bos_token", pieces));
        if pieces {
            let prefix = if truth("add_space_prefix", true) { " " } else { "" };
            let tokenizer = sentencepiece::tokenizer(&content).map_err(refused)?;
            return Ok(Self { tokenizer, begin, prefix });
        }
        let mut tokenizer = Tokenizer::from_gguf(&content).map_err(refused)?;
        // candle puts a space before every text; GPT-2 and later tokenizers do not.
        if let Some(PreTokenizerWrapper::ByteLevel(bytes)) = tokenizer.get_pre_tokenizer() {
            let bytes = ByteLevel::new(false, bytes.trim_offsets, bytes.use_regex);
            tokenizer.with_pre_tokenizer(Some(bytes));
        }
        Ok(Self { begin, ..Self::plain(tokenizer) })
    }
}

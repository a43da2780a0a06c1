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

use crate::measure::Windows;
use crate::squad::{self, Exercise};
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
    /// Where answers end and how many tokens they have, in a text of questions and answers; empty
    /// for other texts.
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    end: usize,
    length: usize,
}

impl Text {
    /// Reads a text in the vocabulary of a GGUF file, or of a folder of safetensors. A text whose
    /// name ends in `.json` is one of questions and answers in the form of SQuAD, of which each
    /// window ends with an answer, and the loss is that of answers.
    ///
    /// # Errors
    /// Files that cannot be read, a file without a vocabulary of byte pairs, JSON of another form.
    pub fn read(text: &Path, model: &Path) -> Result<Self, LlamaError> {
        let words = read_text(text)?;
        let Vocabulary { tokenizer, begin, prefix } = match model.is_dir() {
            true => Vocabulary::plain(folder::tokenizer(model)?),
            false => Vocabulary::read(model)?,
        };
        let file = text.display().to_string();
        // Line by line, so that a long text is never split at once.
        let mut tokens = Vec::new();
        let mut read = |text: &str| -> Result<usize, InputError> {
            let before = tokens.len();
            for line in text.split_inclusive('\n') {
                let encoded = tokenizer.encode_fast(line, false);
                let encoded =
                    encoded.map_err(|error| InputError::file(&file, error.to_string()))?;
                tokens.extend_from_slice(encoded.get_ids());
            }
            Ok(tokens.len() - before)
        };
        let mut answers = Vec::new();
        if squad::is_kind_of(&file) {
            let mut end = 0;
            for Exercise { prompt, answer } in squad::exercises(&file, &words)? {
                end += read(&format!("{prefix}{prompt}"))?;
                let length = read(&answer)?;
                end += length;
                answers.push(Answer { end, length });
            }
        } else {
            read(&format!("{prefix}{words}"))?;
        }
        Ok(Self { file, tokens, begin, answers })
    }

    /// Cuts off the last of so many equal parts, to be held out.
    pub fn hold_out(&mut self, parts: usize) -> Self {
        let kept = self.tokens.len() - self.tokens.len() / parts;
        let (file, tokens) = (self.file.clone(), self.tokens.split_off(kept));
        let first = self.answers.partition_point(|answer| answer.end <= kept);
        let answers = self.answers.split_off(first).into_iter();
        let answers = answers.map(|answer| Answer { end: answer.end - kept, ..answer }).collect();
        Self { file, tokens, begin: self.begin, answers }
    }

    /// At most `count` tokens of it in windows of `context`, spread evenly, a few windows a piece:
    /// `[windows, context]`. Of questions and answers a window each, which ends with the answer.
    ///
    /// # Errors
    /// A text that is shorter than one window, or has no answer behind one.
    pub fn pieces(&self, count: usize, context: usize) -> Result<Vec<Windows>, LlamaError> {
        let wanted = count.div_ceil(context);
        let places = match self.answers.is_empty() {
            true => self.spread(wanted, context),
            false => self.answered(wanted, context),
        };
        if places.is_empty() {
            let problem = format!("{} tokens; {context} or more are needed", self.tokens.len());
            return Err(InputError::file(&self.file, problem).into());
        }
        let piece = |places: &[(usize, usize)]| {
            let window = |&(start, _): &(usize, usize)| &self.tokens[start..start + context];
            let mut tokens: Vec<u32> = places.iter().flat_map(window).copied().collect();
            if let Some(begin) = self.begin {
                tokens.iter_mut().step_by(context).for_each(|first| *first = begin);
            }
            let tokens = Tensor::from_vec(tokens, (places.len(), context), &Device::Cpu)?;
            Ok(Windows { tokens, scored: places.iter().map(|&(_, scored)| scored).collect() })
        };
        places.chunks((PIECE / context).max(1)).map(piece).collect()
    }

    /// Starts of windows over all of the text, of which each token but the first is scored.
    fn spread(&self, wanted: usize, context: usize) -> Vec<(usize, usize)> {
        let windows = (self.tokens.len() / context).min(wanted);
        let room = self.tokens.len().saturating_sub(context);
        let gap = room / windows.max(2).saturating_sub(1);
        (0..windows).map(|window| (window * gap, context - 1)).collect()
    }

    /// Starts of windows that end with answers, and the lengths of these.
    fn answered(&self, wanted: usize, context: usize) -> Vec<(usize, usize)> {
        let fits = |answer: &&Answer| answer.end >= context && answer.length < context;
        let usable: Vec<&Answer> = self.answers.iter().filter(fits).collect();
        let windows = usable.len().min(wanted);
        let chosen = (0..windows).map(|window| usable[window * usable.len() / windows]);
        chosen.map(|answer| (answer.end - context, answer.length)).collect()
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

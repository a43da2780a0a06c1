//! The metadata that llama.cpp's loaders ask for, from a shape or around a header that exists.

use std::fs::File;
use std::io::{Error, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::Header;
use super::draft::{Draft, Tensor, Value};
use crate::shape::{Latent, RecurrenceKind};
use crate::{Shape, TensorClass, TensorSpec};

/// Keys of a tokenizer: nothing that a dry run needs, and most of what a header weighs.
const TOKENIZER: &str = "tokenizer.";

/// Architectures whose headers [`Draft::of`] writes as their loaders want them.
pub const WRITTEN: [&str; 32] = [
    "bloom",
    "cohere2",
    "command-r",
    "deepseek2",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "glm4",
    "glm4moe",
    "gpt-oss",
    "gptneox",
    "granite",
    "granitehybrid",
    "granitemoe",
    "lfm2",
    "llama",
    "llama4",
    "minimax-m2",
    "nemotron_h",
    "olmo2",
    "olmoe",
    "phi3",
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen35",
    "qwen35moe",
    "qwen3moe",
    "qwen3next",
    "smollm3",
    "starcoder2",
];

/// Architectures that subtract the mean where others only scale.
const LAYER_NORM: [&str; 8] =
    ["bloom", "cohere2", "command-r", "falcon", "gptneox", "nemotron_h", "olmo", "starcoder2"];

impl Draft {
    /// A llama of that shape, whatever its own architecture is called, without its tensors and
    /// vocabulary.
    pub fn llama(name: &str, shape: &Shape, context: u64) -> Self {
        let plain = Shape { architecture: None, window: None, ..shape.clone() };
        Self::of(name, &plain, context)
    }

    /// A model of that shape, made for `context` positions, without its tensors and vocabulary:
    /// what the loader of its architecture asks for. What normalizes and how positions turn are
    /// those of the first llama (Touvron et al. 2023).
    pub fn of(name: &str, shape: &Shape, context: u64) -> Self {
        let mut draft = Self::default();
        let architecture = shape.architecture();
        draft.set("general.architecture", Value::Text(architecture.into()));
        draft.set("general.name", Value::Text(name.into()));
        let mut number = |key: &str, number: u64| {
            draft.set(&format!("{architecture}.{key}"), Value::U32(narrow(number)));
        };
        for (key, value) in [
            ("block_count", shape.blocks),
            ("context_length", context),
            ("embedding_length", shape.hidden),
            ("feed_forward_length", shape.ffn),
            ("vocab_size", shape.vocab),
            ("attention.head_count", shape.heads),
            ("attention.head_count_kv", shape.kv_heads),
            ("attention.key_length", shape.head_dim),
            ("attention.value_length", shape.head_dim),
            ("rope.dimension_count", shape.head_dim),
        ] {
            number(key, value);
        }
        if let Some(window) = shape.window {
            number("attention.sliding_window", window);
        }
        if let Some(experts) = &shape.experts {
            number("expert_count", experts.count);
            number("expert_used_count", experts.used);
            number("expert_feed_forward_length", experts.ffn);
            number("leading_dense_block_count", experts.dense_first);
            number("interleave_moe_layer_step", experts.every);
            number("expert_shared_count", experts.shared.div_ceil(experts.ffn.max(1)));
            if experts.shared > 0 {
                number("expert_shared_feed_forward_length", experts.shared);
            }
            // Sigmoid where the choice has a bias, softmax elsewhere.
            number("expert_gating_func", if experts.choice_bias { 2 } else { 1 });
        }
        if let Some(Latent { query_rank, rank, rope, nope, value }) = shape.latent {
            number("attention.head_count_kv", 1);
            number("attention.key_length", rank + rope);
            number("attention.value_length", rank);
            number("attention.key_length_mla", nope + rope);
            number("attention.value_length_mla", value);
            number("attention.kv_lora_rank", rank);
            number("rope.dimension_count", rope);
            if let Some(rank) = query_rank {
                number("attention.q_lora_rank", rank);
            }
        }
        draft.recurrences(shape);
        draft.windows(shape);
        draft.constants(architecture);
        draft
    }

    fn recurrences(&mut self, shape: &Shape) {
        let Some(recurrence) = &shape.recurrent else { return };
        let architecture = shape.architecture().to_owned();
        let mut set = |key: &str, value: Value| self.set(&format!("{architecture}.{key}"), value);
        if recurrence.kind == RecurrenceKind::ShortConvolution {
            set("shortconv.l_cache", Value::U32(narrow(recurrence.kernel)));
        } else {
            for (key, value) in [
                ("conv_kernel", recurrence.kernel),
                ("inner_size", recurrence.inner),
                ("state_size", recurrence.state),
                ("group_count", recurrence.groups),
                ("time_step_rank", recurrence.heads),
            ] {
                set(&format!("ssm.{key}"), Value::U32(narrow(value)));
            }
        }
        let by_block = |value: &dyn Fn(u64) -> u64| {
            let all = (0..shape.blocks).map(|block| narrow(value(block)) as i32);
            Value::Numbers(all.collect())
        };
        match recurrence.attention_every {
            Some(every) => set("full_attention_interval", Value::U32(narrow(every))),
            None => {
                let keys = |block| if recurrence.attends(block) { shape.kv_heads } else { 0 };
                set("attention.head_count_kv", by_block(&keys));
            }
        }
        if !recurrence.feed_forward.is_empty() {
            let ffn = |block| if recurrence.feed_forward.contains(&block) { shape.ffn } else { 0 };
            set("feed_forward_length", by_block(&ffn));
        }
        if recurrence.kind == RecurrenceKind::GatedDeltaNet {
            set("rope.dimension_count", Value::U32(narrow(shape.head_dim / 4)));
        }
    }

    fn windows(&mut self, shape: &Shape) {
        let key = format!("{}.attention.sliding_window_pattern", shape.architecture());
        match (shape.windowed.as_slice(), shape.global_every) {
            ([], Some(every)) => self.set(&key, Value::U32(narrow(every))),
            ([], None) => {}
            (listed, _) => {
                let behind = (0..shape.blocks).map(|block| listed.contains(&block));
                self.set(&key, Value::Truths(behind.collect()));
            }
        }
    }

    /// What is asked for and matters to no size, where it is not there yet.
    fn constants(&mut self, architecture: &str) {
        let sections = Value::Numbers(vec![11, 11, 10, 0]);
        let constants = [
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("attention.layer_norm_epsilon", Value::F32(1e-5)),
            ("rope.freq_base", Value::F32(10_000.0)),
            ("rope.dimension_sections", sections),
            ("logit_scale", Value::F32(1.0)),
            ("use_parallel_residual", Value::Copied(7, vec![1])),
        ];
        for (key, value) in constants {
            let asked = match key {
                "attention.layer_norm_rms_epsilon" => {
                    !LAYER_NORM.contains(&architecture) || architecture == "nemotron_h"
                }
                "attention.layer_norm_epsilon" => LAYER_NORM.contains(&architecture),
                "rope.dimension_sections" => architecture.starts_with("qwen35"),
                "logit_scale" => ["granite", "cohere", "command-r"]
                    .iter()
                    .any(|family| architecture.starts_with(family)),
                "use_parallel_residual" => architecture == "gptneox",
                _ => true,
            };
            let key = format!("{architecture}.{key}");
            if asked && self.metadata.iter().all(|(known, _)| *known != key) {
                self.set(&key, value);
            }
        }
    }

    /// The header of a file, without its tokenizer and with what a loader asks for beside it.
    ///
    /// # Errors
    /// What reading the file again brings.
    pub fn around(header: &Header, path: &Path) -> Result<Self> {
        let mut draft = Self { alignment: header.alignment, ..Self::default() };
        let mut file = File::open(path)?;
        for pair in &header.pairs {
            if pair.key.starts_with(TOKENIZER) || pair.key.starts_with("split.") {
                continue;
            }
            let mut bytes = vec![0; (pair.span.end - pair.span.start) as usize];
            file.seek(SeekFrom::Start(pair.span.start))?;
            file.read_exact(&mut bytes)?;
            draft.metadata.push((pair.key.clone(), Value::Copied(pair.kind, bytes)));
        }
        for tensor in &header.tensors {
            let used = tensor.dimensions.iter().rposition(|&length| length > 1).unwrap_or(0);
            let (name, kind) = (tensor.name.clone(), tensor.stored.ggml_id);
            let dimensions = tensor.dimensions[..=used].to_vec();
            draft.tensors.push(Tensor { name, dimensions, kind });
        }
        let architecture = header.named_architecture().map_err(Error::other)?.to_owned();
        let vocab = format!("{architecture}.vocab_size");
        if draft.metadata.iter().all(|(known, _)| *known != vocab) {
            let rows = header.tensors.iter().find(|tensor| tensor.name == super::EMBEDDING);
            let rows = rows.map_or(0, super::Tensor::rows);
            draft.set(&vocab, Value::U32(narrow(rows)));
        }
        draft.constants(&architecture);
        Ok(draft)
    }

    /// Says that there is no vocabulary, which a loader believes.
    pub fn without_vocabulary(&mut self) {
        self.metadata.retain(|(key, _)| !key.starts_with(TOKENIZER));
        self.set("tokenizer.ggml.model", Value::Text("no_vocab".into()));
    }

    /// Writes the header, and makes the file as long as its tensors say without writing these:
    /// on most file systems it takes no more than its header. Its weights read as zeros.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_sparse(&self, path: &Path) -> Result<()> {
        let header = self.header();
        let mut end = (header.len() as u64).next_multiple_of(self.alignment);
        for tensor in &self.tensors {
            end = end.saturating_add(tensor.bytes()).next_multiple_of(self.alignment);
        }
        let mut file = File::create(path)?;
        file.write_all(&header)?;
        file.set_len(end)
    }
}

/// Shapes are far below the limit.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Shape {
    /// The dimensions in which a GGUF file stores a tensor of this shape.
    pub fn dimensions(&self, tensor: &TensorSpec) -> Vec<u64> {
        let TensorSpec { rows, row_len, .. } = *tensor;
        let matrices = match tensor.class {
            TensorClass::FfnGateExps
            | TensorClass::FfnUpExps
            | TensorClass::FfnDownExps
            | TensorClass::FfnGateUpExps => self.experts.as_ref().map(|experts| experts.count),
            TensorClass::AttnKB | TensorClass::AttnVB => Some(self.heads),
            _ => None,
        };
        match matrices {
            Some(matrices) => vec![row_len, rows / matrices.max(1), matrices],
            None if rows == 1 => vec![row_len],
            None => vec![row_len, rows],
        }
    }
}

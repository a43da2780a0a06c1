//! Models: layers and tensors, from the catalog, a Hugging Face `config.json` or another tool.

mod catalog;
mod config;
mod shape;

use std::path::Path;

use edgeplan_problem::Bytes;
use serde::{Deserialize, Serialize};

pub use catalog::names;
pub use shape::Shape;

use crate::file::{InputError, read_text};
use crate::format::Format;
use crate::import::distilp;

/// A model as the planner sees it: a chain of layers, each a list of tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// A name for people.
    pub name: String,
    /// Length of a hidden state.
    pub hidden: u64,
    /// Tokens in the vocabulary.
    pub vocab: u64,
    /// Embedding, blocks, head.
    pub layers: Vec<LayerSpec>,
    /// Whether the head uses the embedding's tensor.
    pub tied: bool,
}

/// One layer of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    /// `embedding`, `block 3`, `head`.
    pub name: String,
    /// Which of the three it is.
    pub kind: LayerKind,
    /// Its tensors.
    pub tensors: Vec<TensorSpec>,
    /// Elements of K and V that one token adds to the cache.
    pub kv_elements: u64,
    /// Tokens that attention looks back on; all if none.
    pub window: Option<u64>,
}

/// Which part of a model a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// Turns token ids into hidden states.
    Embedding,
    /// Attention and feed-forward.
    Block,
    /// Turns hidden states into logits.
    Head,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// As GGUF names it (`blk.3.attn_q.weight`).
    pub name: String,
    /// What it does.
    pub class: TensorClass,
    /// Rows (outputs).
    pub rows: u64,
    /// Elements of a row (inputs), the dimension that is quantized in blocks.
    pub row_len: u64,
    /// Whether a plan may choose its format; norms, biases and tables keep f32.
    pub quantizable: bool,
}

/// What a tensor does, in GGUF's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TensorClass {
    /// Query projection.
    AttnQ,
    /// Key projection.
    AttnK,
    /// Value projection.
    AttnV,
    /// The three in one.
    AttnQkv,
    /// Output projection of attention.
    AttnOutput,
    /// Gate of the feed-forward part.
    FfnGate,
    /// First projection of the feed-forward part.
    FfnUp,
    /// Second projection of the feed-forward part.
    FfnDown,
    /// Token embedding.
    TokenEmbd,
    /// Head.
    Output,
    /// Learned positions.
    PositionEmbd,
    /// Between an embedding and a hidden state of other length.
    Projection,
    /// Weight of a normalization.
    Norm,
    /// Bias of anything.
    Bias,
}

impl TensorClass {
    /// The word that GGUF names use, without block and suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::AttnQ => "attn_q",
            Self::AttnK => "attn_k",
            Self::AttnV => "attn_v",
            Self::AttnQkv => "attn_qkv",
            Self::AttnOutput => "attn_output",
            Self::FfnGate => "ffn_gate",
            Self::FfnUp => "ffn_up",
            Self::FfnDown => "ffn_down",
            Self::TokenEmbd => "token_embd",
            Self::Output => "output",
            Self::PositionEmbd => "position_embd",
            Self::Projection => "projection",
            Self::Norm => "norm",
            Self::Bias => "bias",
        }
    }
}

impl TensorSpec {
    /// Elements.
    pub fn elements(&self) -> u64 {
        self.rows.saturating_mul(self.row_len)
    }

    /// Bytes in that format, or in f32 if it may not be quantized; `None` where a row is not a
    /// whole number of blocks.
    pub fn bytes(&self, format: Format) -> Option<Bytes> {
        let format = if self.quantizable { format } else { Format::F32 };
        format.bytes(self.rows, self.row_len)
    }
}

impl ModelSpec {
    /// Parameters; a tied tensor counts once.
    pub fn parameters(&self) -> u64 {
        let tensors = self.layers.iter().flat_map(|layer| &layer.tensors);
        let tied = |tensor: &&TensorSpec| !(self.tied && tensor.class == TensorClass::Output);
        tensors.filter(tied).map(TensorSpec::elements).sum()
    }
}

/// Reads a model: `catalog:NAME`, a `config.json`, a folder that holds one, or distilp's profile.
///
/// # Errors
/// An unknown name with the nearest known one; a file that cannot be read or makes no sense.
pub fn load(spec: &str) -> Result<ModelSpec, InputError> {
    if let Some(name) = spec.strip_prefix("catalog:") {
        return catalog::find(name);
    }
    let mut path = Path::new(spec).to_path_buf();
    if path.is_dir() {
        path.push("config.json");
    }
    let (file, text) = (path.display().to_string(), read_text(&path)?);
    match distilp::is_model(&text) {
        true => distilp::model(&file, &text),
        false => config::parse(&file, &text),
    }
}

//! From an architecture's numbers to its tensors.

mod block;
mod kinds;

use serde::Deserialize;

use super::{LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};
pub use kinds::{Experts, GlobalHeads, Latent, Recurrence, RecurrenceKind};

/// The numbers that define a decoder-only transformer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shape {
    /// Blocks.
    pub blocks: u64,
    /// Length of a hidden state.
    pub hidden: u64,
    /// Inner length of the feed-forward part.
    pub ffn: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Length of a head.
    pub head_dim: u64,
    /// Tokens in the vocabulary.
    pub vocab: u64,
    /// Whether the head uses the embedding's tensor.
    #[serde(default)]
    pub tied: bool,
    /// Whether the feed-forward part has a gate.
    #[serde(default = "yes")]
    pub gate: bool,
    /// Whether query, key and value are one tensor.
    #[serde(default)]
    pub fused_qkv: bool,
    /// Whether query, key and value have biases.
    #[serde(default)]
    pub qkv_bias: bool,
    /// Whether every projection and normalization has a bias.
    #[serde(default)]
    pub bias: bool,
    /// Whether queries and keys are normalized.
    #[serde(default)]
    pub qk_norm: bool,
    /// Normalizations per block.
    #[serde(default = "two")]
    pub norms: u64,
    /// Whether there is one after the last block.
    #[serde(default = "yes")]
    pub final_norm: bool,
    /// Whether the embedding is normalized.
    #[serde(default)]
    pub embedding_norm: bool,
    /// Rows of a table of learned positions.
    #[serde(default)]
    pub positions: u64,
    /// Length of an embedding, where it is not that of a hidden state.
    #[serde(default)]
    pub embedding: Option<u64>,
    /// Tokens that attention looks back on, in blocks that do not see everything.
    #[serde(default)]
    pub window: Option<u64>,
    /// Every so many blocks one sees everything, despite the window.
    #[serde(default)]
    pub global_every: Option<u64>,
    /// Blocks behind the window, where no rule tells.
    #[serde(default)]
    pub windowed: Vec<u64>,
    /// GGUF's name of the architecture; `llama` where nothing is said.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Most tokens of a sequence that the model was made for.
    #[serde(default)]
    pub context: Option<u64>,
    /// Routed experts, in place of the feed-forward network.
    #[serde(default)]
    pub experts: Option<Experts>,
    /// Multi-head latent attention.
    #[serde(default)]
    pub latent: Option<Latent>,
    /// Blocks without attention.
    #[serde(default)]
    pub recurrent: Option<Recurrence>,
    /// Heads of blocks that see everything, where they differ.
    #[serde(default)]
    pub global_heads: Option<GlobalHeads>,
    /// Last blocks that read the cache of an earlier one.
    #[serde(default)]
    pub shared_kv: u64,
    /// Whether queries come with a gate on the output of attention, in one tensor.
    #[serde(default)]
    pub gated_query: bool,
    /// Whether the output projection of attention has a bias.
    #[serde(default)]
    pub output_bias: bool,
    /// Whether normalizations have biases; as projections where nothing is said.
    #[serde(default)]
    pub norm_bias: Option<bool>,
    /// Whether queries and keys are normalized over all heads at once.
    #[serde(default)]
    pub whole_qk_norm: bool,
    /// Whether gate and first projection of the feed-forward network are one tensor.
    #[serde(default)]
    pub fused_gate: bool,
    /// Whether every query head has a logit of its own for attending to nothing.
    #[serde(default)]
    pub sinks: bool,
}

impl Default for Shape {
    /// Llama's kind of block, every length still 0.
    fn default() -> Self {
        Self {
            blocks: 0,
            hidden: 0,
            ffn: 0,
            heads: 0,
            kv_heads: 0,
            head_dim: 0,
            vocab: 0,
            tied: false,
            gate: yes(),
            fused_qkv: false,
            qkv_bias: false,
            bias: false,
            qk_norm: false,
            norms: two(),
            final_norm: yes(),
            embedding_norm: false,
            positions: 0,
            embedding: None,
            window: None,
            global_every: None,
            windowed: Vec::new(),
            architecture: None,
            context: None,
            experts: None,
            latent: None,
            recurrent: None,
            global_heads: None,
            shared_kv: 0,
            gated_query: false,
            output_bias: false,
            norm_bias: None,
            whole_qk_norm: false,
            fused_gate: false,
            sinks: false,
        }
    }
}

fn yes() -> bool {
    true
}

fn two() -> u64 {
    2
}

impl Shape {
    /// The model of that shape.
    pub fn model(&self, name: &str) -> ModelSpec {
        let mut layers = vec![self.embedding()];
        layers.extend((0..self.blocks).map(|block| self.block(block)));
        layers.push(self.head());
        ModelSpec {
            name: name.into(),
            hidden: self.hidden,
            vocab: self.vocab,
            layers,
            tied: self.tied,
            further_blocks: 0,
            context_max: self.context,
            notes: Vec::new(),
            caches: Vec::new(),
        }
    }

    /// GGUF's name of the architecture.
    pub fn architecture(&self) -> &str {
        self.architecture.as_deref().unwrap_or("llama")
    }

    fn norm_bias(&self) -> bool {
        self.norm_bias.unwrap_or(self.bias)
    }

    fn width(&self) -> u64 {
        self.embedding.unwrap_or(self.hidden)
    }

    fn embedding(&self) -> LayerSpec {
        let mut tensors = Tensors::new(String::new());
        tensors.matrix("token_embd", TensorClass::TokenEmbd, (self.vocab, self.width()));
        if self.positions > 0 {
            let size = (self.positions, self.hidden);
            tensors.fixed("position_embd.weight", TensorClass::PositionEmbd, size);
        }
        if self.width() != self.hidden {
            tensors.matrix("project_in", TensorClass::Projection, (self.hidden, self.width()));
        }
        if self.embedding_norm {
            tensors.norm("token_embd_norm", self.hidden, self.norm_bias());
        }
        layer(Part::Embedding, tensors)
    }

    fn head(&self) -> LayerSpec {
        let mut tensors = Tensors::new(String::new());
        if self.final_norm {
            // LFM2's files call it after the embedding.
            let lfm2 = self.architecture() == "lfm2";
            let name = if lfm2 { "token_embd_norm" } else { "output_norm" };
            tensors.norm(name, self.hidden, self.norm_bias());
        }
        if self.width() != self.hidden {
            tensors.matrix("project_out", TensorClass::Projection, (self.width(), self.hidden));
        }
        tensors.matrix("output", TensorClass::Output, (self.vocab, self.width()));
        layer(Part::Head, tensors)
    }
}

fn layer(part: Part, tensors: Tensors) -> LayerSpec {
    LayerSpec::without_attention(part, tensors.found)
}

/// The tensors of one layer, in the making.
struct Tensors {
    prefix: String,
    found: Vec<TensorSpec>,
}

impl Tensors {
    fn new(prefix: String) -> Self {
        Self { prefix, found: Vec::new() }
    }

    fn push(&mut self, name: &str, class: TensorClass, size: (u64, u64), quantizable: bool) {
        let name = format!("{}{name}", self.prefix);
        let (rows, row_len) = size;
        let (native, experts, measured) = (None, None, Vec::new());
        self.found.push(TensorSpec {
            name,
            class,
            rows,
            row_len,
            quantizable,
            native,
            experts,
            measured,
        });
    }

    fn matrix(&mut self, name: &str, class: TensorClass, size: (u64, u64)) {
        self.push(&format!("{name}.weight"), class, size, true);
    }

    fn fixed(&mut self, name: &str, class: TensorClass, size: (u64, u64)) {
        self.push(name, class, size, false);
    }

    fn projection(&mut self, class: TensorClass, size: (u64, u64), bias: bool) {
        self.matrix(class.name(), class, size);
        if bias {
            self.fixed(&format!("{}.bias", class.name()), TensorClass::Bias, (1, size.0));
        }
    }

    fn norm(&mut self, name: &str, length: u64, bias: bool) {
        self.fixed(&format!("{name}.weight"), TensorClass::Norm, (1, length));
        if bias {
            self.fixed(&format!("{name}.bias"), TensorClass::Bias, (1, length));
        }
    }
}

//! From an architecture's numbers to its tensors.

use serde::Deserialize;

use super::{Heads, LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};

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
        let (hidden, vocab, tied) = (self.hidden, self.vocab, self.tied);
        ModelSpec { name: name.into(), hidden, vocab, layers, tied }
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
            tensors.norm("token_embd_norm", self.hidden, self.bias);
        }
        layer(Part::Embedding, tensors)
    }

    fn block(&self, block: u64) -> LayerSpec {
        let (query, key) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut tensors = Tensors::new(format!("blk.{block}."));
        let qkv_bias = self.bias || self.qkv_bias;
        if self.fused_qkv {
            let rows = query + 2 * key;
            tensors.projection(TensorClass::AttnQkv, (rows, self.hidden), qkv_bias);
        } else {
            tensors.projection(TensorClass::AttnQ, (query, self.hidden), qkv_bias);
            tensors.projection(TensorClass::AttnK, (key, self.hidden), qkv_bias);
            tensors.projection(TensorClass::AttnV, (key, self.hidden), qkv_bias);
        }
        tensors.projection(TensorClass::AttnOutput, (self.hidden, query), self.bias);
        if self.gate {
            tensors.projection(TensorClass::FfnGate, (self.ffn, self.hidden), self.bias);
        }
        tensors.projection(TensorClass::FfnUp, (self.ffn, self.hidden), self.bias);
        tensors.projection(TensorClass::FfnDown, (self.hidden, self.ffn), self.bias);
        let names = ["attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm"];
        for name in names.iter().take(self.norms as usize) {
            tensors.norm(name, self.hidden, self.bias);
        }
        if self.qk_norm {
            tensors.norm("attn_q_norm", self.head_dim, false);
            tensors.norm("attn_k_norm", self.head_dim, false);
        }
        let mut layer = layer(Part::Block(block as usize), tensors);
        layer.kv_elements = 2 * key;
        let heads = Heads { query: self.heads, key: self.kv_heads, length: self.head_dim };
        layer.attention = Some(heads);
        let sees_all = self.global_every.is_some_and(|every| (block + 1).is_multiple_of(every));
        layer.window = self.window.filter(|_| !sees_all);
        layer
    }

    fn head(&self) -> LayerSpec {
        let mut tensors = Tensors::new(String::new());
        if self.final_norm {
            tensors.norm("output_norm", self.hidden, self.bias);
        }
        if self.width() != self.hidden {
            tensors.matrix("project_out", TensorClass::Projection, (self.width(), self.hidden));
        }
        tensors.matrix("output", TensorClass::Output, (self.vocab, self.width()));
        layer(Part::Head, tensors)
    }
}

fn layer(part: Part, tensors: Tensors) -> LayerSpec {
    let tensors = tensors.found;
    LayerSpec { part, tensors, kv_elements: 0, attention: None, window: None }
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

//! What blocks have in place of plain attention and one feed-forward network.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::StoredType;

/// Routed experts in place of one feed-forward network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experts {
    /// Experts of a block.
    pub count: u64,
    /// Experts that a token uses.
    pub used: u64,
    /// Inner length of one expert.
    pub ffn: u64,
    /// Inner length of the expert that every token uses, or of all such together; 0 without one.
    #[serde(default)]
    pub shared: u64,
    /// Whether a gate weighs the shared expert.
    #[serde(default)]
    pub shared_gate: bool,
    /// First blocks that have a feed-forward network instead.
    #[serde(default)]
    pub dense_first: u64,
    /// Every so many blocks one has experts, the last of them.
    #[serde(default = "one")]
    pub every: u64,
    /// Whether experts, router and shared expert have biases.
    #[serde(default)]
    pub bias: bool,
    /// Whether the choice of experts has a bias of its own.
    #[serde(default)]
    pub choice_bias: bool,
    /// Whether a feed-forward network runs beside the experts in every block.
    #[serde(default)]
    pub beside_dense: bool,
    /// The type in which their matrices are published, and which they keep: finer formats add
    /// bytes, not quality. None where they are published in floats.
    #[serde(default, deserialize_with = "stored_type")]
    pub stored: Option<StoredType>,
}

impl Experts {
    /// So many in every block, of which a token uses so many, each of that inner length; nothing
    /// beside them.
    pub fn in_every_block(count: u64, used: u64, ffn: u64) -> Self {
        Self {
            count,
            used,
            ffn,
            shared: 0,
            shared_gate: false,
            dense_first: 0,
            every: 1,
            bias: false,
            choice_bias: false,
            beside_dense: false,
            stored: None,
        }
    }
}

fn stored_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StoredType>, D::Error> {
    let name = String::deserialize(deserializer)?;
    StoredType::named(&name)
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("`{name}` is no tensor type of ggml")))
}

fn one() -> u64 {
    1
}

impl Experts {
    /// Whether that block has experts.
    pub(crate) fn in_block(&self, block: u64) -> bool {
        block >= self.dense_first && (block + 1).is_multiple_of(self.every.max(1))
    }
}

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): keys and values are cached
/// compressed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Latent {
    /// Length of compressed queries, where these are compressed.
    #[serde(default)]
    pub query_rank: Option<u64>,
    /// Length of compressed keys and values.
    pub rank: u64,
    /// Elements of a key that turn with the position, the same in all heads.
    pub rope: u64,
    /// Elements of a head's key that do not.
    pub nope: u64,
    /// Elements of a head's value.
    pub value: u64,
}

/// Blocks without attention, and where attention remains.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recurrence {
    /// What they have instead.
    pub kind: RecurrenceKind,
    /// Inputs that the convolution sees.
    pub kernel: u64,
    /// Inner length: all heads of values; 0 for a short convolution.
    #[serde(default)]
    pub inner: u64,
    /// Elements of the state per inner element: the length of a key.
    #[serde(default)]
    pub state: u64,
    /// Groups of keys.
    #[serde(default)]
    pub groups: u64,
    /// Heads of the recurrence.
    #[serde(default)]
    pub heads: u64,
    /// Every so many blocks one has attention, the last of them.
    #[serde(default)]
    pub attention_every: Option<u64>,
    /// Blocks that have attention, where no rule tells.
    #[serde(default)]
    pub attention: Vec<u64>,
    /// Blocks that have neither, but a feed-forward network or experts alone; every other block has
    /// none of these. Empty where every block has one.
    #[serde(default)]
    pub feed_forward: Vec<u64>,
}

/// Kinds of recurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecurrenceKind {
    /// Gated delta net (arXiv 2412.06464), as Qwen3-Next has it.
    GatedDeltaNet,
    /// Mamba 2 (arXiv 2405.21060).
    Mamba2,
    /// Short convolution with gates, as LFM2 has it.
    ShortConvolution,
}

impl Recurrence {
    /// Whether that block has attention.
    pub(crate) fn attends(&self, block: u64) -> bool {
        match self.attention_every {
            Some(every) => (block + 1).is_multiple_of(every.max(1)),
            None => self.attention.contains(&block),
        }
    }

    /// Elements of all keys and queries of the recurrence together.
    pub(crate) fn keys(&self) -> u64 {
        2 * self.groups * self.state
    }

    /// Elements of f32 per sequence: the convolution's last inputs, and the state.
    pub(crate) fn state_elements(&self, hidden: u64) -> u64 {
        let columns = self.kernel.saturating_sub(1);
        match self.kind {
            RecurrenceKind::ShortConvolution => hidden * columns,
            RecurrenceKind::GatedDeltaNet | RecurrenceKind::Mamba2 => {
                columns * (self.inner + self.keys()) + self.inner * self.state
            }
        }
    }
}

/// Heads of blocks that see everything, where these differ from those behind a window.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GlobalHeads {
    /// Key and value heads.
    pub kv_heads: u64,
    /// Length of a head.
    pub head_dim: u64,
    /// Whether keys serve as values, so that there is no projection of values.
    #[serde(default)]
    pub keys_as_values: bool,
}

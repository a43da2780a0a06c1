//! One block: attention, then the feed-forward part, each beside a residual stream.

use candle_core::{Result, Tensor};

use crate::attention::Cache;
use crate::llama::Llama;
use crate::matrix::Projection;
use crate::observe::Observer;
use crate::rope::Table;

/// RMS norm: x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019, equation 4).
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Tensor,
    pub(crate) epsilon: f32,
}

impl Norm {
    pub(crate) fn apply(&self, input: &Tensor) -> Result<Tensor> {
        candle_nn::ops::rms_norm(input, &self.weight, self.epsilon)
    }
}

/// The weights of one block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) attention_norm: Norm,
    pub(crate) query: Projection,
    pub(crate) key: Projection,
    pub(crate) value: Projection,
    pub(crate) output: Projection,
    pub(crate) ffn_norm: Norm,
    pub(crate) gate: Projection,
    pub(crate) up: Projection,
    pub(crate) down: Projection,
}

/// Where a block stands in a pass.
pub(crate) struct Place<'a> {
    pub(crate) llama: &'a Llama,
    pub(crate) table: &'a Table,
    /// Position of the first row.
    pub(crate) first: usize,
}

impl Block {
    /// Hidden states `[positions, hidden]` through the block; their keys and values stay in the
    /// cache.
    pub(crate) fn apply(
        &self,
        input: &Tensor,
        place: &Place<'_>,
        cache: &mut Cache,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let Place { llama, table, first } = place;
        let positions = input.dim(0)?;
        // [positions, heads * head_dim] to [heads, positions, head_dim]
        let heads = |flat: Tensor, count: usize| {
            flat.reshape((positions, count, llama.head_dim))?.transpose(0, 1)
        };
        let normed = self.attention_norm.apply(input)?;
        let query = heads(self.query.apply(&normed, observer)?, llama.heads)?;
        let key = heads(self.key.apply(&normed, observer)?, llama.kv_heads)?;
        let value = heads(self.value.apply(&normed, observer)?, llama.kv_heads)?;
        cache.put(&table.turn(&key, *first)?, &value, *first)?;
        let attended = cache.attend(&table.turn(&query, *first)?, first + positions)?;
        let width = llama.heads * llama.head_dim;
        let attended = attended.transpose(0, 1)?.contiguous()?.reshape((positions, width))?;
        let middle = (input + self.output.apply(&attended, observer)?)?;

        // W_down (silu(W_gate x) * W_up x) (Shazeer 2020, equation 6)
        let normed = self.ffn_norm.apply(&middle)?;
        let gate = self.gate.apply(&normed, observer)?.silu()?;
        let gated = (gate * self.up.apply(&normed, observer)?)?;
        middle + self.down.apply(&gated, observer)?
    }
}

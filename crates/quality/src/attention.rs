//! Attention, over batches.

use candle_core::{DType, Device, Result, Tensor};

use crate::architecture::{Architecture, Sight};
use crate::decoder::Decoder;

impl Decoder {
    /// softmax(s Q K^T) V, s the scale, no query looking ahead; keys and values are shared by
    /// groups of queries (Ainslie et al. 2023). All `[batch, positions, heads * head_dim]`. Queries
    /// and keys are normalized by head where the block has norms for them.
    pub(crate) fn attend(&self, index: usize, [query, key, value]: [&Tensor; 3]) -> Result<Tensor> {
        let &Architecture { heads, kv_heads, head_dim, .. } = &self.architecture;
        let sight = &self.architecture.sights[index];
        let (batch, positions, _) = query.dims3()?;
        let split = |flat: &Tensor, heads: usize| {
            flat.reshape((batch, positions, heads, head_dim))?.transpose(1, 2)?.contiguous()
        };
        let placed = |stem: &str, flat: &Tensor, heads: usize| -> Result<Tensor> {
            let stem = format!("blk.{index}.{stem}");
            let heads = split(flat, heads)?;
            let heads = match self.weights.contains_key(&format!("{stem}.weight")) {
                true => self.norm(&stem, &heads)?,
                false => heads,
            };
            match &sight.turns {
                Some(turns) => turns.turn(&heads, self.trains),
                None => Ok(heads),
            }
        };
        let query = placed("attn_q_norm", query, heads)?;
        let key = self.shared(&placed("attn_k_norm", key, kv_heads)?)?;
        let value = self.shared(&split(value, kv_heads)?)?;
        let scores = (query.matmul(&key.t()?)? * self.architecture.attention_scale)?;
        let weights = self.softmax(&scores.broadcast_add(&mask(positions, sight)?)?)?;
        let attended = weights.matmul(&value)?.transpose(1, 2)?;
        attended.reshape((batch, positions, heads * head_dim))
    }

    /// Heads for every query, `[batch, heads, positions, head_dim]`.
    fn shared(&self, heads: &Tensor) -> Result<Tensor> {
        let (batch, count, positions, head_dim) = heads.dims4()?;
        let group = self.architecture.heads / count;
        if group == 1 {
            return Ok(heads.clone());
        }
        let shape = (batch, count, group, positions, head_dim);
        let repeated = heads.unsqueeze(2)?.broadcast_as(shape)?.contiguous()?;
        repeated.reshape((batch, count * group, positions, head_dim))
    }
}

/// `[positions, positions]`: minus infinity where a query would look ahead or beyond the window,
/// else 0.
fn mask(positions: usize, sight: &Sight) -> Result<Tensor> {
    let window = sight.window.unwrap_or(positions);
    let hidden = |row: usize, at: usize| at > row || at + window <= row;
    let value = |row, at| if hidden(row, at) { f32::NEG_INFINITY } else { 0.0 };
    let values: Vec<f32> =
        (0..positions).flat_map(|row| (0..positions).map(move |at| value(row, at))).collect();
    Tensor::from_vec(values, (positions, positions), &Device::Cpu)?.to_dtype(DType::F32)
}

//! Attention, over batches.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops;

use crate::decoder::{Architecture, Decoder};

impl Decoder {
    /// softmax(Q K^T / sqrt(head_dim)) V, no query looking ahead; keys and values are shared by
    /// groups of queries (Ainslie et al. 2023). All `[batch, positions, heads * head_dim]`.
    pub(crate) fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
        let &Architecture { heads, kv_heads, head_dim, .. } = &self.architecture;
        let (batch, positions, _) = query.dims3()?;
        let split = |flat: &Tensor, heads: usize| {
            flat.reshape((batch, positions, heads, head_dim))?.transpose(1, 2)?.contiguous()
        };
        let query = self.turn(&split(query, heads)?)?;
        let key = self.shared(&self.turn(&split(key, kv_heads)?)?)?;
        let value = self.shared(&split(value, kv_heads)?)?;
        let scores = (query.matmul(&key.t()?)? * (head_dim as f64).powf(-0.5))?;
        let scores = scores.broadcast_add(&self.mask(positions)?)?;
        let weights = match self.trains {
            true => ops::softmax(&scores, D::Minus1)?,
            false => ops::softmax_last_dim(&scores)?,
        };
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

    /// Turns heads `[batch, heads, positions, head_dim]` by their positions, unless these are
    /// learned.
    fn turn(&self, heads: &Tensor) -> Result<Tensor> {
        let Some((cos, sin)) = &self.architecture.turns else { return Ok(heads.clone()) };
        let (_, _, positions, head_dim) = heads.dims4()?;
        let dims = 2 * cos.dim(1)?;
        let (cos, sin) = (cos.narrow(0, 0, positions)?, sin.narrow(0, 0, positions)?);
        let front = heads.narrow(3, 0, dims)?.contiguous()?;
        let turned = match self.trains {
            true => candle_nn::rotary_emb::rope_i_slow(&front, &cos, &sin)?,
            false => candle_nn::rotary_emb::rope_i(&front, &cos, &sin)?,
        };
        if dims == head_dim {
            return Ok(turned);
        }
        Tensor::cat(&[&turned, &heads.narrow(3, dims, head_dim - dims)?], 3)
    }

    /// `[positions, positions]`: minus infinity where a query would look ahead or beyond the
    /// window, else 0.
    fn mask(&self, positions: usize) -> Result<Tensor> {
        let window = self.architecture.window.unwrap_or(positions);
        let hidden = |row: usize, at: usize| at > row || at + window <= row;
        let value = |row, at| if hidden(row, at) { f32::NEG_INFINITY } else { 0.0 };
        let values: Vec<f32> =
            (0..positions).flat_map(|row| (0..positions).map(move |at| value(row, at))).collect();
        Tensor::from_vec(values, (positions, positions), &Device::Cpu)?.to_dtype(DType::F32)
    }
}

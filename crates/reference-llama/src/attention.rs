//! Attention with grouped queries over a cache (Ainslie et al. 2023, arXiv:2305.13245).

use candle_core::{DType, Device, Result, Tensor};

/// Keys and values of one block: `[kv_heads, room, head_dim]` each, in f32.
#[derive(Debug)]
pub(crate) struct Cache {
    keys: Tensor,
    values: Tensor,
}

impl Cache {
    /// Room for that many positions; memory is taken as they fill.
    pub(crate) fn new(
        kv_heads: usize,
        room: usize,
        head_dim: usize,
        device: &Device,
    ) -> Result<Self> {
        let empty = || Tensor::zeros((kv_heads, room, head_dim), DType::F32, device);
        Ok(Self { keys: empty()?, values: empty()? })
    }

    /// Puts in the positions from `first` on, `[kv_heads, positions, head_dim]`.
    pub(crate) fn put(&mut self, keys: &Tensor, values: &Tensor, first: usize) -> Result<()> {
        self.keys.slice_set(&keys.contiguous()?, 1, first)?;
        self.values.slice_set(&values.contiguous()?, 1, first)
    }

    /// Attention of queries `[heads, positions, head_dim]`, the last of the first `context`
    /// positions, over these: softmax(Q K^T / sqrt(head_dim)) V, no query looking ahead.
    pub(crate) fn attend(&self, queries: &Tensor, context: usize) -> Result<Tensor> {
        let (heads, positions, head_dim) = queries.dims3()?;
        let kv_heads = self.keys.dim(0)?;
        let group = heads / kv_heads;
        let keys = self.keys.narrow(1, 0, context)?;
        let values = self.values.narrow(1, 0, context)?;
        // The queries of a group stand below each other, so that keys need not be repeated.
        let queries = queries.reshape((kv_heads, group * positions, head_dim))?;
        let scores = (queries.matmul(&keys.t()?)? * (head_dim as f64).powf(-0.5))?;
        let scores = match positions {
            1 => scores,
            _ => {
                let scores = scores.reshape((heads, positions, context))?;
                let mask = mask(positions, context, queries.device())?;
                let masked = scores.broadcast_add(&mask)?;
                masked.reshape((kv_heads, group * positions, context))?
            }
        };
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        weights.matmul(&values)?.reshape((heads, positions, head_dim))
    }
}

/// `[positions, context]`: minus infinity where a query would look ahead, else 0.
fn mask(positions: usize, context: usize, device: &Device) -> Result<Tensor> {
    let past = context - positions;
    let ahead = |row: usize| {
        (0..context).map(move |at| if at > past + row { f32::NEG_INFINITY } else { 0.0 })
    };
    let values: Vec<f32> = (0..positions).flat_map(ahead).collect();
    Tensor::from_vec(values, (positions, context), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|n| ((n * n + 7 * seed * n + seed) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn grouped_heads_share_keys_and_attention_is_causal() {
        let (heads, kv_heads, positions, context, dim) = (6, 2, 3, 5, 4);
        let device = Device::Cpu;
        let tensor = |values: &[f32], heads: usize, length: usize| {
            Tensor::from_slice(values, (heads, length, dim), &device).unwrap()
        };
        let (q, k, v) = (
            numbers(heads * positions * dim, 1),
            numbers(kv_heads * context * dim, 2),
            numbers(kv_heads * context * dim, 3),
        );
        let mut cache = Cache::new(kv_heads, 8, dim, &device).unwrap();
        let (keys, values) = (tensor(&k, kv_heads, context), tensor(&v, kv_heads, context));
        cache.put(&keys, &values, 0).unwrap();
        let found = cache.attend(&tensor(&q, heads, positions), context).unwrap();
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for head in 0..heads {
            for row in 0..positions {
                let query = &q[(head * positions + row) * dim..][..dim];
                let shared = head / (heads / kv_heads) * context;
                let seen = context - positions + row + 1;
                let dot = |at: usize| {
                    let key = &k[(shared + at) * dim..][..dim];
                    query.iter().zip(key).map(|(a, b)| a * b).sum::<f32>() / 2.0
                };
                let weights: Vec<f32> = (0..seen).map(|at| dot(at).exp()).collect();
                let sum: f32 = weights.iter().sum();
                for element in 0..dim {
                    let value = |at: usize| v[(shared + at) * dim + element];
                    let expected: f32 =
                        weights.iter().enumerate().map(|(at, w)| w / sum * value(at)).sum();
                    let found = found[(head * positions + row) * dim + element];
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }
}

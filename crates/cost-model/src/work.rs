//! What a piece of work takes and gives: operations, bytes, a name.

use edgeplan_problem::Bytes;

use crate::profile::Work;

impl Work {
    /// Operations on floating-point numbers, a multiplication and an addition counted as two; of
    /// work that computes little, 0.
    pub fn flops(&self) -> u64 {
        let product = |factors: &[u64]| factors.iter().copied().fold(2, u64::saturating_mul);
        match *self {
            Self::Matmul { rows, row_len, batch, .. } => product(&[rows, row_len, batch]),
            // Scores, and the sum of values that they weigh.
            Self::Attention { heads, head_dim, context, batch, .. } => {
                product(&[2, heads, head_dim, context, batch])
            }
            Self::Norm { .. }
            | Self::Activation { .. }
            | Self::Triad { .. }
            | Self::Dispatch {} => 0,
        }
    }

    /// Bytes that must be read from memory: weights as the file has them, the cache, arrays. Bytes
    /// that an engine reads beyond that, because it keeps weights in a wider layout, do not count.
    pub fn bytes(&self) -> Bytes {
        const F32: u64 = 4;
        let floats =
            |factors: &[u64]| Bytes(factors.iter().copied().fold(F32, u64::saturating_mul));
        match *self {
            Self::Matmul { format, rows, row_len, .. } => {
                format.bytes(rows, row_len).unwrap_or(Bytes::MAX)
            }
            Self::Attention { kv_heads, head_dim, context, .. } => {
                floats(&[2, kv_heads, head_dim, context])
            }
            Self::Norm { width, batch } => floats(&[2, width, batch]),
            Self::Activation { width, batch } => floats(&[3, width, batch]),
            Self::Triad { bytes, .. } => bytes,
            Self::Dispatch {} => Bytes::ZERO,
        }
    }

    /// A path-like name: `matmul/q4_K/4096x4096/8`.
    pub fn name(&self) -> String {
        match self {
            Self::Matmul { format, rows, row_len, batch } => {
                format!("matmul/{format}/{rows}x{row_len}/{batch}")
            }
            Self::Attention { heads, kv_heads, head_dim, context, batch } => {
                format!("attention/{heads}of{head_dim}-kv{kv_heads}/{context}/{batch}")
            }
            Self::Norm { width, batch } => format!("norm/{width}/{batch}"),
            Self::Activation { width, batch } => format!("activation/{width}/{batch}"),
            Self::Triad { threads, .. } => format!("triad/{threads}"),
            Self::Dispatch {} => "dispatch".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::format::Format;

    use super::*;

    #[test]
    fn work_is_counted() {
        let work = Work::Matmul { format: Format::Q4K, rows: 4096, row_len: 4096, batch: 8 };
        assert_eq!(work.flops(), 2 * 4096 * 4096 * 8);
        assert_eq!(work.bytes(), Bytes(4096 * 16 * 144));
        assert_eq!(work.name(), "matmul/q4_K/4096x4096/8");
        let work =
            Work::Attention { heads: 32, kv_heads: 8, head_dim: 128, context: 1000, batch: 2 };
        assert_eq!(work.flops(), 2 * 2 * 32 * 128 * 1000 * 2);
        assert_eq!(work.bytes(), Bytes(4 * 2 * 8 * 128 * 1000));
    }
}

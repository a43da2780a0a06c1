//! How a decoder computes, beside its weights.

use candle_core::{Result, Tensor};

/// Where a decoder and its equations differ from another's.
#[derive(Debug, Clone)]
pub(crate) struct Architecture {
    pub(crate) blocks: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) norm: Norm,
    pub(crate) epsilon: f32,
    /// Whether attention and the feed-forward part read what is normalized, as in a llama; else
    /// their sum with what they read is.
    pub(crate) norm_first: bool,
    /// What embeddings are multiplied by.
    pub(crate) embedding_scale: f64,
    /// What products of queries and keys are multiplied by.
    pub(crate) attention_scale: f64,
    /// What gates of the feed-forward part go through.
    pub(crate) gate: Gate,
    /// Experts that a token uses, in blocks that have experts.
    pub(crate) experts_used: usize,
    /// How each block sees other positions.
    pub(crate) sights: Vec<Sight>,
}

/// What normalizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// Zhang and Sennrich 2019, equation 4.
    Rms,
    /// Ba, Kiros and Hinton 2016, equation 4, with a bias.
    Layer,
}

/// The function of a gated feed-forward part (Shazeer 2020, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// x times its logistic function.
    Silu,
    /// Hendrycks and Gimpel 2016, with the hyperbolic tangent.
    Gelu,
}

impl Gate {
    pub(crate) fn apply(self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => input.silu(),
            Self::Gelu => input.gelu(),
        }
    }
}

/// How a block sees other positions.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    /// Positions that attention looks back on; all if none.
    pub(crate) window: Option<usize>,
    /// How queries and keys turn; none where positions are learned.
    pub(crate) turns: Option<Turns>,
}

/// Cosines and sines by position, `[room, pairs]`.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    pub(crate) cos: Tensor,
    pub(crate) sin: Tensor,
    /// Which elements of a head turn together.
    pub(crate) pairs: Pairs,
}

/// Elements of a head that turn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// Two neighbours, as llama.cpp's converter orders a llama's.
    Neighbours,
    /// Two that are half of what turns apart.
    Halves,
}

impl Turns {
    /// Turns heads `[batch, heads, positions, head_dim]` by their positions; with gradients if
    /// `trains`.
    pub(crate) fn turn(&self, heads: &Tensor, trains: bool) -> Result<Tensor> {
        use candle_nn::rotary_emb::{rope, rope_i, rope_i_slow, rope_slow};
        let (_, _, positions, head_dim) = heads.dims4()?;
        let dims = 2 * self.cos.dim(1)?;
        let [cos, sin] = [&self.cos, &self.sin].map(|table| table.narrow(0, 0, positions));
        let (cos, sin) = (cos?, sin?);
        let front = heads.narrow(3, 0, dims)?.contiguous()?;
        let turned = match (self.pairs, trains) {
            (Pairs::Neighbours, true) => rope_i_slow(&front, &cos, &sin)?,
            (Pairs::Neighbours, false) => rope_i(&front, &cos, &sin)?,
            (Pairs::Halves, true) => rope_slow(&front, &cos, &sin)?,
            (Pairs::Halves, false) => rope(&front, &cos, &sin)?,
        };
        if dims == head_dim {
            return Ok(turned);
        }
        Tensor::cat(&[&turned, &heads.narrow(3, dims, head_dim - dims)?], 3)
    }
}

//! Weight matrices, each in the type of its file.
//!
//! Quantized ones go through candle's kernels, which round activations to 8 bits by block and keep
//! a packed copy of some types beside the original. f16 and bf16 stay what they are, so that a
//! weight takes two bytes and is read as two: activations are rounded to the same type, and what
//! exceeds f16 (65504) is lost there. candle's own `QMatMul` would widen both to f32.

use std::sync::Arc;

use candle_core::quantized::QTensor;
use candle_core::{DType, Result, Tensor};

use crate::observe::Observer;

/// `[rows, row_len]`.
#[derive(Debug, Clone)]
pub(crate) enum Matrix {
    Quantized(Arc<QTensor>),
    /// f32, f16 or bf16.
    Float(Tensor),
}

impl Matrix {
    /// Rows: outputs, or tokens.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Quantized(weights) => weights.shape().dims()[0],
            Self::Float(weights) => weights.dims()[0],
        }
    }

    /// The rows of these tokens, in f32.
    pub(crate) fn look_up(&self, tokens: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quantized(weights) => weights.embedding(tokens),
            Self::Float(weights) => weights.index_select(tokens, 0)?.to_dtype(DType::F32),
        }
    }

    /// `[n, row_len]` in f32 to `[n, rows]` in f32.
    fn apply(&self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quantized(weights) => input.apply_op1_no_bwd(weights.as_ref()),
            Self::Float(weights) => {
                let product = input.to_dtype(weights.dtype())?.matmul(&weights.t()?)?;
                product.to_dtype(DType::F32)
            }
        }
    }
}

/// A matrix in its place: y = W x + b.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    /// The tensor's name in the file.
    pub(crate) name: String,
    pub(crate) matrix: Matrix,
    pub(crate) bias: Option<Tensor>,
}

impl Projection {
    pub(crate) fn apply(&self, input: &Tensor, observer: &mut dyn Observer) -> Result<Tensor> {
        observer.multiplies(&self.name, input);
        let product = self.matrix.apply(input)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

//! From weights to a format and back, with candle's code.

use std::borrow::Cow;

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{Device, Result, Tensor};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::ggml_type;

/// The bytes of weights in a format; whole rows of `row_len` elements, which is a whole number of
/// blocks.
///
/// # Errors
/// A length that does not fit.
pub fn quantize(weights: &[f32], row_len: usize, format: Format) -> Result<Vec<u8>> {
    let rows = weights.len() / row_len.max(1);
    let weights = Tensor::from_slice(weights, (rows, row_len), &Device::Cpu)?;
    Ok(QTensor::quantize(&weights, ggml_type(format)?)?.data()?.into_owned())
}

/// The weights that bytes in a format stand for.
///
/// # Errors
/// Bytes that are no whole number of blocks.
pub fn dequantize(bytes: &[u8], format: Format) -> Result<Vec<f32>> {
    let elements = bytes.len() as u64 / format.block_bytes() * format.block_elements();
    let data = Cow::Borrowed(bytes);
    let storage = QStorage::from_data(data, &Device::Cpu, ggml_type(format)?)?;
    let tensor = QTensor::new(storage, (1, elements as usize))?;
    tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()
}

/// What becomes of a matrix `[rows, row_len]` that is stored in a format.
///
/// # Errors
/// Rows that are no whole number of blocks.
pub fn stored(matrix: &Tensor, format: Format) -> Result<Tensor> {
    QTensor::quantize(matrix, ggml_type(format)?)?.dequantize(&Device::Cpu)
}

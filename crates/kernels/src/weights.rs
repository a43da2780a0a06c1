//! Weight matrices as candle holds them, with made-up content.

use std::borrow::Cow;

use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module as _, Result, Tensor};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::ggml_type;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use crate::shapes::Shape;

/// Elements of the piece that a matrix repeats. Kernels take as long for any content, and a piece
/// is quantized in a millisecond where a matrix takes a second.
const PIECE: (usize, usize) = (64, 256);

/// One matrix.
pub(crate) enum Weight {
    /// Multiplied as it is stored; candle may keep a second copy in another layout.
    Quantized(QMatMul),
    /// A float tensor, transposed. Not candle's `QMatMul`, which turns halves into f32.
    Dense(Tensor),
}

impl Weight {
    /// Activations times this matrix. f32 comes in and goes out, as between the layers of a model
    /// with several formats; halves are converted on the way, which is part of their cost.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quantized(weight) => weight.forward(x),
            Self::Dense(weight) if weight.dtype() == DType::F32 => x.matmul(weight),
            Self::Dense(weight) => x.to_dtype(weight.dtype())?.matmul(weight)?.to_dtype(DType::F32),
        }
    }

    /// Runs once with each of these numbers of rows.
    pub(crate) fn run(&self, device: &Device, shape: Shape, batches: &[u64]) -> Result<()> {
        for &batch in batches {
            let sides = (batch as usize, shape.row_len as usize);
            self.forward(&Tensor::ones(sides, DType::F32, device)?)?;
        }
        Ok(())
    }
}

/// Numbers of rows at which candle packs weights of a format: several, and for q4_K another time
/// from 32 on where the processor has instructions for it (candle 0.11, `quantized/repack.rs` and
/// `repack_x86.rs`). Some it packs at one row already.
pub(crate) fn packing(format: Format) -> &'static [u64] {
    match format {
        Format::Q4K => &[2, 32],
        Format::Q4_0 | Format::Q8_0 | Format::Q5K | Format::Q6K => &[2],
        _ => &[],
    }
}

/// Loads that many copies of a matrix and lets candle pack them.
pub(crate) fn load(
    device: &Device,
    format: Format,
    shape: Shape,
    copies: u64,
) -> Result<Vec<Weight>> {
    let content = content(format, shape)?;
    let one = || {
        let weight = matrix(device, format, shape, &content)?;
        weight.run(device, shape, packing(format))?;
        Ok(weight)
    };
    (0..copies).map(|_| one()).collect()
}

/// Loads a matrix that has not run yet.
pub(crate) fn unpacked(device: &Device, format: Format, shape: Shape) -> Result<Weight> {
    matrix(device, format, shape, &content(format, shape)?)
}

fn matrix(device: &Device, format: Format, shape: Shape, content: &[u8]) -> Result<Weight> {
    let sides = (shape.rows as usize, shape.row_len as usize);
    let dense = |kind| -> Result<Weight> {
        let stored = Tensor::from_raw_buffer(content, kind, &[sides.0, sides.1], device)?;
        Ok(Weight::Dense(stored.t()?))
    };
    match format {
        Format::F32 => dense(DType::F32),
        Format::F16 => dense(DType::F16),
        Format::BF16 => dense(DType::BF16),
        _ => {
            let storage = QStorage::from_data(Cow::Borrowed(content), device, ggml_type(format)?)?;
            Ok(Weight::Quantized(QMatMul::from_qtensor(QTensor::new(storage, sides)?)?))
        }
    }
}

/// The bytes of a matrix in that format: quantized numbers between -1 and 1, always the same.
fn content(format: Format, shape: Shape) -> Result<Vec<u8>> {
    let mut random = Pcg64::seed_from_u64(0);
    let numbers: Vec<f32> =
        (0..PIECE.0 * PIECE.1).map(|_| random.random_range(-1.0..1.0)).collect();
    let piece = Tensor::from_vec(numbers, PIECE, &Device::Cpu)?;
    let piece = QTensor::quantize(&piece, ggml_type(format)?)?;
    let piece = piece.data()?;
    let Some(bytes) = format.bytes(shape.rows, shape.row_len) else {
        candle_core::bail!("rows of {} elements are no whole blocks of {format}", shape.row_len)
    };
    let bytes = bytes.0 as usize;
    let mut content = piece.repeat(bytes.div_ceil(piece.len()));
    content.truncate(bytes);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest element of a matrix.
    fn largest(tensor: &Tensor) -> f32 {
        tensor.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn every_format_multiplies_by_nearly_the_same_matrix() {
        let shape = Shape { rows: 48, row_len: 512 };
        let x: Vec<f32> = (0..3 * 512).map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0).collect();
        let x = Tensor::from_vec(x, (3, 512), &Device::Cpu).unwrap();
        let product = |format| {
            let weights = load(&Device::Cpu, format, shape, 2).unwrap();
            assert_eq!(weights.len(), 2);
            weights[1].forward(&x).unwrap()
        };
        let exact = product(Format::F32);
        let scale = largest(&exact);
        assert!(scale > 1.0, "{scale}");
        for format in Format::COMPUTED {
            let y = product(format);
            assert_eq!((y.dims(), y.dtype()), (&[3, 48][..], DType::F32));
            let error = largest(&(&y - &exact).unwrap()) / scale;
            assert!(error < 0.3, "{format}: {error}");
        }
    }

    #[test]
    fn rows_that_are_no_whole_blocks_are_an_error() {
        let shape = Shape { rows: 16, row_len: 100 };
        let error = load(&Device::Cpu, Format::Q4K, shape, 1).err().unwrap().to_string();
        assert!(error.contains("rows of 100 elements are no whole blocks of q4_K"), "{error}");
    }
}

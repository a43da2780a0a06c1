//! Tensors from a GGUF file: each is asked for by name and shape, and none may be left over.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use edgeplan_files::InputError;
use edgeplan_model::gguf::{self, Header};
use edgeplan_problem::format::Format;

use crate::block::Norm;
use crate::error::LlamaError;
use crate::matrix::{Matrix, Projection};

/// A file whose tensors are being taken.
pub(crate) struct Weights {
    pub(crate) header: Header,
    data: u64,
    file: File,
    device: Device,
    left: BTreeMap<String, gguf::Tensor>,
}

impl Weights {
    /// Opens a file that holds data.
    pub(crate) fn open(path: &Path, device: &Device) -> Result<Self, InputError> {
        let header = gguf::read(path)?;
        let Some(data) = header.data else {
            let problem = "holds no tensors, only their header; a whole file is needed";
            return Err(InputError::file(&header.file, problem));
        };
        let file =
            File::open(path).map_err(|error| InputError::file(&header.file, error.to_string()))?;
        let named = |tensor: &gguf::Tensor| (tensor.name.clone(), tensor.clone());
        let left = header.tensors.iter().map(named).collect();
        Ok(Self { header, data, file, device: device.clone(), left })
    }

    /// Whether the file holds a tensor that was not taken yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Rows of a tensor; an error if it is missing.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, InputError> {
        let tensor = self.left.get(name);
        let tensor = tensor.ok_or_else(|| self.header.error(name, "is missing"))?;
        Ok(tensor.rows() as usize)
    }

    /// The matrix of that name and shape.
    pub(crate) fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        row_len: usize,
    ) -> Result<Matrix, LlamaError> {
        let (format, bytes) = self.take(name, rows, row_len)?;
        let float = |dtype: DType| {
            let tensor = Tensor::from_raw_buffer(&bytes, dtype, &[rows, row_len], &self.device)?;
            Ok(Matrix::Float(tensor))
        };
        match format {
            Format::F32 => return float(DType::F32),
            Format::F16 => return float(DType::F16),
            Format::BF16 => return float(DType::BF16),
            _ => {}
        }
        let storage = QStorage::from_data(Cow::Owned(bytes), &self.device, ggml_type(format)?)?;
        Ok(Matrix::Quantized(Arc::new(QTensor::new(storage, (rows, row_len))?)))
    }

    /// The matrix `STEM.weight`, and `STEM.bias` if there is one.
    pub(crate) fn projection(
        &mut self,
        stem: &str,
        rows: usize,
        row_len: usize,
    ) -> Result<Projection, LlamaError> {
        let (name, bias) = (format!("{stem}.weight"), format!("{stem}.bias"));
        let matrix = self.matrix(&name, rows, row_len)?;
        let bias = if self.has(&bias) { Some(self.vector(&bias, rows)?) } else { None };
        Ok(Projection { name, matrix, bias })
    }

    /// The vector of that name and length, in f32.
    pub(crate) fn vector(&mut self, name: &str, length: usize) -> Result<Tensor, LlamaError> {
        let vector = match self.matrix(name, 1, length)? {
            Matrix::Float(vector) => vector.to_dtype(DType::F32)?,
            Matrix::Quantized(vector) => vector.dequantize(&self.device)?,
        };
        Ok(vector.flatten_all()?)
    }

    /// The normalization `STEM.weight`.
    pub(crate) fn norm(
        &mut self,
        stem: &str,
        length: usize,
        epsilon: f32,
    ) -> Result<Norm, LlamaError> {
        Ok(Norm { weight: self.vector(&format!("{stem}.weight"), length)?, epsilon })
    }

    /// Refuses a file that holds more than was asked for: it is another kind of model.
    pub(crate) fn finish(self) -> Result<(), InputError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => {
                let problem = "is no tensor of a llama; its result would be wrong without it";
                Err(self.header.error(name, problem))
            }
        }
    }

    /// Type and bytes of a tensor of that shape.
    fn take(
        &mut self,
        name: &str,
        rows: usize,
        row_len: usize,
    ) -> Result<(Format, Vec<u8>), InputError> {
        let missing = || self.header.error(name, "is missing");
        let tensor = self.left.remove(name).ok_or_else(missing)?;
        let (found, expected) = (tensor.dimensions, [row_len as u64, rows as u64, 1, 1]);
        if found != expected {
            let problem = format!("dimensions {found:?}; {expected:?} are allowed");
            return Err(self.header.error(name, problem));
        }
        let format = Format::from_ggml_id(tensor.stored.ggml_id);
        let Some(format) = format.filter(|format| format.is_computed()) else {
            let known = Format::COMPUTED.map(Format::name).join(", ");
            let problem = format!("{} cannot be run; {known} are allowed", tensor.stored.name);
            return Err(self.header.error(name, problem));
        };
        let mut bytes = vec![0; tensor.bytes.0 as usize];
        let read = self
            .file
            .seek(SeekFrom::Start(self.data + tensor.offset))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| self.header.error(name, error.to_string()))?;
        Ok((format, bytes))
    }
}

/// What candle calls a format.
///
/// # Errors
/// A format that candle has no kernels for ([`Format::COMPUTED`] are those that it has).
pub fn ggml_type(format: Format) -> candle_core::Result<GgmlDType> {
    Ok(match format {
        Format::F32 => GgmlDType::F32,
        Format::F16 => GgmlDType::F16,
        Format::BF16 => GgmlDType::BF16,
        Format::Q4_0 => GgmlDType::Q4_0,
        Format::Q4_1 => GgmlDType::Q4_1,
        Format::Q5_0 => GgmlDType::Q5_0,
        Format::Q5_1 => GgmlDType::Q5_1,
        Format::Q8_0 => GgmlDType::Q8_0,
        Format::Q8_1 => GgmlDType::Q8_1,
        Format::Q2K => GgmlDType::Q2K,
        Format::Q3K => GgmlDType::Q3K,
        Format::Q4K => GgmlDType::Q4K,
        Format::Q5K => GgmlDType::Q5K,
        Format::Q6K => GgmlDType::Q6K,
        Format::Q8K => GgmlDType::Q8K,
        _ => candle_core::bail!("candle has no kernels for {format}; llama.cpp has"),
    })
}

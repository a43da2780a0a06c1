//! The tensors of a file, widened to f32 one by one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use candle_core::{Device, Tensor};
use edgeplan_files::InputError;
use edgeplan_model::gguf::{self, Header, Pair};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::LlamaError;

use crate::decoder::Decoder;
use crate::family::{Expected, FACTORS, Family};
use crate::quantize::dequantize;

/// A GGUF file with its data.
#[derive(Debug)]
pub struct Checkpoint {
    /// What its header says.
    pub header: Header,
    data: u64,
    file: File,
    /// Seed of weights that are drawn anew.
    pub(crate) seed: Option<u64>,
}

impl Checkpoint {
    /// Opens a file; nothing but its header is read.
    ///
    /// # Errors
    /// A file that is cut off, is no GGUF file, or holds no data.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let header = gguf::read(path)?;
        let Some(data) = header.data else {
            let problem = "holds no tensors, only their header; a whole file is needed";
            return Err(InputError::file(&header.file, problem));
        };
        let error = |error: std::io::Error| InputError::file(&header.file, error.to_string());
        let file = File::open(path).map_err(error)?;
        Ok(Self { header, data, file, seed: None })
    }

    /// The same, of which [`apply`](crate::apply::apply) writes floats that round to its weights
    /// in place of the weights: each is drawn within half a step of the format it is stored in.
    #[must_use]
    pub fn drawn_anew(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// The tensor of that name in the header.
    ///
    /// # Errors
    /// When there is none.
    pub fn tensor(&self, name: &str) -> Result<&gguf::Tensor, InputError> {
        let found = self.header.tensors.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| self.header.error(name, "is missing"))
    }

    /// `length` bytes of a tensor's data from `first` on.
    ///
    /// # Errors
    /// Those of the file.
    pub fn bytes(
        &mut self,
        tensor: &gguf::Tensor,
        first: u64,
        length: u64,
    ) -> Result<Vec<u8>, InputError> {
        let mut bytes = vec![0; length as usize];
        let read = self
            .file
            .seek(SeekFrom::Start(self.data + tensor.offset + first))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| self.header.error(&tensor.name, error.to_string()))?;
        Ok(bytes)
    }

    /// The bytes of a value of the metadata.
    ///
    /// # Errors
    /// Those of the file.
    pub fn metadata(&mut self, pair: &Pair) -> Result<Vec<u8>, InputError> {
        let mut bytes = vec![0; (pair.span.end - pair.span.start) as usize];
        let read = self
            .file
            .seek(SeekFrom::Start(pair.span.start))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| self.header.error(&pair.key, error.to_string()))?;
        Ok(bytes)
    }

    /// The format of a tensor.
    ///
    /// # Errors
    /// When it has a type that cannot be widened.
    pub fn format(&self, tensor: &gguf::Tensor) -> Result<Format, InputError> {
        let format = Format::from_ggml_id(tensor.stored.ggml_id);
        format.filter(|format| format.is_computed()).ok_or_else(|| {
            let known = Format::COMPUTED.map(Format::name).join(", ");
            let problem = format!("{} cannot be widened; {known} can", tensor.stored.name);
            self.header.error(&tensor.name, problem)
        })
    }

    /// A tensor in f32: `[rows, row_len]`, those of several experts one below the other, or
    /// `[length]` if it has one row.
    ///
    /// # Errors
    /// Those of reading, a type that cannot be widened, numbers that are none.
    pub fn widened(&mut self, name: &str) -> Result<Tensor, LlamaError> {
        let tensor = self.tensor(name)?.clone();
        let format = self.format(&tensor)?;
        let bytes = self.bytes(&tensor, 0, tensor.bytes.0)?;
        let values = dequantize(&bytes, format)?;
        drop(bytes);
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let problem = format!("element {at} is {}; finite numbers are needed", values[at]);
            return Err(self.header.error(name, problem).into());
        }
        let (rows, row_len) = (tensor.rows() as usize, tensor.dimensions[0] as usize);
        Ok(match rows {
            1 => Tensor::from_vec(values, row_len, &Device::Cpu)?,
            _ => Tensor::from_vec(values, (rows, row_len), &Device::Cpu)?,
        })
    }

    /// The whole model in f32, with room for that many positions.
    ///
    /// # Errors
    /// Another architecture, a missing or superfluous tensor, a wrong shape, and those of
    /// [`Checkpoint::widened`].
    pub fn decoder(&mut self, room: usize) -> Result<Decoder, LlamaError> {
        let family = Family::read(&self.header)?;
        let vocab = self.tensor("token_embd.weight")?.rows();
        let mut expected = family.tensors(vocab);
        let mut weights = BTreeMap::new();
        for tensor in self.header.tensors.clone() {
            let name = tensor.name;
            let Some(Expected { dimensions, .. }) = expected.remove(&name) else {
                let architecture = self.header.architecture()?;
                let problem = format!(
                    "is no tensor of a {architecture}; its result would be wrong without it"
                );
                return Err(self.header.error(&name, problem).into());
            };
            if tensor.dimensions != dimensions {
                let found = tensor.dimensions;
                let problem = format!("dimensions {found:?}; {dimensions:?} are allowed");
                return Err(self.header.error(&name, problem).into());
            }
            weights.insert(name.clone(), self.widened(&name)?);
        }
        if let Some((name, _)) = expected.iter().find(|(_, expected)| expected.needed) {
            return Err(self.header.error(name, "is missing").into());
        }
        let tied = !weights.contains_key("output.weight");
        if tied {
            let embedding = weights["token_embd.weight"].clone();
            weights.insert("output.weight".into(), embedding);
        }
        let factors =
            weights.remove(FACTORS).map(|factors| factors.to_vec1::<f32>()).transpose()?;
        let model = edgeplan_model::load(&self.header.file)?;
        let architecture = family.architecture(&model, factors.as_deref(), room)?;
        Ok(Decoder { architecture, weights, tied, trains: false })
    }
}

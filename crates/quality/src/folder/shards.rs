//! Safetensors files (huggingface/safetensors, README, "Format"): the length of a header, the
//! header in JSON, and the data of tensors behind it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use edgeplan_files::{InputError, parse_json, read_text};
use edgeplan_reference_llama::LlamaError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

/// A longer header is none.
const HEADER_MAX: u64 = 100 << 20;
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a model, in one file or several.
#[derive(Debug)]
pub(super) struct Shards {
    folder: String,
    files: Vec<Shard>,
    /// Which file holds a tensor, and where.
    tensors: BTreeMap<String, (usize, TensorInfo)>,
}

#[derive(Debug)]
struct Shard {
    name: String,
    file: File,
    /// Byte at which the data begin.
    data: u64,
}

/// `model.safetensors.index.json`: the file of each tensor.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Shards {
    /// Opens the files that the index names, or all that there are if there is no index.
    ///
    /// # Errors
    /// No file, one that is cut off or none of this kind, a tensor that is not where the index
    /// says, or is in two files.
    pub(super) fn open(folder: &Path) -> Result<Self, InputError> {
        let index = folder.join(INDEX);
        let shown = index.display().to_string();
        let map = match index.exists() {
            true => parse_json::<Index>(&shown, &read_text(&index)?)?.weight_map,
            false => BTreeMap::new(),
        };
        let mut paths = Vec::new();
        for (tensor, name) in &map {
            if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
                let problem = format!("`{name}`; the name of a file beside it is allowed");
                return Err(InputError::key(shown, format!("weight_map.{tensor}"), problem));
            }
            paths.push(folder.join(name));
        }
        if map.is_empty() {
            paths = listed(folder)?;
        }
        paths.sort();
        paths.dedup();
        let (folder, tensors) = (folder.display().to_string(), BTreeMap::new());
        let mut shards = Self { folder, files: Vec::new(), tensors };
        for path in &paths {
            shards.add(path)?;
        }
        for (tensor, name) in map {
            let found = shards.tensors.get(&tensor).map(|(file, _)| &shards.files[*file].name);
            if found.is_none_or(|file| Path::new(file).file_name() != Some(name.as_ref())) {
                let problem = format!("is not in {name}");
                return Err(InputError::key(shown, format!("weight_map.{tensor}"), problem));
            }
        }
        Ok(shards)
    }

    fn add(&mut self, path: &Path) -> Result<(), InputError> {
        let name = path.display().to_string();
        let wrong = |problem: String| InputError::file(&name, problem);
        let error = |error: std::io::Error| wrong(error.to_string());
        let mut file = File::open(path).map_err(error)?;
        let length = file.metadata().map_err(error)?.len();
        let mut header = [0; 8];
        if length < 8 {
            return Err(wrong(format!("{length} bytes; a safetensors file has 8 and more")));
        }
        file.read_exact(&mut header).map_err(error)?;
        let header = u64::from_le_bytes(header);
        if header > HEADER_MAX.min(length - 8) {
            let most = HEADER_MAX.min(length - 8);
            return Err(wrong(format!("a header of {header} bytes; up to {most} are allowed")));
        }
        let mut text = vec![0; header as usize];
        file.read_exact(&mut text).map_err(error)?;
        let text = std::str::from_utf8(&text).map_err(|_| wrong("its header is no text".into()))?;
        let metadata: Metadata = parse_json(&name, text)?;
        // A header may speak of tensors whose sizes add up to almost 2^64.
        let data = 8 + header;
        let end = u128::from(data) + metadata.data_len() as u128;
        if end > u128::from(length) {
            let problem = format!("would end at byte {end}, but the file ends at {length}");
            return Err(wrong(problem));
        }
        for (tensor, info) in metadata.tensors() {
            let place = (self.files.len(), info.clone());
            if let Some((other, _)) = self.tensors.insert(tensor.clone(), place) {
                let problem = format!("is in {}, too", self.files[other].name);
                return Err(InputError::key(name, tensor, problem));
            }
        }
        self.files.push(Shard { name, file, data });
        Ok(())
    }

    /// Names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// An error about a tensor.
    pub(super) fn error(&self, tensor: &str, problem: impl Into<String>) -> InputError {
        let file = self.tensors.get(tensor).map(|(file, _)| &self.files[*file].name);
        InputError::key(file.unwrap_or(&self.folder), tensor, problem)
    }

    /// A tensor of these lengths, in f32.
    ///
    /// # Errors
    /// When it is missing, has another shape, a type that is no float, or an element that is none.
    pub(super) fn widened(&mut self, tensor: &str, shape: &[usize]) -> Result<Tensor, LlamaError> {
        let Some((file, info)) = self.tensors.get(tensor).cloned() else {
            return Err(self.error(tensor, "is missing").into());
        };
        if info.shape != shape {
            let problem = format!("shape {:?}; {shape:?} is allowed", info.shape);
            return Err(self.error(tensor, problem).into());
        }
        let kind = match info.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let problem = format!("type {other}; F32, F16 and BF16 are allowed");
                return Err(self.error(tensor, problem).into());
            }
        };
        let (first, end) = info.data_offsets;
        let mut bytes = zeros(end - first).map_err(|problem| self.error(tensor, problem))?;
        let Shard { file, data, .. } = &mut self.files[file];
        let place = SeekFrom::Start(*data + first as u64);
        let read = file.seek(place).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| self.error(tensor, error.to_string()))?;
        let plain = Tensor::from_raw_buffer(&bytes, kind, shape, &Device::Cpu)?;
        let widened = plain.to_dtype(DType::F32)?;
        // What is no number makes the sum none, and so do numbers without end.
        if !widened.sum_all()?.to_scalar::<f32>()?.is_finite() {
            let values = widened.flatten_all()?.to_vec1::<f32>()?;
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let problem = format!("element {at} is {}; finite numbers are needed", values[at]);
                return Err(self.error(tensor, problem).into());
            }
        }
        Ok(widened)
    }
}

/// So many bytes; a sparse file may be longer than any memory, which is an error and no abort.
fn zeros(length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let room = bytes.try_reserve_exact(length);
    room.map_err(|_| format!("{length} bytes; there is not so much memory"))?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// The safetensors files of a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    let name = folder.display().to_string();
    let error = |error: std::io::Error| InputError::file(&name, error.to_string());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            paths.push(path);
        }
    }
    match paths.is_empty() {
        true => Err(InputError::file(name, "holds no *.safetensors; weights are needed")),
        false => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A file of one small tensor and others of no use, whose sizes add up to `total`.
    fn with_sizes(folder: &Path, total: u64) -> Result<Shards, InputError> {
        let mut header = String::from(r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#);
        let mut first = 8;
        while first < total {
            let length = (total - first).min((1 << 61) - 1);
            let (name, end) = (format!("blk.{first}.rotary_emb.inv_freq"), first + length);
            header += &format!(
                r#","{name}":{{"dtype":"U8","shape":[{length}],"data_offsets":[{first},{end}]}}"#
            );
            first = end;
        }
        header.push('}');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend([0; 8]);
        std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
        Shards::open(folder)
    }

    #[test]
    fn sizes_that_wrap_round_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut plain = with_sizes(folder.path(), 8).unwrap();
        plain.widened("w", &[2]).unwrap();
        for total in [9, 1 << 40, u64::MAX - 700, u64::MAX - 8, u64::MAX] {
            let error = with_sizes(folder.path(), total).unwrap_err().to_string();
            let length = std::fs::metadata(folder.path().join("model.safetensors")).unwrap().len();
            let end = u128::from(length) - 8 + u128::from(total);
            let expected = format!("would end at byte {end}, but the file ends at {length}");
            assert!(error.ends_with(&expected), "{error}");
        }
    }

    #[test]
    fn more_than_any_memory_is_an_error() {
        assert_eq!(zeros(3), Ok(vec![0; 3]));
        assert!(zeros(400_000_000_000_000).is_err_and(|problem| problem.contains("memory")));
    }

    #[test]
    fn half_floats_are_widened() {
        let folder = tempfile::tempdir().unwrap();
        let plain = Tensor::new(&[[1.5f32, -2.0, 0.25], [3.0, 0.0, -0.5]], &Device::Cpu).unwrap();
        let kinds = [("f16", DType::F16), ("bf16", DType::BF16), ("f32", DType::F32)];
        let tensors: HashMap<&str, Tensor> =
            kinds.iter().map(|&(name, kind)| (name, plain.to_dtype(kind).unwrap())).collect();
        let path = folder.path().join("model.safetensors");
        candle_core::safetensors::save(&tensors, path).unwrap();
        let mut shards = Shards::open(folder.path()).unwrap();
        for (name, _) in kinds {
            let found = shards.widened(name, &[2, 3]).unwrap();
            assert_eq!(found.to_vec2::<f32>().unwrap(), plain.to_vec2::<f32>().unwrap(), "{name}");
        }
    }
}

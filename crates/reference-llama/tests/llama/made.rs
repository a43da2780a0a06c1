//! Small models, made by the engine's own generator.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use edgeplan_model::gguf;
use edgeplan_model::gguf::draft::{Draft, Tensor as Place, Value};
use edgeplan_model::{Shape, TensorClass};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;
use edgeplan_reference_llama::random::Random;
use edgeplan_reference_llama::{Device, Tensor};
use tempfile::TempDir;

/// A folder with a model in it.
pub(crate) struct Made {
    folder: TempDir,
}

impl Made {
    pub(crate) fn new(shape: &Shape, format: Format, exceptions: &[(TensorClass, Format)]) -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        let recipe = FormatMix { base: format, exceptions: exceptions.to_vec() };
        let random = Random { name: "tiny".into(), shape: shape.clone(), recipe, seed: 7 };
        random.write(&made.path(), |_| {}).unwrap();
        made
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tiny.gguf")
    }

    /// The same model with every tensor in f32.
    pub(crate) fn widened(&self) -> PathBuf {
        let bytes = std::fs::read(self.path()).unwrap();
        let header = gguf::read(&self.path()).unwrap();
        let tensors = header.tensors.iter().map(|tensor| Place {
            name: tensor.name.clone(),
            dimensions: tensor.dimensions[..2].to_vec(),
            kind: Format::F32.ggml_id(),
        });
        let mut draft = Draft { version: 3, tensors: tensors.collect(), ..Draft::default() };
        draft.set("general.architecture", Value::Text("llama".into()));
        let path = self.folder.path().join("widened.gguf");
        let mut out = Vec::new();
        let mut left = header.tensors.iter();
        let mut data = |_: &Place, out: &mut dyn std::io::Write| {
            let tensor = left.next().unwrap();
            let from = (header.data.unwrap() + tensor.offset) as usize;
            let own = &bytes[from..from + tensor.bytes.0 as usize];
            let shape = (tensor.dimensions[1] as usize, tensor.dimensions[0] as usize);
            let tensor = dequantized(tensor.stored.ggml_id, own, shape);
            let numbers = tensor.to_vec1::<f32>().unwrap();
            out.write_all(&numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>())
        };
        draft.write(&mut out, &mut data).unwrap();
        std::fs::write(&path, out).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// By candle itself; its own reader of files knows fewer types.
fn dequantized(ggml_id: u32, bytes: &[u8], shape: (usize, usize)) -> Tensor {
    let kinds = [
        GgmlDType::F32,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q8_1,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
        GgmlDType::Q8K,
    ];
    let name = Format::from_ggml_id(ggml_id).unwrap().name().replace('_', "");
    let same = |kind: &&GgmlDType| format!("{kind:?}").replace('_', "").eq_ignore_ascii_case(&name);
    let kind = *kinds.iter().find(same).unwrap();
    let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, kind).unwrap();
    let tensor = QTensor::new(storage, shape).unwrap().dequantize(&Device::Cpu).unwrap();
    tensor.flatten_all().unwrap()
}

/// Three query heads for each of two key and value heads.
pub(crate) fn tiny(tied: bool) -> Shape {
    Shape {
        blocks: 2,
        hidden: 96,
        ffn: 160,
        heads: 6,
        kv_heads: 2,
        head_dim: 16,
        vocab: 50,
        tied,
        ..Shape::default()
    }
}

/// Rows that every format fits.
pub(crate) fn wide() -> Shape {
    Shape {
        blocks: 1,
        hidden: 256,
        ffn: 512,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        vocab: 64,
        ..Shape::default()
    }
}

/// Tokens that look random.
pub(crate) fn tokens(count: usize, vocab: u32) -> Vec<u32> {
    (0..count as u32).map(|n| (n * n * 7 + 3 * n + 1) % vocab).collect()
}

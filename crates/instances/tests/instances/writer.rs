//! Writes tiny GGUF files, right and wrong.

use std::path::PathBuf;

use edgeplan_instances::file::InputError;
use edgeplan_instances::model::{self, ModelSpec, StoredType};

/// A file in the making.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Tensor>,
    /// Whether there is data behind the header.
    pub(crate) data: bool,
}

#[derive(Clone)]
pub(crate) enum Value {
    U32(u32),
    I32(i32),
    U64(u64),
    F32(f32),
    Text(String),
    Numbers(Vec<i32>),
    Truths(Vec<bool>),
    Texts(Vec<String>),
    /// Empty arrays in arrays, that many levels.
    Nested(u32),
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<u64>,
    pub(crate) kind: u32,
}

/// What a file can be asked for in one line: sizes of a llama, and how its tensors are stored.
pub(crate) struct Llama {
    pub(crate) blocks: u32,
    pub(crate) hidden: u64,
    pub(crate) ffn: u64,
    pub(crate) vocab: u64,
    pub(crate) tied: bool,
    /// Name of the type of every matrix.
    pub(crate) stored: &'static str,
}

pub(crate) const TINY: Llama =
    Llama { blocks: 2, hidden: 256, ffn: 512, vocab: 1000, tied: false, stored: "f16" };

pub(crate) fn kind(name: &str) -> u32 {
    StoredType::all().find(|stored| stored.name == name).unwrap().ggml_id
}

impl Llama {
    /// The file, with 4 heads and half as many for keys and values.
    pub(crate) fn file(&self) -> Gguf {
        let mut file = Gguf { version: 3, metadata: Vec::new(), tensors: Vec::new(), data: false };
        file.set("general.architecture", Value::Text("llama".into()));
        file.set("general.name", Value::Text("tiny".into()));
        file.set("llama.block_count", Value::U32(self.blocks));
        file.set("llama.embedding_length", Value::U32(self.hidden as u32));
        file.set("llama.attention.head_count", Value::U32(4));
        file.set("llama.attention.head_count_kv", Value::U32(2));
        file.set("llama.rope.freq_base", Value::F32(1e4));
        let tokens = (0..self.vocab).map(|token| format!("<{token}>"));
        file.set("tokenizer.ggml.tokens", Value::Texts(tokens.collect()));
        file.matrix("token_embd", self.hidden, self.vocab, self.stored);
        for block in 0..self.blocks {
            let (h, f) = (self.hidden, self.ffn);
            let sizes = [
                ("attn_q", h, h),
                ("attn_k", h, h / 2),
                ("attn_v", h, h / 2),
                ("attn_output", h, h),
                ("ffn_gate", h, f),
                ("ffn_up", h, f),
                ("ffn_down", f, h),
            ];
            for (name, row_len, rows) in sizes {
                file.matrix(&format!("blk.{block}.{name}"), row_len, rows, self.stored);
            }
            file.add(&format!("blk.{block}.attn_norm.weight"), &[self.hidden], "f32");
            file.add(&format!("blk.{block}.ffn_norm.weight"), &[self.hidden], "f32");
        }
        file.add("output_norm.weight", &[self.hidden], "f32");
        if !self.tied {
            file.matrix("output", self.hidden, self.vocab, self.stored);
        }
        file
    }
}

impl Gguf {
    /// Adds or replaces a value.
    pub(crate) fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(known, _)| known != key);
        self.metadata.push((key.into(), value));
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.metadata.retain(|(known, _)| known != key);
    }

    pub(crate) fn add(&mut self, name: &str, dimensions: &[u64], stored: &str) {
        let (name, dimensions) = (name.into(), dimensions.to_vec());
        self.tensors.push(Tensor { name, dimensions, kind: kind(stored) });
    }

    fn matrix(&mut self, name: &str, row_len: u64, rows: u64, stored: &str) {
        self.add(&format!("{name}.weight"), &[row_len, rows], stored);
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    /// Magic, counts, metadata and tensors, without padding.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            value.write(&mut out);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor.dimensions.iter().for_each(|each| out.extend(each.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(u64::to_le_bytes(offset));
            offset += tensor.bytes().next_multiple_of(32);
        }
        out
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        if self.data {
            for tensor in &self.tensors {
                out.resize(out.len().next_multiple_of(32), 0);
                out.resize(out.len() + tensor.bytes() as usize, 1);
            }
        }
        out
    }

    /// Writes the file and reads it back.
    pub(crate) fn load(&self) -> Result<ModelSpec, InputError> {
        load("model.gguf", &self.bytes())
    }
}

impl Tensor {
    /// Zero for what is wrong on purpose.
    fn bytes(&self) -> u64 {
        let rows = self.dimensions.iter().skip(1).copied().fold(1, u64::saturating_mul);
        let stored = StoredType::from_ggml_id(self.kind);
        let row_len = self.dimensions.first().copied().unwrap_or(1);
        stored.and_then(|stored| stored.bytes(rows, row_len)).map_or(0, |bytes| bytes.0)
    }
}

/// What `load` says of a file of that name and content.
pub(crate) fn load(name: &str, bytes: &[u8]) -> Result<ModelSpec, InputError> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    model::load(path.to_str().unwrap())
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        let number = |out: &mut Vec<u8>, kind: u32, bytes: &[u8]| {
            out.extend(kind.to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Self::U32(value) => number(out, 4, &value.to_le_bytes()),
            Self::I32(value) => number(out, 5, &value.to_le_bytes()),
            Self::F32(value) => number(out, 6, &value.to_le_bytes()),
            Self::U64(value) => number(out, 10, &value.to_le_bytes()),
            Self::Text(value) => {
                out.extend(8u32.to_le_bytes());
                text(out, value);
            }
            Self::Numbers(values) => {
                array(out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::Truths(values) => {
                array(out, 7, values.len());
                out.extend(values.iter().map(|&value| u8::from(value)));
            }
            Self::Texts(values) => {
                array(out, 8, values.len());
                values.iter().for_each(|value| text(out, value));
            }
            Self::Nested(levels) => {
                out.extend(9u32.to_le_bytes());
                for _ in 1..*levels {
                    out.extend(9u32.to_le_bytes());
                    out.extend(1u64.to_le_bytes());
                }
                out.extend(4u32.to_le_bytes());
                out.extend(0u64.to_le_bytes());
            }
        }
    }
}

fn array(out: &mut Vec<u8>, kind: u32, length: usize) {
    out.extend(9u32.to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend((length as u64).to_le_bytes());
}

//! Writes tiny GGUF files, right and wrong.

use std::path::PathBuf;

use edgeplan_files::InputError;
use edgeplan_model::gguf::draft::Draft;
pub(crate) use edgeplan_model::gguf::draft::{Tensor, Value};
use edgeplan_model::{ModelSpec, StoredType};

/// A file in the making.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Tensor>,
    /// Whether there is data behind the header.
    pub(crate) data: bool,
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
    StoredType::named(name).unwrap().ggml_id
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

    fn draft(&self) -> Draft {
        let Self { version, metadata, tensors, .. } = self.clone();
        Draft { version, metadata, tensors, ..Draft::default() }
    }

    /// Magic, counts, metadata and tensors, without padding.
    pub(crate) fn header(&self) -> Vec<u8> {
        self.draft().header()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let ones = |tensor: &Tensor, out: &mut dyn std::io::Write| {
            out.write_all(&vec![1; tensor.bytes() as usize])
        };
        if !self.data {
            return self.header();
        }
        self.draft().write(&mut out, ones).unwrap();
        out
    }

    /// Writes the file and reads it back.
    pub(crate) fn load(&self) -> Result<ModelSpec, InputError> {
        load("model.gguf", &self.bytes())
    }
}

/// What `load` says of a file of that name and content.
pub(crate) fn load(name: &str, bytes: &[u8]) -> Result<ModelSpec, InputError> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    edgeplan_model::load(path.to_str().unwrap())
}

/// Empty arrays in arrays, that many levels.
pub(crate) fn nested(levels: u32) -> Value {
    (1..levels).fold(Value::Numbers(Vec::new()), |inner, _| Value::Arrays(vec![inner]))
}

//! Models: layers and tensors, from the catalog, a Hugging Face `config.json`, a GGUF file or
//! another tool.

mod cache;
mod catalog;
mod config;
mod distilp;
pub mod gguf;
pub mod recipes;
pub mod sensitivity;
mod shape;
mod split;
mod stored;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

pub use edgeplan_problem::deployment::Part;
use edgeplan_problem::format::Format;
pub use edgeplan_problem::recipe::TensorClass;
use edgeplan_problem::{Bytes, Loss};

pub use cache::{Allocation, Cache};
pub use catalog::{aliases, names};
pub use shape::{Experts, GlobalHeads, Latent, Recurrence, RecurrenceKind, Shape};
pub use stored::StoredType;

use crate::sensitivity::measured::Measured;
use edgeplan_files::{InputError, read_text};

/// A model as the planner sees it: a chain of layers, each a list of tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// A name for people.
    pub name: String,
    /// Length of a hidden state.
    pub hidden: u64,
    /// Tokens in the vocabulary.
    pub vocab: u64,
    /// Embedding, blocks, head.
    pub layers: Vec<LayerSpec>,
    /// Whether the head uses the embedding's tensor.
    pub tied: bool,
    /// Blocks behind these that only predict further tokens; engines count but do not load them.
    pub further_blocks: u64,
    /// Most tokens of a sequence that it was made for, where that is known.
    pub context_max: Option<u64>,
    /// What a reader of any plan must know of it: parts that engines do not load, tensors that keep
    /// their type, caches that are estimates.
    pub notes: Vec<String>,
    /// What a KV cache in a format adds to its divergence, in nano-nats per token, as far as that
    /// was measured; empty where nothing was.
    pub caches: Vec<(Format, Loss)>,
}

/// One layer of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    /// Embedding, block or head.
    pub part: Part,
    /// Its tensors.
    pub tensors: Vec<TensorSpec>,
    /// What it keeps between passes.
    pub cache: Cache,
    /// The heads of its attention, where it has one.
    pub attention: Option<Heads>,
    /// Tokens that attention looks back on; all if none.
    pub window: Option<u64>,
}

impl LayerSpec {
    /// A layer of these tensors that keeps nothing between passes.
    pub(crate) fn without_attention(part: Part, tensors: Vec<TensorSpec>) -> Self {
        Self { part, tensors, cache: Cache::default(), attention: None, window: None }
    }
}

/// The heads of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: u64,
    /// Key and value heads.
    pub key: u64,
    /// Elements of a head; the mean of keys and values where these differ.
    pub length: u64,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// As GGUF names it (`blk.3.attn_q.weight`).
    pub name: String,
    /// What it does.
    pub class: TensorClass,
    /// Rows (outputs).
    pub rows: u64,
    /// Elements of a row (inputs), the dimension that is quantized in blocks.
    pub row_len: u64,
    /// Whether a plan may choose its format. Norms, biases and tables keep theirs, and so does
    /// every tensor of a file that is already quantized.
    pub quantizable: bool,
    /// The type that it has in its file; `None` for a model that is known by its shape alone.
    pub native: Option<StoredType>,
    /// Where it holds the matrices of several experts: how many of them one token uses, of how
    /// many.
    pub experts: Option<(u64, u64)>,
    /// What formats cost here, as far as that was measured; empty where nothing was.
    pub measured: Vec<Measured>,
}

impl TensorSpec {
    /// Whether other formats were measured here, but not this one.
    pub fn lacks(&self, format: Format) -> bool {
        !self.measured.is_empty() && self.measured.iter().all(|known| known.format != format)
    }

    /// Elements.
    pub fn elements(&self) -> u64 {
        self.rows.saturating_mul(self.row_len)
    }

    /// Bytes in that format, or, if it may not be quantized, as its file stores it (f32 if there
    /// is no file); `None` where a row is not a whole number of blocks.
    pub fn bytes(&self, format: Format) -> Option<Bytes> {
        let kept = || self.native.unwrap_or(Format::F32.into());
        let stored = if self.quantizable { format.into() } else { kept() };
        stored.bytes(self.rows, self.row_len)
    }
}

/// All tensors that a file stores in one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSum {
    /// The type's name in ggml.
    pub name: &'static str,
    /// Tensors of this type.
    pub tensors: usize,
    /// Their bytes.
    pub bytes: Bytes,
}

impl ModelSpec {
    /// Whether a token uses some of a layer's matrices only.
    pub fn has_experts(&self) -> bool {
        self.tensors().any(|tensor| tensor.experts.is_some())
    }

    /// Parameters; a tied tensor counts once.
    pub fn parameters(&self) -> u64 {
        self.tensors().map(TensorSpec::elements).fold(0, u64::saturating_add)
    }

    /// The types in which a file stores tensors, by ggml's numbers; a tied tensor counts once.
    /// Empty for a model that is known by its shape alone.
    pub fn stored_types(&self) -> Vec<StoredSum> {
        let mut types = BTreeMap::new();
        let of_file = self.tensors().all(|tensor| tensor.native.is_some());
        for tensor in self.tensors().filter(|_| of_file) {
            let Some(stored) = tensor.native else { continue };
            let none = StoredSum { name: stored.name, tensors: 0, bytes: Bytes::ZERO };
            let sum = types.entry(stored.ggml_id).or_insert(none);
            sum.tensors += 1;
            sum.bytes += stored.bytes(tensor.rows, tensor.row_len).unwrap_or_default();
        }
        types.into_values().collect()
    }

    /// Bytes of all tensors as a file stores them; `None` for a model that is known by its shape
    /// alone.
    pub fn stored_bytes(&self) -> Option<Bytes> {
        let types = self.stored_types();
        (!types.is_empty()).then(|| types.into_iter().map(|sum| sum.bytes).sum())
    }

    /// The same model, every tensor as its file stores it: what runs when nothing is changed.
    pub fn as_stored(mut self) -> Self {
        for tensor in self.layers.iter_mut().flat_map(|layer| &mut layer.tensors) {
            tensor.quantizable &= tensor.native.is_none();
        }
        self
    }

    /// The classes of matrices that keep a quantized type although others may be chosen, and that
    /// type.
    pub fn kept(&self) -> Vec<(TensorClass, StoredType)> {
        let mut kept: Vec<(TensorClass, StoredType)> = Vec::new();
        for tensor in self.tensors().filter(|tensor| !tensor.quantizable) {
            let stored = tensor.native.filter(|stored| stored.is_quantized());
            if let Some(stored) = stored.filter(|_| kept.iter().all(|(k, _)| *k != tensor.class)) {
                kept.push((tensor.class, stored));
            }
        }
        kept
    }

    /// All tensors, a tied one once.
    fn tensors(&self) -> impl Iterator<Item = &TensorSpec> {
        let tensors = self.layers.iter().flat_map(|layer| &layer.tensors);
        tensors.filter(|tensor| !(self.tied && tensor.class == TensorClass::Output))
    }
}

/// Reads a model: `catalog:NAME`, a `config.json` or a folder that holds one, distilp's profile,
/// or a GGUF file, which is known by its name (`.gguf`) or its first bytes.
///
/// # Errors
/// An unknown name with the nearest known one; a file that cannot be read or makes no sense.
pub fn load(spec: &str) -> Result<ModelSpec, InputError> {
    if let Some(name) = spec.strip_prefix("catalog:") {
        return catalog::find(name);
    }
    let mut path = Path::new(spec).to_path_buf();
    if path.is_dir() {
        path.push("config.json");
    } else if is_gguf(&path) {
        return gguf::load(&path);
    }
    let file = path.display().to_string();
    let text = read_text(&path).map_err(|error| {
        // A bare name is no file.
        let near = if path.exists() { Vec::new() } else { catalog::near(spec) };
        match near.is_empty() {
            true => error,
            false => {
                let near: Vec<String> =
                    near.iter().map(|name| format!("`catalog:{name}`")).collect();
                let near = near.join(" or ");
                InputError::file(&file, format!("no such file; the catalog has {near}"))
            }
        }
    })?;
    match distilp::is_model(&text) {
        true => distilp::model(&file, &text),
        false => config::parse(&file, &text),
    }
}

/// Reads the numbers that define an architecture: `catalog:NAME`, a `config.json` or a folder that
/// holds one.
///
/// # Errors
/// As [`load`].
pub fn shape(spec: &str) -> Result<Shape, InputError> {
    if let Some(name) = spec.strip_prefix("catalog:") {
        return catalog::shape(name);
    }
    let mut path = Path::new(spec).to_path_buf();
    if path.is_dir() {
        path.push("config.json");
    }
    config::shape(&path.display().to_string(), &read_text(&path)?)
}

fn is_gguf(path: &Path) -> bool {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) {
        return true;
    }
    let mut magic = [0; 4];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok() && &magic == b"GGUF")
}

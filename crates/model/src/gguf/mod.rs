//! GGUF files: a model as it lies on disk. Only the header is read, so that a file of many
//! gigabytes costs as little as one that ends there.
//!
//! A file of floats (f32, f16, bf16) is a model like those of the catalog: its matrices may be
//! stored in any format. A file that is already quantized is planned as it is: every tensor keeps
//! its type, each layer has the one recipe `native`, and loss is relative to the file, hence zero.
//! Matrices of experts and whatever else has no class of its own keep their type in either case.
//!
//! The KV cache is that of plain attention: an upper bound where a model compresses it (latent
//! attention) or shares it between blocks. Recurrent states are not counted.

pub mod draft;
mod header;
mod reader;

use std::path::Path;

use self::header::Value;
pub use self::header::{Header, Pair, Tensor, read};
use super::{Heads, LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};
use edgeplan_files::InputError;

/// Numbers above this are no model.
const MOST: u64 = 10_000_000;
const BLOCKS_MOST: u64 = 1024;

/// What tensors begin at a multiple of, where a file says nothing else.
const ALIGNMENT: u64 = 32;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// Every so many blocks one sees everything although the model has a window, where the file does
/// not say so: what llama.cpp assumes of these architectures (ggml-org/llama.cpp, `src/models`).
const GLOBAL_EVERY: [(&str, u64); 9] = [
    ("afmoe", 4),
    ("cohere2", 4),
    ("exaone-moe", 4),
    ("exaone4", 4),
    ("gemma2", 2),
    ("gemma3", 6),
    ("gemma3n", 5),
    ("gpt-oss", 2),
    ("olmo2", 4),
];

/// Reads the header of a GGUF file.
///
/// # Errors
/// A file that is cut off, or that is no language model in one piece; with the byte where reading
/// stopped, or the key or tensor that makes no sense.
pub(super) fn load(path: &Path) -> Result<ModelSpec, InputError> {
    let header = read(path)?;
    let architecture = header.architecture()?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = header.text("general.name")?.filter(|name| !name.is_empty());
    let name = name.map(str::to_owned).or(stem).unwrap_or_else(|| architecture.into());
    header.model(name, architecture)
}

/// What a header says, under the keys of one architecture.
impl Header {
    /// The architecture of a model in one file.
    ///
    /// # Errors
    /// When the file does not say, or holds a part only.
    pub fn architecture(&self) -> Result<&str, InputError> {
        let parts = self.number("split.count", 0..=u16::MAX.into())?;
        if let Some(parts) = parts.filter(|&parts| parts > 1) {
            let problem = format!("{parts}; only a model in one file can be read");
            return Err(self.error("split.count", problem));
        }
        let architecture = self.text("general.architecture")?.filter(|name| !name.is_empty());
        architecture.ok_or_else(|| self.error("general.architecture", "is missing"))
    }

    /// A number for each block, from one for all of them or a list.
    fn by_block(&self, key: &str, blocks: u64) -> Result<Option<Vec<u64>>, InputError> {
        let Some(Value::Integers(values)) = self.metadata.get(key) else {
            let value = self.number(key, 0..=MOST)?;
            return Ok(value.map(|value| vec![value; blocks as usize]));
        };
        if values.len() as u64 != blocks {
            let problem = format!("{} numbers; one for each of {blocks} blocks", values.len());
            return Err(self.error(key, problem));
        }
        let values = values.iter().map(|&value| self.within(key, value, &(0..=MOST)));
        values.collect::<Result<Vec<u64>, _>>().map(Some)
    }

    fn model(&self, name: String, architecture: &str) -> Result<ModelSpec, InputError> {
        let blocks = self.needed(&format!("{architecture}.block_count"), 1..=BLOCKS_MOST)?;
        let hidden = self.needed(&format!("{architecture}.embedding_length"), 1..=MOST)?;
        let mut layers = self.layers(architecture, blocks, hidden)?;
        let tensors = &self.tensors;
        let embedding = tensors.iter().find(|tensor| tensor.name == EMBEDDING);
        let embedding = embedding.ok_or_else(|| self.error(EMBEDDING, "is missing"))?;
        let tied = tensors.iter().all(|tensor| tensor.name != HEAD);
        let quantized = tensors.iter().any(|tensor| tensor.stored.is_quantized());
        let used = self.number(&format!("{architecture}.expert_used_count"), 1..=MOST)?;
        let spec = |tensor: &Tensor| spec(tensor, quantized, used);
        for tensor in tensors {
            let layer = self.layer_of(tensor, blocks)?;
            layers[layer].tensors.push(spec(tensor));
        }
        if tied {
            let (name, class) = (HEAD.into(), TensorClass::Output);
            let head = TensorSpec { name, class, ..spec(embedding) };
            layers[1 + blocks as usize].tensors.push(head);
        }
        if let Some(layer) = layers.iter().find(|layer| layer.tensors.is_empty()) {
            return Err(self.error(&layer.part.to_string(), "has no tensors"));
        }
        let vocab = self.vocab(architecture)?.unwrap_or(embedding.rows());
        self.within(EMBEDDING, vocab.into(), &(1..=MOST))?;
        Ok(ModelSpec { name, hidden, vocab, layers, tied })
    }

    fn vocab(&self, architecture: &str) -> Result<Option<u64>, InputError> {
        let tokens = "tokenizer.ggml.tokens";
        let listed = match self.metadata.get(tokens) {
            Some(Value::Array(length)) => {
                Some(self.within(tokens, (*length).into(), &(1..=MOST))?)
            }
            Some(_) => return Err(self.error(tokens, "a list of texts is allowed")),
            None => None,
        };
        Ok(self.number(&format!("{architecture}.vocab_size"), 1..=MOST)?.or(listed))
    }

    /// Embedding, blocks and head, without their tensors.
    fn layers(
        &self,
        architecture: &str,
        blocks: u64,
        hidden: u64,
    ) -> Result<Vec<LayerSpec>, InputError> {
        let key = |name: &str| format!("{architecture}.attention.{name}");
        let heads = key("head_count");
        let heads =
            self.by_block(&heads, blocks)?.ok_or_else(|| self.error(&heads, "is missing"))?;
        let kv_heads = self.by_block(&key("head_count_kv"), blocks)?;
        let kv_heads = kv_heads.as_ref().unwrap_or(&heads);
        let heads_of_blocks = heads.iter().zip(kv_heads);
        // Some blocks may have no attention at all.
        let usual = heads.iter().find(|&&heads| heads > 0).map_or(0, |heads| hidden / heads);
        let length = |name: &str, windowed: bool| -> Result<u64, InputError> {
            let special = match windowed {
                true => self.number(&key(&format!("{name}_swa")), 1..=MOST)?,
                false => None,
            };
            Ok(special.or(self.number(&key(name), 1..=MOST)?).unwrap_or(usual))
        };
        let windows = self.windows(architecture, blocks)?;
        let mut layers = vec![layer(Part::Embedding)];
        for (block, (window, (query, key))) in windows.into_iter().zip(heads_of_blocks).enumerate()
        {
            let (keys, values) = ("key_length", "value_length");
            let head = length(keys, window.is_some())? + length(values, window.is_some())?;
            let heads = Heads { query: *query, key: *key, length: head / 2 };
            let attention = [heads.query, heads.key, heads.length].iter().all(|&count| count > 0);
            layers.push(LayerSpec {
                kv_elements: key * head,
                attention: attention.then_some(heads),
                window,
                ..layer(Part::Block(block))
            });
        }
        layers.push(layer(Part::Head));
        Ok(layers)
    }

    /// The window of each block, where it has one.
    fn windows(&self, architecture: &str, blocks: u64) -> Result<Vec<Option<u64>>, InputError> {
        let key = |name: &str| format!("{architecture}.attention.{name}");
        let window = self.number(&key("sliding_window"), 0..=u32::MAX.into())?;
        let window = window.filter(|&window| window > 0);
        let pattern = key("sliding_window_pattern");
        if let Some(Value::Integers(_)) = self.metadata.get(&pattern) {
            let windowed = self.by_block(&pattern, blocks)?.unwrap_or_default();
            return Ok(windowed.into_iter().map(|yes| window.filter(|_| yes != 0)).collect());
        }
        let assumed = GLOBAL_EVERY.iter().find(|(name, _)| *name == architecture);
        let every = self.number(&pattern, 0..=MOST)?.or(assumed.map(|(_, every)| *every));
        let sees_all = |block: u64| every.is_some_and(|every| (block + 1).is_multiple_of(every));
        Ok((0..blocks).map(|block| window.filter(|_| !sees_all(block))).collect())
    }

    /// Index of the layer that a tensor belongs to.
    fn layer_of(&self, tensor: &Tensor, blocks: u64) -> Result<usize, InputError> {
        if let Some(rest) = tensor.name.strip_prefix("blk.") {
            let block = rest.split('.').next().and_then(|block| block.parse::<u64>().ok());
            return match block.filter(|&block| block < blocks) {
                Some(block) => Ok(1 + block as usize),
                None => {
                    let problem = format!("the model has blocks 0 to {}", blocks - 1);
                    Err(self.error(&tensor.name, problem))
                }
            };
        }
        if tensor.name.starts_with("enc.") || tensor.name.starts_with("dec.") {
            return Err(self.error(&tensor.name, "only decoders in one chain can be read"));
        }
        let head = tensor.name.starts_with("output");
        Ok(if head { 1 + blocks as usize } else { 0 })
    }
}

fn layer(part: Part) -> LayerSpec {
    LayerSpec { part, tensors: Vec::new(), kv_elements: 0, attention: None, window: None }
}

/// A tensor as the planner sees it; `used` is how many experts a token uses.
fn spec(tensor: &Tensor, quantized: bool, used: Option<u64>) -> TensorSpec {
    let class = class(&tensor.name);
    let matrix = tensor.dimensions[1] > 1 && tensor.dimensions[2..] == [1, 1];
    let chosen = TensorClass::MATRICES.contains(&class) && matrix && !quantized;
    let experts = tensor.dimensions[2];
    let several = tensor.name.contains("_exps.") && experts > 1;
    TensorSpec {
        name: tensor.name.clone(),
        class,
        rows: tensor.rows(),
        row_len: tensor.dimensions[0],
        quantizable: chosen,
        native: Some(tensor.stored),
        experts: used.filter(|&used| several && used < experts).map(|used| (used, experts)),
        measured: Vec::new(),
    }
}

/// `blk.3.attn_q.weight` is an [`TensorClass::AttnQ`].
fn class(name: &str) -> TensorClass {
    let mut parts = name.rsplit('.');
    let (suffix, stem) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match suffix {
        "bias" => TensorClass::Bias,
        "weight" if stem.contains("norm") => TensorClass::Norm,
        "weight" => {
            let known = TensorClass::MATRICES.into_iter().chain([TensorClass::PositionEmbd]);
            known.into_iter().find(|class| class.name() == stem).unwrap_or(TensorClass::Other)
        }
        _ => TensorClass::Other,
    }
}

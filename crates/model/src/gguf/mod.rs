//! GGUF files: a model as it lies on disk. Only the header is read, so that a file of many
//! gigabytes costs as little as one that ends there.
//!
//! A file of floats (f32, f16, bf16) is a model like those of the catalog: its matrices may be
//! stored in any format, experts included. A file that is already quantized is planned as it is:
//! every tensor keeps its type, each layer has the one recipe `native`, and loss is relative to the
//! file, hence zero. Blocks that only predict further tokens are left out, as engines leave them
//! out.

mod blocks;
pub mod draft;
mod header;
mod made;
mod metadata;
mod parts;
mod projector;
mod reader;
mod tensors;

use std::path::Path;

use self::blocks::BlockCounts;
pub(crate) use self::blocks::has_windows;
use self::header::Value;
pub use self::header::{Header, Pair, Tensor, read};
pub use self::metadata::WRITTEN;
pub use self::projector::Projector;
use super::{ModelSpec, TensorClass, TensorSpec};
use edgeplan_files::InputError;

/// Numbers above this are no model.
const MOST: u64 = 10_000_000;
const BLOCKS_MOST: u64 = 1024;

/// What tensors begin at a multiple of, where a file says nothing else.
const ALIGNMENT: u64 = 32;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// Reads the header of a GGUF file, or of all files of a model that lies in several.
///
/// # Errors
/// A file that is cut off, or that is no language model; with the byte where reading stopped, or
/// the key or tensor that makes no sense; and the files of a split model that are missing.
pub(super) fn load(path: &Path) -> Result<ModelSpec, InputError> {
    let header = parts::read_all(path)?;
    let architecture = header.named_architecture()?;
    if architecture == projector::CLIP {
        let problem = "`clip` is a projector; `--mmproj` names it beside a language model";
        return Err(header.error("general.architecture", problem));
    }
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
            let problem = format!("{parts}; only a model in one file can be read here");
            return Err(self.error("split.count", problem));
        }
        self.named_architecture()
    }

    fn named_architecture(&self) -> Result<&str, InputError> {
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
        let blocks = self.block_counts(architecture)?;
        let hidden = self.needed(&format!("{architecture}.embedding_length"), 1..=MOST)?;
        let mut layers = self.layers(architecture, blocks, hidden)?;
        let tensors = &self.tensors;
        let embedding = tensors.iter().find(|tensor| tensor.name == EMBEDDING);
        let embedding = embedding.ok_or_else(|| self.error(EMBEDDING, "is missing"))?;
        let tied = tensors.iter().all(|tensor| tensor.name != HEAD);
        let quantized = tensors.iter().any(|tensor| tensor.stored.is_quantized());
        let used = format!("{architecture}.expert_used_count");
        let used = self.by_block(&used, blocks.all())?;
        let mut skipped = 0u64;
        for tensor in tensors {
            let Some(layer) = self.layer_of(tensor, blocks)? else {
                skipped = skipped.saturating_add(tensor.bytes.0);
                continue;
            };
            let used = layers[layer].part.block().and_then(|block| Some(used.as_ref()?[block]));
            let spec = tensors::spec(tensor, quantized, used);
            tensors::add(&mut layers[layer].tensors, spec);
        }
        if tied {
            let (name, class) = (HEAD.into(), TensorClass::Output);
            let head = TensorSpec { name, class, ..tensors::spec(embedding, quantized, None) };
            layers[1 + blocks.loaded as usize].tensors.push(head);
        }
        // Pruned models of one architecture have blocks that do nothing.
        let empty = layers.iter().find(|layer| layer.tensors.is_empty());
        if let Some(layer) = empty.filter(|_| architecture != "deci") {
            return Err(self.error(&layer.part.to_string(), "has no tensors"));
        }
        let vocab = self.vocab(architecture)?.unwrap_or(embedding.rows());
        self.within(EMBEDDING, vocab.into(), &(1..=MOST))?;
        let context_max = format!("{architecture}.context_length");
        let context_max = self.number(&context_max, 0..=u32::MAX.into())?.filter(|&most| most > 0);
        let mut notes: Vec<String> = Self::cache_note(architecture).into_iter().collect();
        if skipped > 0 {
            let bytes = edgeplan_problem::Bytes(skipped);
            notes.push(format!(
                "{} of {} blocks only predict further tokens and are not loaded ({bytes})",
                blocks.further,
                blocks.all()
            ));
        }
        let further_blocks = blocks.further;
        let mut model = ModelSpec {
            name,
            hidden,
            vocab,
            layers,
            tied,
            further_blocks,
            context_max,
            notes,
            caches: Vec::new(),
        };
        model.notes.extend(tensors::kept(&model, quantized));
        Ok(model)
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

    /// Index of the layer that a tensor belongs to; none for a block that is not loaded.
    fn layer_of(&self, tensor: &Tensor, blocks: BlockCounts) -> Result<Option<usize>, InputError> {
        if let Some(rest) = tensor.name.strip_prefix("blk.") {
            let block = rest.split('.').next().and_then(|block| block.parse::<u64>().ok());
            return match block.filter(|&block| block < blocks.all()) {
                Some(block) => Ok((block < blocks.loaded).then_some(1 + block as usize)),
                None => {
                    let problem = format!("the model has blocks 0 to {}", blocks.all() - 1);
                    Err(self.error(&tensor.name, problem))
                }
            };
        }
        if tensor.name.starts_with("enc.") || tensor.name.starts_with("dec.") {
            return Err(self.error(&tensor.name, "only decoders in one chain can be read"));
        }
        let head = tensor.name.starts_with("output");
        Ok(Some(if head { 1 + blocks.loaded as usize } else { 0 }))
    }
}

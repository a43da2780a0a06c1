//! The numbers of a llama, from the metadata of its file.

use candle_core::{Device, Tensor};
use edgeplan_files::InputError;
use edgeplan_model::gguf::Header;

use crate::rope::{Rotation, Table};

/// Numbers above this are no model.
const MOST: u64 = 10_000_000;
const BLOCKS_MOST: u64 = 1024;

/// What a llama's file says of it besides its tensors. Lengths are in elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Llama {
    /// Blocks.
    pub blocks: usize,
    /// Of a hidden state.
    pub hidden: usize,
    /// Inner length of the feed-forward part; 0 where the file does not say.
    pub ffn: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; query heads are shared evenly among them.
    pub kv_heads: usize,
    /// Length of a head.
    pub head_dim: usize,
    /// What the mean square of a normalization is raised by.
    pub epsilon: f32,
    /// Positions that attention can look back on; all if none.
    pub window: Option<usize>,
    pub(crate) rotation: Rotation,
}

impl Llama {
    /// Reads the metadata.
    ///
    /// # Errors
    /// Another architecture, a missing key, or a number out of range.
    pub fn read(header: &Header) -> Result<Self, InputError> {
        let architecture = header.architecture()?;
        if architecture != "llama" {
            let problem = format!("`{architecture}` cannot be run; `llama` is allowed");
            return Err(header.error("general.architecture", problem));
        }
        if let Some(experts) = header.number("llama.expert_count", 0..=MOST)?.filter(|&n| n > 0) {
            let problem = format!("{experts}; a model with experts cannot be run, 0 is allowed");
            return Err(header.error("llama.expert_count", problem));
        }
        header.needed("llama.feed_forward_length", 1..=MOST)?;
        Self::numbers(header, architecture)
    }

    /// Reads the metadata of an architecture that has a llama's numbers under its own name, however
    /// else it computes.
    ///
    /// # Errors
    /// A missing key, or a number out of range.
    pub fn numbers(header: &Header, architecture: &str) -> Result<Self, InputError> {
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str, range| header.number(&key(name), range);
        let needed = |name: &str, most: u64| -> Result<usize, InputError> {
            Ok(header.needed(&key(name), 1..=most)? as usize)
        };
        let hidden = needed("embedding_length", MOST)?;
        let heads = needed("attention.head_count", hidden as u64)?;
        let name = "attention.head_count_kv";
        let kv_heads = number(name, 1..=heads as u64)?.map_or(heads, |n| n as usize);
        if !heads.is_multiple_of(kv_heads) {
            let problem = format!("{kv_heads}; a divisor of the {heads} heads is allowed");
            return Err(header.error(&key(name), problem));
        }
        let name = "attention.key_length";
        let head_dim = number(name, 1..=MOST)?.map_or(hidden / heads, |n| n as usize);
        let name = "attention.value_length";
        let value = number(name, 1..=MOST)?;
        if let Some(value) = value.filter(|&value| value != head_dim as u64) {
            let problem = format!("{value}; the length of keys, {head_dim}, is allowed");
            return Err(header.error(&key(name), problem));
        }
        let epsilon = key("attention.layer_norm_rms_epsilon");
        let missing = || header.error(&epsilon, "is missing");
        let window = number("attention.sliding_window", 0..=u32::MAX.into())?;
        Ok(Self {
            blocks: needed("block_count", BLOCKS_MOST)?,
            hidden,
            ffn: number("feed_forward_length", 0..=MOST)?.unwrap_or(0) as usize,
            heads,
            kv_heads,
            head_dim,
            epsilon: header.fraction(&epsilon, 0.0..=1.0)?.ok_or_else(missing)? as f32,
            window: window.filter(|&window| window > 0).map(|window| window as usize),
            rotation: Rotation::read(header, architecture, head_dim)?,
        })
    }

    /// Cosines and sines of the first positions, `[positions, pairs]` each: how far each pair of
    /// neighbours among the first elements of a query or key turns. `factors`, one for each pair,
    /// are those of `rope_freqs.weight`, where the file has them.
    ///
    /// # Errors
    /// Those of candle.
    pub fn turns(
        &self,
        factors: Option<&[f32]>,
        positions: usize,
        device: &Device,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        self.rotation.table(factors, positions, device).map(Table::into_parts)
    }

    /// Pairs that turn.
    pub fn pairs(&self) -> usize {
        self.rotation.dims / 2
    }
}

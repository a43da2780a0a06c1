//! What each block of an architecture keeps and looks back on, by the rules with which llama.cpp
//! loads it (ggml-org/llama.cpp at September 2026, `src/llama-model.cpp`, `src/llama-hparams.cpp`
//! and `src/models/*.cpp`).

use super::header::{Header, Value};
use super::{BLOCKS_MOST, MOST};
use crate::{Cache, Heads, LayerSpec, Part};
use edgeplan_files::InputError;

/// What a file does not say of the windows of an architecture.
struct Windows {
    architecture: &'static str,
    /// Every so many blocks one sees everything; 0 if none does.
    every: u64,
    /// Whether that one is the first of them, not the last.
    first: bool,
    /// Tokens of the window where the file is silent.
    default: Option<u64>,
}

const fn windows(architecture: &'static str, every: u64) -> Windows {
    Windows { architecture, every, first: false, default: None }
}

const fn whole_first(architecture: &'static str, every: u64) -> Windows {
    Windows { first: true, ..windows(architecture, every) }
}

/// The architectures whose windows llama.cpp applies. Every other one sees everything, whatever its
/// file says: Phi-3 and Mistral among them.
const WINDOWS: [Windows; 23] = [
    windows("afmoe", 4),
    windows("cohere2", 4),
    whole_first("cohere2moe", 4),
    Windows { default: Some(4096), ..windows("exaone4", 4) },
    Windows { default: Some(128), ..windows("exaone-moe", 4) },
    Windows { default: Some(4096), ..windows("gemma2", 2) },
    windows("gemma3", 6),
    windows("gemma3n", 5),
    windows("gemma4", 0),
    windows("gpt-oss", 2),
    windows("granite_swa", 0),
    whole_first("laguna", 4),
    windows("lfm2", 0),
    windows("llama4", 4),
    windows("maple", 0),
    windows("mellum", 4),
    windows("mimo2", 0),
    windows("muse-glimmer", 4),
    windows("olmo2", 4),
    windows("plamo3", 8),
    whole_first("smallthinker", 4),
    windows("spark2_5", 0),
    windows("step35", 0),
];

/// Blocks of recurrences alone.
const RECURRENT: [&str; 6] = ["mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"];

/// A block without key heads is a recurrence.
const RECURRENT_WITHOUT_KEYS: [&str; 8] = [
    "jamba",
    "plamo2",
    "granitehybrid",
    "lfm2",
    "lfm2moe",
    "kimi-linear",
    "nemotron_h",
    "nemotron_h_moe",
];

/// Every so many blocks one has attention, the others are recurrences.
const RECURRENT_BETWEEN: [&str; 3] = ["qwen3next", "qwen35", "qwen35moe"];

/// Keys of an indexer beside the cache, in every block.
const INDEXED: [&str; 2] = ["deepseek32", "glm-dsa"];

/// Architectures with caches of their own kinds: what is said of these is plain attention.
const UNKNOWN: [&str; 9] = [
    "bailingmoe3",
    "deepseek4",
    "dots3note",
    "glm5-next",
    "hy_v4",
    "kimi-k3",
    "minimax-01",
    "minimax-m3",
    "qwen4exp",
];

/// Whether llama.cpp applies the windows of that architecture.
pub(crate) fn has_windows(architecture: &str) -> bool {
    WINDOWS.iter().any(|rule| rule.architecture == architecture)
}

/// Blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockCounts {
    /// Blocks that are loaded.
    pub(super) loaded: u64,
    /// Blocks behind these that only predict further tokens.
    pub(super) further: u64,
}

impl BlockCounts {
    pub(super) fn all(self) -> u64 {
        self.loaded + self.further
    }
}

impl Header {
    /// The blocks of a file.
    pub(super) fn block_counts(&self, architecture: &str) -> Result<BlockCounts, InputError> {
        let all = self.needed(&format!("{architecture}.block_count"), 1..=BLOCKS_MOST)?;
        let key = format!("{architecture}.nextn_predict_layers");
        let further = self.number(&key, 0..=all - 1)?.unwrap_or(0);
        Ok(BlockCounts { loaded: all - further, further })
    }

    /// Embedding, blocks and head, without their tensors.
    pub(super) fn layers(
        &self,
        architecture: &str,
        blocks: BlockCounts,
        hidden: u64,
    ) -> Result<Vec<LayerSpec>, InputError> {
        let key = |name: &str| format!("{architecture}.attention.{name}");
        let all = blocks.all();
        let heads = self.by_block(&key("head_count"), all)?;
        if heads.is_none() && !RECURRENT.contains(&architecture) {
            return Err(self.error(&key("head_count"), "is missing"));
        }
        let heads = heads.unwrap_or_else(|| vec![0; all as usize]);
        let kv_heads = self.by_block(&key("head_count_kv"), all)?;
        let kv_heads = kv_heads.as_ref().unwrap_or(&heads);
        let windows = self.windows(architecture, blocks)?;
        let lengths = Lengths::of(self, architecture, hidden, &heads)?;
        let latent = self.number(&key("key_length_mla"), 1..=MOST)?.is_some();
        let recurrent = self.recurrent(architecture, blocks, kv_heads)?;
        let state = self.state(architecture, hidden, &heads)?;
        let index = match INDEXED.contains(&architecture) {
            true => self.number(&key("indexer.key_length"), 0..=MOST)?.unwrap_or(0),
            false => 0,
        };
        let own = self.own_caches(architecture, blocks.loaded)?;
        let mut layers = vec![layer(Part::Embedding)];
        for block in 0..blocks.loaded as usize {
            let (window, query, keys) = (windows[block], heads[block], kv_heads[block]);
            let (key, value) = lengths.in_block(window.is_some());
            // Some blocks of Nemotron-H are feed-forward networks alone.
            let (recurrence, attends) = recurrent[block];
            let cached = attends && (block as u64) < own;
            let cache = Cache {
                keys: if cached { keys * key } else { 0 },
                values: if cached && !latent { keys * value } else { 0 },
                index: if cached { index } else { 0 },
                state: if recurrence { state } else { 0 },
            };
            let heads = Heads { query, key: keys, length: (key + value) / 2 };
            let some = [heads.query, heads.key, heads.length].iter().all(|&count| count > 0);
            let attention = (attends && some).then_some(heads);
            let part = Part::Block(block);
            layers.push(LayerSpec { cache, attention, window, ..layer(part) });
        }
        layers.push(layer(Part::Head));
        Ok(layers)
    }

    /// What to know of an architecture's cache, if it is an estimate.
    pub(super) fn cache_note(architecture: &str) -> Option<String> {
        UNKNOWN.contains(&architecture).then(|| {
            format!(
                "`{architecture}` keeps a cache of its own kind; its bytes are those of attention"
            )
        })
    }

    /// The window of each block, where it has one.
    fn windows(
        &self,
        architecture: &str,
        blocks: BlockCounts,
    ) -> Result<Vec<Option<u64>>, InputError> {
        let none = vec![None; blocks.loaded as usize];
        let key = |name: &str| format!("{architecture}.attention.{name}");
        let said = self.number(&key("sliding_window"), 0..=u32::MAX.into())?;
        let Some(rule) = WINDOWS.iter().find(|rule| rule.architecture == architecture) else {
            return Ok(none);
        };
        let window = match architecture {
            // Chunks of 8192 unless the file says 0; windows of 4096 if it says anything else.
            "llama4" if said != Some(0) => Some(8192),
            "smallthinker" if said.is_some_and(|window| window > 0) => Some(4096),
            // Only the 32 B model has windows.
            "exaone4" if blocks.loaded != 64 => None,
            _ => said.or(rule.default),
        };
        let Some(window) = window.filter(|&window| window > 0) else { return Ok(none) };
        let pattern = key("sliding_window_pattern");
        if let Some(Value::Integers(_)) = self.metadata.get(&pattern) {
            let windowed = self.by_block(&pattern, blocks.all())?.unwrap_or_default();
            let windowed = windowed.into_iter().take(blocks.loaded as usize);
            return Ok(windowed.map(|yes| (yes != 0).then_some(window)).collect());
        }
        let every = self.number(&pattern, 0..=MOST)?.unwrap_or(rule.every);
        let sees_all = |block: u64| match every {
            0 => false,
            _ if rule.first => block.is_multiple_of(every),
            _ => (block + 1).is_multiple_of(every),
        };
        Ok((0..blocks.loaded).map(|block| (!sees_all(block)).then_some(window)).collect())
    }

    /// Whether each block is a recurrence, and whether it has attention.
    fn recurrent(
        &self,
        architecture: &str,
        blocks: BlockCounts,
        kv_heads: &[u64],
    ) -> Result<Vec<(bool, bool)>, InputError> {
        let count = blocks.loaded as usize;
        if RECURRENT.contains(&architecture) {
            return Ok(vec![(true, false); count]);
        }
        if architecture == "falcon-h1" {
            return Ok(vec![(true, true); count]);
        }
        if RECURRENT_WITHOUT_KEYS.contains(&architecture) {
            // A block of Nemotron-H with a feed-forward network has nothing else.
            let alone = match architecture.starts_with("nemotron_h") {
                true => {
                    let key = format!("{architecture}.feed_forward_length");
                    self.by_block(&key, blocks.all())?
                }
                false => None,
            };
            let alone = |block: usize| alone.as_ref().is_some_and(|lengths| lengths[block] > 0);
            let kind = |block: usize| match (alone(block), kv_heads[block]) {
                (true, _) => (false, false),
                (false, 0) => (true, false),
                (false, _) => (false, true),
            };
            return Ok((0..count).map(kind).collect());
        }
        if RECURRENT_BETWEEN.contains(&architecture) {
            let listed = format!("{architecture}.attention.recurrent_layers");
            if let Some(recurrent) = self.by_block(&listed, blocks.all())? {
                return Ok(recurrent[..count].iter().map(|&yes| (yes != 0, yes == 0)).collect());
            }
            let key = format!("{architecture}.full_attention_interval");
            let every = self.number(&key, 1..=BLOCKS_MOST)?.unwrap_or(4);
            let attends = |block: u64| (block + 1).is_multiple_of(every);
            return Ok((0..blocks.loaded).map(|block| (!attends(block), attends(block))).collect());
        }
        Ok(vec![(false, true); count])
    }

    /// Elements of the state of a recurrence: of its convolution, and of itself.
    fn state(&self, architecture: &str, hidden: u64, heads: &[u64]) -> Result<u64, InputError> {
        let number = |name: &str| -> Result<u64, InputError> {
            let key = format!("{architecture}.{name}");
            Ok(self.number(&key, 0..=MOST)?.unwrap_or(0))
        };
        let wkv = number("wkv.head_size")?;
        if wkv > 0 {
            let key = format!("{architecture}.token_shift_count");
            let shifted = self.number(&key, 0..=MOST)?.unwrap_or(2);
            return Ok(hidden * (shifted + wkv));
        }
        let short = number("shortconv.l_cache")?;
        if short > 0 {
            return Ok(hidden * (short - 1));
        }
        let kernel = number("ssm.conv_kernel")?;
        let delta = number("kda.head_dim")?;
        if delta > 0 {
            let heads = heads.first().copied().unwrap_or(0);
            let columns = if kernel > 0 { kernel - 1 } else { 3 };
            return Ok(heads * delta * (3 * columns + delta));
        }
        let (inner, state) = (number("ssm.inner_size")?, number("ssm.state_size")?);
        let groups = number("ssm.group_count")?;
        let convolution = kernel.saturating_sub(1) * (inner + 2 * groups * state);
        Ok(convolution + inner * state)
    }

    /// How many blocks, from the first one, have a cache of their own; later ones read an earlier
    /// one's.
    fn own_caches(&self, architecture: &str, blocks: u64) -> Result<u64, InputError> {
        match architecture {
            "gemma3n" => Ok(20.min(blocks)),
            "gemma4" => {
                let key = "gemma4.attention.shared_kv_layers";
                Ok(blocks - self.number(key, 0..=blocks)?.unwrap_or(0))
            }
            _ => Ok(blocks),
        }
    }
}

/// Elements of a head's keys and values.
struct Lengths {
    whole: (u64, u64),
    windowed: (u64, u64),
}

impl Lengths {
    fn of(
        header: &Header,
        architecture: &str,
        hidden: u64,
        heads: &[u64],
    ) -> Result<Self, InputError> {
        let usual = heads.iter().find(|&&heads| heads > 0).map_or(0, |heads| hidden / heads);
        let length = |name: &str, other: u64| -> Result<u64, InputError> {
            let key = format!("{architecture}.attention.{name}");
            Ok(header.number(&key, 1..=MOST)?.unwrap_or(other))
        };
        let whole = (length("key_length", usual)?, length("value_length", usual)?);
        let windowed = (length("key_length_swa", whole.0)?, length("value_length_swa", whole.1)?);
        Ok(Self { whole, windowed })
    }

    fn in_block(&self, windowed: bool) -> (u64, u64) {
        if windowed { self.windowed } else { self.whole }
    }
}

fn layer(part: Part) -> LayerSpec {
    LayerSpec::without_attention(part, Vec::new())
}

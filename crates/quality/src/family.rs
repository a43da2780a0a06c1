//! Architectures of GGUF files that can be run here: their numbers, tensors and equations.

use std::collections::BTreeMap;

use candle_core::Device;
use edgeplan_files::InputError;
use edgeplan_model::ModelSpec;
use edgeplan_model::gguf::Header;
use edgeplan_reference_llama::{Llama, turns};

use crate::architecture::{Architecture, Gate, Norm, Pairs, Sight, Turns};

/// Experts above this are no model.
const EXPERTS_MOST: u64 = 4096;
/// Blocks of the Gemma 3 whose attention is scaled by the width of its hidden states
/// (google/gemma_pytorch, `gemma/config.py`, 27B).
const GEMMA_27B_BLOCKS: usize = 62;

/// Factors of a llama's angles.
pub(crate) const FACTORS: &str = "rope_freqs.weight";

/// What an architecture has that others lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traits {
    name: &'static str,
    pairs: Pairs,
    /// Whether queries and keys are normalized by head.
    qk_norm: bool,
    /// Whether it is a Gemma: scaled embeddings, norms behind attention and behind the
    /// feed-forward part, GELU.
    gemma: bool,
    experts: May,
}

/// Whether there are experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    Never,
    /// Where the file counts some: Mixtral is a llama.
    Sometimes,
    Always,
}

const PLAIN: Traits = Traits {
    name: "llama",
    pairs: Pairs::Neighbours,
    qk_norm: false,
    gemma: false,
    experts: May::Sometimes,
};
const QWEN2: Traits = Traits { name: "qwen2", pairs: Pairs::Halves, experts: May::Never, ..PLAIN };

/// All of them, by name.
const KNOWN: [Traits; 5] = [
    Traits { name: "gemma3", qk_norm: true, gemma: true, ..QWEN2 },
    PLAIN,
    QWEN2,
    Traits { name: "qwen3", qk_norm: true, ..QWEN2 },
    Traits { name: "qwen3moe", qk_norm: true, experts: May::Always, ..QWEN2 },
];

/// Experts of every block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Experts {
    count: u64,
    used: usize,
    ffn: u64,
}

/// A model's architecture and numbers.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    traits: Traits,
    numbers: Llama,
    experts: Option<Experts>,
    /// Base of the angles of blocks behind a window, in a Gemma.
    window_base: f64,
}

/// A tensor that a file may hold, or must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) dimensions: [u64; 4],
    pub(crate) needed: bool,
}

impl Family {
    /// Reads the metadata of a file.
    ///
    /// # Errors
    /// An architecture that cannot be run, a missing key, a number out of range.
    pub(crate) fn read(header: &Header) -> Result<Self, InputError> {
        let name = header.architecture()?;
        let Some(&traits) = KNOWN.iter().find(|known| known.name == name) else {
            let known = KNOWN.map(|known| known.name).join(", ");
            let problem = format!(
                "`{name}` cannot be run here; {known} are allowed, and with `--engine`, which \
                 `sensitivity`, `pareto` and `verify` take, whatever llama.cpp runs"
            );
            return Err(header.error("general.architecture", problem));
        };
        let numbers = Llama::numbers(header, name)?;
        let experts = Experts::read(header, &traits, &numbers)?;
        if experts.is_none() && numbers.ffn == 0 {
            header.needed(&format!("{name}.feed_forward_length"), 1..=u32::MAX.into())?;
        }
        let key = format!("{name}.final_logit_softcapping");
        if let Some(cap) = header.fraction(&key, 0.0..=1e9)?.filter(|&cap| cap > 0.0) {
            return Err(header.error(&key, format!("{cap:?} cannot be run; 0 is allowed")));
        }
        let key = format!("{name}.rope.freq_base_swa");
        let window_base = header.fraction(&key, 1.0..=1e12)?.unwrap_or(1e4);
        Ok(Self { traits, numbers, experts, window_base })
    }

    /// Every tensor that a file may have, by name.
    pub(crate) fn tensors(&self, vocab: u64) -> BTreeMap<String, Expected> {
        let numbers = &self.numbers;
        let hidden = numbers.hidden as u64;
        let [query, key] =
            [numbers.heads, numbers.kv_heads].map(|heads| (heads * numbers.head_dim) as u64);
        let mut all = Tensors(BTreeMap::new());
        all.add("token_embd.weight", [hidden, vocab, 1], true);
        all.add("output_norm.weight", [hidden, 1, 1], true);
        all.add("output.weight", [hidden, vocab, 1], false);
        all.add("output.bias", [vocab, 1, 1], false);
        all.add(FACTORS, [numbers.pairs() as u64, 1, 1], false);
        for block in 0..numbers.blocks {
            let name = |stem: &str| format!("blk.{block}.{stem}.weight");
            let mut norms = vec![("attn_norm", hidden), ("ffn_norm", hidden)];
            if self.traits.qk_norm {
                let length = numbers.head_dim as u64;
                norms.extend([("attn_q_norm", length), ("attn_k_norm", length)]);
            }
            if self.traits.gemma {
                norms.extend([("post_attention_norm", hidden), ("post_ffw_norm", hidden)]);
            }
            norms.iter().for_each(|(stem, length)| all.add(&name(stem), [*length, 1, 1], true));
            let mut projections = vec![
                ("attn_q", [hidden, query]),
                ("attn_k", [hidden, key]),
                ("attn_v", [hidden, key]),
                ("attn_output", [query, hidden]),
            ];
            match self.experts {
                None => {
                    let ffn = numbers.ffn as u64;
                    projections.extend([
                        ("ffn_gate", [hidden, ffn]),
                        ("ffn_up", [hidden, ffn]),
                        ("ffn_down", [ffn, hidden]),
                    ]);
                }
                Some(Experts { count, ffn, .. }) => {
                    all.add(&name("ffn_gate_inp"), [hidden, count, 1], true);
                    all.add(&name("ffn_gate_exps"), [hidden, ffn, count], true);
                    all.add(&name("ffn_up_exps"), [hidden, ffn, count], true);
                    all.add(&name("ffn_down_exps"), [ffn, hidden, count], true);
                }
            }
            for (stem, [row_len, rows]) in projections {
                all.add(&name(stem), [row_len, rows, 1], true);
                all.add(&format!("blk.{block}.{stem}.bias"), [rows, 1, 1], false);
            }
        }
        all.0
    }

    /// Its equations, with room for that many positions. `model` says which blocks look back on a
    /// window only; `factors` are those of [`FACTORS`].
    ///
    /// # Errors
    /// Those of candle.
    pub(crate) fn architecture(
        &self,
        model: &ModelSpec,
        factors: Option<&[f32]>,
        room: usize,
    ) -> candle_core::Result<Architecture> {
        let (traits, numbers) = (&self.traits, &self.numbers);
        let turned = |(cos, sin)| Some(Turns { cos, sin, pairs: traits.pairs });
        let turns_far = turned(numbers.turns(factors, room, &Device::Cpu)?);
        let far = Sight { window: None, turns: turns_far };
        let sights = match (traits.gemma, traits.pairs) {
            (true, _) => {
                let dims = 2 * numbers.pairs();
                let near = turned(turns(self.window_base, dims, None, room)?);
                let windows = model.layers.iter().filter(|layer| layer.part.block().is_some());
                let sight = |window: Option<u64>| match window {
                    Some(window) => Sight { window: Some(window as usize), turns: near.clone() },
                    None => far.clone(),
                };
                windows.map(|layer| sight(layer.window)).collect()
            }
            // llama.cpp passes over windows that a file of qwen2 or qwen3 may name.
            (false, Pairs::Halves) => vec![far; numbers.blocks],
            (false, Pairs::Neighbours) => {
                vec![Sight { window: numbers.window, ..far }; numbers.blocks]
            }
        };
        let width = match traits.gemma && numbers.blocks == GEMMA_27B_BLOCKS {
            true => numbers.hidden / numbers.heads,
            false => numbers.head_dim,
        };
        Ok(Architecture {
            blocks: numbers.blocks,
            heads: numbers.heads,
            kv_heads: numbers.kv_heads,
            head_dim: numbers.head_dim,
            norm: Norm::Rms,
            epsilon: numbers.epsilon,
            norm_first: true,
            embedding_scale: if traits.gemma { (numbers.hidden as f64).sqrt() } else { 1.0 },
            attention_scale: (width as f64).powf(-0.5),
            gate: if traits.gemma { Gate::Gelu } else { Gate::Silu },
            experts_used: self.experts.map_or(0, |experts| experts.used),
            sights,
        })
    }
}

impl Experts {
    fn read(header: &Header, traits: &Traits, numbers: &Llama) -> Result<Option<Self>, InputError> {
        let key = |name: &str| format!("{}.{name}", traits.name);
        let count = match traits.experts {
            May::Never => return Ok(None),
            May::Sometimes => header.number(&key("expert_count"), 0..=EXPERTS_MOST)?,
            May::Always => Some(header.needed(&key("expert_count"), 1..=EXPERTS_MOST)?),
        };
        let Some(count) = count.filter(|&count| count > 0) else { return Ok(None) };
        let used = header.needed(&key("expert_used_count"), 1..=count)? as usize;
        let own = header.number(&key("expert_feed_forward_length"), 0..=u32::MAX.into())?;
        let own = own.filter(|&ffn| ffn > 0);
        // Where there is one length, it is that of an expert in a llama, of all used in a Qwen.
        let shared = match traits.experts {
            May::Always => numbers.ffn / used,
            _ => numbers.ffn,
        };
        let ffn = own.unwrap_or(shared as u64);
        if ffn == 0 {
            return Err(header.error(&key("expert_feed_forward_length"), "is missing"));
        }
        Ok(Some(Self { count, used, ffn }))
    }
}

struct Tensors(BTreeMap<String, Expected>);

impl Tensors {
    fn add(&mut self, name: &str, [row_len, rows, matrices]: [u64; 3], needed: bool) {
        self.0.insert(name.into(), Expected { dimensions: [row_len, rows, matrices, 1], needed });
    }
}

//! The profile of an engine on a machine: what its own programs measured there.

use edgeplan_problem::Nanos;
use edgeplan_problem::format::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::Machine;

/// The version of the file; another one is refused.
pub const ENGINE_SCHEMA: u32 = 2;

/// What `edgeplan profile --engine llama.cpp` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EngineProfile {
    /// [`ENGINE_SCHEMA`].
    pub schema: u32,
    /// The engine whose programs measured.
    pub engine: EngineName,
    /// Where it was measured, and the build of the engine.
    pub machine: Machine,
    /// The backend that ran it, as the engine calls it (`CPU`, `CUDA0`).
    pub backend: String,
    /// Whether all of the grid is in it; `false` after an interruption or a failure.
    pub complete: bool,
    /// What a reader must know: other load, parts of the grid left out and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The models that passes ran.
    pub models: Vec<BenchModel>,
    /// Whole passes of these models (`llama-bench`, `llama-server`).
    pub passes: Vec<PassTiming>,
    /// Single kernels (`test-backend-ops perf`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelTiming>,
}

impl EngineProfile {
    /// The same machine where one row takes so many times as long, and several rows so many times:
    /// a share of its cores, or another clock.
    pub fn slowed(&self, one: f64, several: f64) -> Self {
        let mut slower = self.clone();
        for known in &mut slower.passes {
            known.time = known.time.slowed(if known.pass.rows == 1 { one } else { several });
        }
        for known in &mut slower.kernels {
            let rows = match known.kernel {
                EngineKernel::Product { batch, .. }
                | EngineKernel::Experts { batch, .. }
                | EngineKernel::Attention { batch, .. } => batch,
                EngineKernel::Copy { .. } => 1,
            };
            known.time = known.time.slowed(if rows == 1 { one } else { several });
        }
        slower
    }
}

/// An engine that can be profiled by its own programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EngineName {
    /// ggml-org/llama.cpp.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
}

/// A model that was run, as far as its times depend on it. All numbers are counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BenchModel {
    /// A name that passes refer to.
    pub name: String,
    /// Whether it is a file that the user named: predicted, and never fitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// Blocks.
    pub layers: u64,
    /// Elements of a hidden state.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Elements of a head.
    pub head_dim: u64,
    /// Matrices that activations are multiplied with, summed by what they have in common.
    pub weights: Vec<Weights>,
}

/// Matrices of one model that are stored and used alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Weights {
    /// How they are stored.
    pub format: Format,
    /// Elements of all of them, of all experts.
    pub elements: u64,
    /// Whether they are the head's, which a pass needs for its last position alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub head: bool,
    /// Whether they are the last block's behind its attention: a prompt needs them for its last
    /// position alone, too (`inp_out_ids` in llama.cpp's graphs).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
    /// Experts, where they are those of experts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Share>,
}

/// Experts of a layer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Share {
    /// Experts that a token uses.
    pub used: u64,
    /// All experts.
    pub of: u64,
}

/// The time of one pass of a whole model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassTiming {
    /// What ran.
    pub pass: Pass,
    /// How long one pass took.
    pub time: Spread,
}

/// One pass of a whole model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pass {
    /// One of the models.
    pub model: String,
    /// Positions that went through at once.
    pub rows: u64,
    /// Positions in the KV cache before the first timed pass.
    pub depth: u64,
    /// Passes that were timed together, one after the other.
    pub passes: u64,
    /// Format of the KV cache, keys and values.
    pub cache: Format,
    /// Where the weights lay, and what ran around the passes.
    pub way: Way,
}

/// How a model was run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// As the engine runs it by itself: weights of some formats are repacked when loaded.
    Plain,
    /// Weights as in the file, as servers of an RPC backend keep them.
    AsStored,
    /// As stored, in another process on the same machine, over its loopback.
    Remote,
    /// As the engine's server runs it, with sampling and detokenizing.
    Served,
}

/// Repeated times of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spread {
    /// The shortest.
    pub min_ns: Nanos,
    /// Median.
    pub median_ns: Nanos,
    /// Median absolute deviation from the median.
    pub mad_ns: Nanos,
    /// How many, warm-up not counted.
    pub repeats: u32,
}

impl Spread {
    /// Every time so many times as long.
    fn slowed(self, factor: f64) -> Self {
        let slower = |time: Nanos| Nanos((time.as_f64() * factor).round() as u64);
        Self {
            min_ns: slower(self.min_ns).max(Nanos(1)),
            median_ns: slower(self.median_ns).max(Nanos(1)),
            mad_ns: slower(self.mad_ns),
            ..self
        }
    }
}

/// The time of a kernel alone, on one tensor again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KernelTiming {
    /// What ran.
    pub kernel: EngineKernel,
    /// How long it took; each repeat is a mean over a second.
    pub time: Spread,
}

/// A kernel of an engine. All numbers are counts of elements unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
#[serde(rename_all_fields = "kebab-case")]
pub enum EngineKernel {
    /// `batch` rows of activations times a matrix (`MUL_MAT`).
    Product {
        /// Of the weights.
        format: Format,
        /// Outputs.
        rows: u64,
        /// Inputs.
        row_len: u64,
        /// Rows of activations.
        batch: u64,
    },
    /// `batch` rows of activations, each times the matrices of some experts (`MUL_MAT_ID`).
    Experts {
        /// Of the weights.
        format: Format,
        /// Experts that a row uses.
        used: u64,
        /// All experts.
        of: u64,
        /// Outputs of one.
        rows: u64,
        /// Inputs of one.
        row_len: u64,
        /// Rows of activations.
        batch: u64,
    },
    /// `batch` new positions that look at `context` cached ones (`FLASH_ATTN_EXT`).
    Attention {
        /// Query heads.
        heads: u64,
        /// Key and value heads.
        kv_heads: u64,
        /// Elements of a head.
        head_dim: u64,
        /// Positions in the cache.
        context: u64,
        /// New positions.
        batch: u64,
        /// Format of the cache.
        cache: Format,
    },
    /// A tensor from one format to another (`CPY`).
    Copy {
        /// Before.
        from: Format,
        /// After.
        to: Format,
        /// Elements.
        elements: u64,
    },
}

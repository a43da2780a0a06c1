//! The profile of a machine: what was measured there, by what, and when.

use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the file; another one is refused.
pub const SCHEMA: u32 = 2;

/// What `edgeplan profile` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// Whether all of the grid is in it; `false` after an interruption or where memory ran short.
    pub complete: bool,
    /// What a reader must know: throttling, other load, parts of the grid left out and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Times.
    pub timings: Vec<Timing>,
    /// Memory that weights take once they are loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resident: Vec<Resident>,
}

/// The machine, and the engine that ran on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// Processor, as its vendor calls it.
    pub processor: String,
    /// Instruction sets that matter to the kernels (`avx2`, `avx512vnni`, …).
    pub features: Vec<String>,
    /// The accelerator that ran the kernels, where it was not the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// Physical cores.
    pub cores: u32,
    /// Threads that the kernels used.
    pub threads: u32,
    /// All memory.
    pub memory_bytes: Bytes,
    /// Memory that was free when measuring began.
    pub free_bytes: Bytes,
    /// Operating system.
    pub system: String,
    /// The engine and its version (`candle 0.11.1`).
    pub engine: String,
    /// The revision of this project.
    pub revision: String,
    /// Day of the measurement, UTC (`2026-11-21`).
    pub date: String,
}

/// One time: the median of repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timing {
    /// What was timed.
    pub work: Work,
    /// Median.
    pub median_ns: Nanos,
    /// Median absolute deviation from the median.
    pub mad_ns: Nanos,
    /// How often it ran, warm-up not counted.
    pub repeats: u32,
}

/// A piece of work whose time is known or wanted. All numbers are counts of elements unless they
/// say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
#[serde(rename_all_fields = "kebab-case")]
pub enum Work {
    /// `batch` rows of activations times a weight matrix of `rows` outputs and `row-len` inputs.
    Matmul {
        /// Of the weights.
        format: Format,
        /// Outputs.
        rows: u64,
        /// Inputs.
        row_len: u64,
        /// Rows of activations: tokens of a pass.
        batch: u64,
    },
    /// `batch` new positions that look at `context` cached ones (the new ones included).
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
    },
    /// Normalizing `batch` rows (RMS norm).
    Norm {
        /// Elements of a row.
        width: u64,
        /// Rows.
        batch: u64,
    },
    /// The gated activation of a feed-forward part (`silu(gate) * up`).
    Activation {
        /// Elements of a row.
        width: u64,
        /// Rows.
        batch: u64,
    },
    /// `a = b + s * c` over arrays far larger than any cache: memory bandwidth.
    Triad {
        /// Threads that ran it.
        threads: u32,
        /// Bytes read and written.
        bytes: Bytes,
    },
    /// What an operation of no size takes.
    Dispatch {},
}

/// Memory of a loaded matrix: some engines keep a copy of the weights in another layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Resident {
    /// Of the weights.
    pub format: Format,
    /// Outputs.
    pub rows: u64,
    /// Inputs.
    pub row_len: u64,
    /// The most rows of activations that it ran with.
    pub batch: u64,
    /// Bytes in memory after that.
    pub resident_bytes: Bytes,
}

impl Resident {
    /// Bytes in the file; `None` where rows are no whole blocks.
    pub fn file_bytes(&self) -> Option<Bytes> {
        self.format.bytes(self.rows, self.row_len)
    }
}

/// Outputs and inputs of a tile: engines that repack weights do so for matrices of whole tiles, and
/// run others by another kernel (candle 0.11, `quantized/repack_x86.rs`; on other processors tiles
/// are smaller divisors of these).
pub(crate) const TILE: (u64, u64) = (16, 256);

/// Whether a matrix is one of whole tiles.
pub fn whole_tiles(rows: u64, row_len: u64) -> bool {
    rows.is_multiple_of(TILE.0) && row_len.is_multiple_of(TILE.1)
}

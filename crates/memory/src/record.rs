//! The record of `reports/memory`: one row per model, context, cache format, placement and memory.

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_model::{Allocation, ModelSpec};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use serde::{Deserialize, Serialize};

use crate::{Account, Placement, estimate};

/// What a total may be off by: this share of the engine's, or this many bytes if that is more.
const SHARE: u64 = 100;
const ROOM: u64 = 64 << 20;
/// What weights and caches may be off by.
const EXACT: u64 = 1 << 20;

/// One memory of one dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Name in the catalog.
    pub model: String,
    /// GGUF's name of its architecture.
    pub architecture: String,
    /// How its matrices are stored.
    pub recipe: String,
    /// Tokens of the sequence.
    pub context: u64,
    /// Format of the cache.
    pub kv: Format,
    /// Layers on the device.
    pub gpu_layers: u64,
    /// First blocks whose experts stay on the host.
    pub cpu_moe: u64,
    /// `host` or `device`.
    pub memory: String,
    /// Computed.
    pub weights_bytes: u64,
    /// Computed.
    pub context_bytes: u64,
    /// Estimated.
    pub compute_bytes: u64,
    /// As the engine prints it.
    pub engine_weights_mib: u64,
    /// As the engine prints it.
    pub engine_context_mib: u64,
    /// As the engine prints it.
    pub engine_compute_mib: u64,
}

impl Row {
    /// For how much the caches are allocated.
    pub fn allocation(&self) -> Allocation {
        let (context, keys, values) = (self.context, self.kv, self.kv);
        Allocation { context, keys, values, ..Allocation::default() }
    }

    /// The computed half of the row for this model.
    ///
    /// # Errors
    /// A recipe that is none.
    pub fn computed(&self, model: &ModelSpec) -> Result<Account, InputError> {
        let recipe = self.recipe.parse().map_err(|error| {
            InputError::key("reports/memory/rows.csv", "recipe", format!("{error}"))
        })?;
        let Self { gpu_layers, cpu_moe, .. } = *self;
        let placement = Placement { gpu_layers, cpu_moe };
        let accounts = estimate(model, &recipe, &self.allocation(), placement);
        Ok(accounts[usize::from(self.memory == "device")])
    }

    /// What the row says was computed.
    pub fn ours(&self) -> Account {
        Account {
            weights: Bytes(self.weights_bytes),
            context: Bytes(self.context_bytes),
            compute: Bytes(self.compute_bytes),
        }
    }

    /// What the engine printed.
    pub fn theirs(&self) -> Account {
        Account {
            weights: Bytes(self.engine_weights_mib << 20),
            context: Bytes(self.engine_context_mib << 20),
            compute: Bytes(self.engine_compute_mib << 20),
        }
    }

    /// Whether weights and cache are the engine's within 1 MiB, which it rounds down to.
    pub fn is_exact(&self) -> bool {
        let (ours, theirs) = (self.ours(), self.theirs());
        let near = |ours: Bytes, theirs: Bytes| ours.0.abs_diff(theirs.0) <= EXACT;
        near(ours.weights, theirs.weights) && near(ours.context, theirs.context)
    }

    /// Whether the total is the engine's within 1 % or 64 MiB.
    pub fn is_near(&self) -> bool {
        let theirs = self.theirs().total().0;
        self.ours().total().0.abs_diff(theirs) <= ROOM.max(theirs / SHARE)
    }
}

/// All rows of a record.
///
/// # Errors
/// A file that cannot be read, with the line that makes no sense.
pub fn rows(path: &Path) -> Result<Vec<Row>, InputError> {
    let wrong = |error: csv::Error| InputError::file(path.display().to_string(), error.to_string());
    let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
    reader.deserialize().collect::<Result<_, _>>().map_err(wrong)
}

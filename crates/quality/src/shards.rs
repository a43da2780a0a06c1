//! What a plan says of one model's file: which part of the plan speaks of it, and which tensors
//! each device needs.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::path::Path;

use edgeplan_files::deployment::{PlanFile, PlannedModel};
use edgeplan_files::{InputError, read_text};
use edgeplan_model::{ModelSpec, StoredSum};
use edgeplan_problem::Bytes;
use edgeplan_report::table::Table;
use serde::Serialize;

/// The part of a plan file that speaks of this model, the model of that name or the only one, and
/// the file's name for errors.
///
/// # Errors
/// A file that cannot be read, or that speaks of other models.
pub fn planned_model(path: &Path, spec: &ModelSpec) -> Result<(String, PlannedModel), InputError> {
    let file = path.display().to_string();
    let mut models = PlanFile::parse(&file, &read_text(path)?)?.models;
    let index = models.iter().position(|model| model.name == spec.name);
    let Some(index) = index.or((models.len() == 1).then_some(0)) else {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let problem = format!("no {}; it has {}", spec.name, names.join(", "));
        return Err(InputError::key(file, "models", problem));
    };
    Ok((file, models.swap_remove(index)))
}

/// What a device needs of a file. Field names are stable keys.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// Bytes of its tensors.
    pub bytes: u64,
    /// Their names.
    pub tensors: Vec<String>,
}

/// What each device needs of a model's file, by name.
pub fn shards(plan: &PlannedModel, file: &ModelSpec) -> BTreeMap<String, Shard> {
    let mut shards: BTreeMap<String, Shard> = BTreeMap::new();
    for (planned, layer) in plan.layers.iter().zip(&file.layers) {
        let shard = shards.entry(planned.device.clone()).or_default();
        for tensor in &layer.tensors {
            // A tied head lies in the file under the name of the embedding.
            let tied = file.tied && tensor.name == "output.weight";
            let name = if tied { "token_embd.weight" } else { &tensor.name };
            if !shard.tensors.iter().any(|known| known == name) {
                shard.tensors.push(name.to_owned());
                let bytes = tensor.native.and_then(|kind| kind.bytes(tensor.rows, tensor.row_len));
                shard.bytes += bytes.unwrap_or_default().0;
            }
        }
    }
    shards
}

/// A quantized file. Field names are stable keys.
#[derive(Debug, Serialize)]
pub struct Quantized {
    /// The model.
    pub model: String,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// What each device of the plan needs; empty without a plan.
    pub devices: BTreeMap<String, Shard>,
    #[serde(skip)]
    types: Vec<StoredSum>,
    #[serde(skip)]
    was_quantized: bool,
}

impl Quantized {
    /// Of a file of so many bytes; `was_quantized` says that the model was quantized before.
    pub fn new(
        file: &ModelSpec,
        bytes: u64,
        devices: BTreeMap<String, Shard>,
        was_quantized: bool,
    ) -> Self {
        let types = file.stored_types();
        Self { model: file.name.clone(), bytes, devices, types, was_quantized }
    }
}

impl Display for Quantized {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let types = self.types.iter();
        let types = types.map(|StoredSum { name, tensors, bytes }| {
            [(*name).to_owned(), tensors.to_string(), bytes.to_string()]
        });
        let types = Table::new(["type", "tensors>", "bytes>"]).with_rows(types);
        writeln!(f, "{}: {}\n\n{types}", self.model, Bytes(self.bytes))?;
        match self.was_quantized {
            true => {
                writeln!(f, "\nnote: the model was quantized before, which cost quality, too")
            }
            false => Ok(()),
        }
    }
}

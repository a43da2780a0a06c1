//! What is computed beside what the engine's dry run says.

use std::fmt::{Display, Formatter};
use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_model::Allocation;
use edgeplan_model::gguf::Projector;
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;
use edgeplan_report::table::Table;
use serde::Serialize;

use crate::engine::{Engine, dry_run};
use crate::estimate::{Account, Placement, estimate};
use crate::header::runnable;

/// Memory of a model by device. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The model.
    pub model: String,
    /// Tokens of a sequence that the KV cache is allocated for.
    pub context: u64,
    /// Host, and device where layers lie there.
    pub devices: Vec<DeviceMemory>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Memory of one device. Field names are stable keys.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct DeviceMemory {
    /// `host` or `device`.
    pub device: &'static str,
    /// As computed.
    pub bytes: Account,
    /// As the engine's dry run says, where it was asked.
    pub dry_run_bytes: Option<Account>,
}

/// Which model is to be held, how, and where.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `catalog:NAME`, a GGUF file or its header, a `config.json` or its folder.
    pub model: &'a str,
    /// Formats of matrices that may be quantized.
    pub recipe: &'a FormatMix,
    /// Tokens of a sequence; [`CONTEXT`] or the model's own limit if none.
    pub context: Option<u64>,
    /// Sequences at once.
    pub sequences: u64,
    /// Tokens of a physical batch.
    pub ubatch: u64,
    /// Format of the KV cache.
    pub kv: Format,
    /// A vision projector beside the model, which the dry run does not know of.
    pub projector: Option<&'a Path>,
    /// Where layers lie.
    pub placement: Placement,
}

/// The context that is allocated by default.
pub const CONTEXT: u64 = 8192;

impl Question<'_> {
    /// Computes the memory, and asks the dry run of the engine in that folder as well.
    ///
    /// # Errors
    /// A model that cannot be read, a context that it was not made for, a format that does not fit
    /// its cache; a dry run that fails.
    pub fn compare(&self, engine: Option<&Path>) -> Result<Comparison, InputError> {
        let &Self { recipe, placement, kv, sequences, ubatch, .. } = self;
        let model = edgeplan_model::load(self.model)?;
        let usual = model.context_max.map_or(CONTEXT, |most| most.min(CONTEXT));
        let context = self.context.unwrap_or(usual);
        if context == 0 {
            return Err(InputError::file("--context 0", "one token at least is needed"));
        }
        if let Some(most) = model.context_max.filter(|&most| context > most) {
            let problem = format!("{} was made for up to {most} tokens", model.name);
            return Err(InputError::file(format!("--context {context}"), problem));
        }
        if !model.caches_in(kv) {
            let block = kv.block_elements();
            let problem = format!("rows of its KV cache are no whole number of blocks of {block}");
            return Err(InputError::file(format!("--kv {kv}"), problem));
        }
        let allocation = Allocation { context, sequences, ubatch, keys: kv, values: kv };
        let mut ours = estimate(&model, recipe, &allocation, placement);
        let mut notes = model.notes.clone();
        if let Some(Projector { file, bytes }) = self.projector.map(Projector::read).transpose()? {
            // On the device where there is one.
            let place = usize::from(placement.gpu_layers > 0);
            ours[place].weights += bytes;
            notes.push(format!("{bytes} of weights are the projector {file}, apart from images"));
        }
        let ask = |folder| self.dry_run(folder, &allocation);
        let theirs = engine.map(ask).transpose()?;
        // The host alone where no layer lies elsewhere.
        let count = if placement.gpu_layers > 0 { 2 } else { 1 };
        let names = ["host", "device"].into_iter().enumerate().take(count);
        let devices = names.map(|(place, device)| DeviceMemory {
            device,
            bytes: ours[place],
            dry_run_bytes: theirs.map(|all| all[place]),
        });
        let devices = devices.collect();
        Ok(Comparison { model: model.name, context, devices, notes })
    }

    fn dry_run(&self, folder: &Path, allocation: &Allocation) -> Result<[Account; 2], InputError> {
        let engine = Engine::in_folder(folder)?;
        let place = tempfile::tempdir();
        let place = place.map_err(|error| InputError::file(self.model, error.to_string()))?;
        let file = runnable(self.model, self.recipe, place.path())?;
        dry_run(&engine, &file, allocation, self.placement)
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns = ["MiB", "weights>", "KV and state>", "compute (estimate)>", "total>"];
        let mib = |bytes: Bytes| format!("{:.1}", bytes.as_f64() / f64::from(1 << 20));
        let cells = |name: String, account: Account| {
            let Account { weights, context, compute } = account;
            [name, mib(weights), mib(context), mib(compute), mib(account.total())]
        };
        let mut table = Table::new(columns);
        for DeviceMemory { device, bytes, dry_run_bytes } in &self.devices {
            table.row(cells((*device).to_owned(), *bytes));
            if let Some(theirs) = dry_run_bytes {
                table.row(cells(format!("{device}, dry run"), *theirs));
            }
        }
        let notes: String = self.notes.iter().map(|note| format!("\n{note}")).collect();
        write!(f, "{table}{notes}")
    }
}

//! What is computed beside what the engine's dry run says.

use std::fmt::{Display, Formatter};

use edgeplan_problem::Bytes;
use edgeplan_report::table::Table;
use serde::Serialize;

use crate::estimate::{Account, Placement};

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

/// The devices of a placement: the host alone where no layer lies elsewhere.
pub fn devices(
    placement: Placement,
    ours: [Account; 2],
    theirs: Option<[Account; 2]>,
) -> Vec<DeviceMemory> {
    let count = if placement.gpu_layers > 0 { 2 } else { 1 };
    let names = ["host", "device"].into_iter().enumerate().take(count);
    let memory = |(place, device): (usize, &'static str)| DeviceMemory {
        device,
        bytes: ours[place],
        dry_run_bytes: theirs.map(|all| all[place]),
    };
    names.map(memory).collect()
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

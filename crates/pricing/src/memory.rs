//! Copies of weights: what they take of the memory of devices whose engine makes some.
//!
//! A problem has one number of bytes for a layer in a recipe, whatever the device. It is what the
//! most sparing device needs; a device that needs more gets so much less memory that whatever fits
//! there on paper fits in truth. Where all devices are alike that is exact. Elsewhere it is safe,
//! and wasteful where a plan uses formats that the engine does not copy.

use std::collections::BTreeSet;

use edgeplan_problem::Bytes;

use super::machine::{Machine, Passes, format_of, multiplied};
use crate::workload::Workload;
use edgeplan_model::{LayerSpec, ModelSpec, TensorClass, TensorSpec};
use edgeplan_problem::format::Format;

/// A matrix in a format, and the most rows of activations that it is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Matrix {
    pub(super) format: Format,
    /// Outputs and inputs.
    pub(super) shape: (u64, u64),
    pub(super) batch: u64,
}

impl Matrix {
    /// A tensor in `format`; none where nothing is multiplied, or of a type that is no format.
    pub(super) fn of(
        model: &ModelSpec,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        format: Format,
        passes: Passes,
    ) -> Option<Self> {
        // A head multiplies with the table that it shares.
        let tied = model.tied && tensor.class == TensorClass::TokenEmbd;
        let exact = tensor.native.is_none_or(|stored| stored.ggml_id == format.ggml_id());
        let known = tensor.quantizable || exact;
        let batch = if tied { passes.batch } else { passes.rows_max(layer) };
        (known && (tied || multiplied(layer, tensor))).then(|| {
            let (_, experts) = tensor.experts.unwrap_or((1, 1));
            // Of one expert, whose rows may be whole tiles where those of all are not.
            Self { format, shape: (tensor.rows / experts, tensor.row_len), batch }
        })
    }

    /// By how much it is larger in memory than in the file.
    pub(super) fn share(self, machine: &Machine) -> f64 {
        let (rows, row_len) = self.shape;
        let file = self.format.bytes(rows, row_len).unwrap_or_default();
        machine.resident(self).as_f64() / file.as_f64().max(1.0)
    }
}

/// Memory of a matrix, or of as many as `bytes` of the file hold, on the device that needs the
/// least for it.
pub(super) fn least(machines: &[Machine], matrix: Matrix, bytes: Bytes) -> Bytes {
    Bytes((bytes.as_f64() * least_share(machines, matrix).unwrap_or(1.0)).round() as u64)
}

/// The least share of the devices that run the matrix's format; `None` without one.
fn least_share(machines: &[Machine], matrix: Matrix) -> Option<f64> {
    let able = machines.iter().filter(|machine| machine.runs(matrix.format));
    able.map(|machine| matrix.share(machine)).min_by(f64::total_cmp)
}

/// The matrices of these models in every format that they may have.
pub(super) fn matrices(models: &[ModelSpec], workload: &Workload) -> BTreeSet<Matrix> {
    let passes = Passes::from(workload);
    let mut found = BTreeSet::new();
    for model in models {
        for layer in &model.layers {
            for tensor in &layer.tensors {
                let formats = match tensor.quantizable {
                    true => workload.formats(),
                    false => vec![format_of(tensor)],
                };
                let whole = formats.into_iter().filter(|format| tensor.bytes(*format).is_some());
                found.extend(whole.filter_map(|f| Matrix::of(model, layer, tensor, f, passes)));
            }
        }
    }
    found
}

/// By how much a device needs more memory for weights than the most sparing one, at most.
fn excess(machines: &[Machine], machine: &Machine, matrices: &BTreeSet<Matrix>) -> f64 {
    let usable = matrices.iter().filter(|matrix| machine.runs(matrix.format));
    let shares =
        usable.filter_map(|matrix| Some(matrix.share(machine) / least_share(machines, *matrix)?));
    shares.fold(1.0, f64::max)
}

/// What is left of `memory` on a device once copies are paid that others do not make; the runtime's
/// overhead is paid once. With a note for people if that is less.
pub(super) fn after_copies(
    machines: &[Machine],
    machine: &Machine,
    matrices: &BTreeSet<Matrix>,
    memory: Bytes,
    overhead: Bytes,
) -> (Bytes, Option<String>) {
    let excess = excess(machines, machine, matrices);
    let weights = memory.saturating_sub(overhead);
    if excess <= 1.0 {
        return (memory, None);
    }
    let left = overhead.min(memory) + Bytes((weights.as_f64() / excess).floor() as u64);
    let note = format!(
        "{memory} count as {left}, because its engine keeps copies of weights, up to {excess:.2} \
         times what other devices need"
    );
    (left, Some(note))
}

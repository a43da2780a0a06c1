//! Copies of weights: what they take of the memory of devices whose engine makes some.
//!
//! A problem has one number of bytes for a layer in a recipe, whatever the device. It is what the
//! most sparing device needs; a device that needs more gets so much less memory that whatever fits
//! there on paper fits in truth. Where all devices are alike that is exact. Elsewhere it is safe,
//! and wasteful where a plan uses formats that the engine does not copy.

use std::collections::BTreeSet;

use edgeplan_problem::Bytes;

use super::machine::{Machine, format_of};
use crate::format::Format;
use crate::model::ModelSpec;
use crate::workload::Workload;

/// A matrix large enough that its share of memory is exact to nine digits.
const LARGE: Bytes = Bytes(1_000_000_000);

/// Memory of a matrix on the device that needs the least for it.
pub(super) fn least(machines: &[Machine], format: Format, bytes: Bytes) -> Bytes {
    let able = machines.iter().filter(|machine| machine.runs(format));
    able.map(|machine| machine.resident(format, bytes)).min().unwrap_or(bytes)
}

/// The formats that matrices of these models may have.
pub(super) fn formats(models: &[ModelSpec], workload: &Workload) -> BTreeSet<Format> {
    let tensors = models.iter().flat_map(|model| &model.layers).flat_map(|layer| &layer.tensors);
    let mut found = BTreeSet::new();
    for tensor in tensors {
        match tensor.quantizable {
            true => found.extend(workload.formats()),
            false => drop(found.insert(format_of(tensor))),
        }
    }
    found
}

/// By how much a device needs more memory for weights than the most sparing one, at most.
fn excess(machines: &[Machine], machine: &Machine, formats: &BTreeSet<Format>) -> f64 {
    let usable = formats.iter().filter(|format| machine.runs(**format));
    let shares = usable.map(|format| {
        let least = least(machines, *format, LARGE).as_f64();
        machine.resident(*format, LARGE).as_f64() / least.max(1.0)
    });
    shares.fold(1.0, f64::max)
}

/// What is left of `memory` on a device once copies are paid that others do not make; the runtime's
/// overhead is paid once. With a note for people if that is less.
pub(super) fn after_copies(
    machines: &[Machine],
    machine: &Machine,
    formats: &BTreeSet<Format>,
    (memory, overhead): (Bytes, Bytes),
) -> (Bytes, Option<String>) {
    let excess = excess(machines, machine, formats);
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

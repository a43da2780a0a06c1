//! What matrices take in memory, by how it was measured.

use std::collections::BTreeMap;

use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

use crate::profile::{Resident, whole_tiles};

/// Bytes in memory and in the file by format, whether of whole tiles, and most rows of activations:
/// the largest share that was measured.
#[derive(Debug, Clone)]
pub(crate) struct Memory(BTreeMap<(Format, bool, u64), (Bytes, Bytes)>);

impl Memory {
    pub(crate) fn new(measured: &[Resident]) -> Self {
        let mut found = BTreeMap::new();
        for each in measured {
            let Some(file) = each.file_bytes() else { continue };
            let tiled = whole_tiles(each.rows, each.row_len);
            let new = (each.resident_bytes, file);
            let share = |(resident, file): (Bytes, Bytes)| resident.as_f64() / file.as_f64();
            let known = found.entry((each.format, tiled, each.batch)).or_insert(new);
            if share(new) > share(*known) {
                *known = new;
            }
        }
        Self(found)
    }

    /// Of a matrix of `file` bytes that runs with up to `batch` rows. Between two batches that were
    /// measured the larger counts, outside the nearest; without whole tiles that were not measured
    /// no engine keeps more than with them.
    pub(crate) fn resident(&self, format: Format, tiled: bool, batch: u64, file: Bytes) -> Bytes {
        let of = |tiled| {
            let range = |from, to| self.0.range((format, tiled, from)..=(format, tiled, to));
            range(batch, u64::MAX).next().or_else(|| range(0, batch).next_back())
        };
        let Some((_, (resident, measured))) = of(tiled).or_else(|| of(true)) else { return file };
        let bytes = u128::from(file.0) * u128::from(resident.0);
        let bytes = bytes.div_ceil(u128::from(measured.0));
        Bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

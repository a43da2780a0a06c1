//! What weights take in memory once they ran.

use candle_core::{Device, Result};
use edgeplan_cost_model::profile::Resident;
use edgeplan_measure::machine::resident_bytes;
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

use crate::shapes::Shape;
use crate::weights::{load, packing, unpacked};

/// Above every threshold from which an allocator asks the system for memory of its own, so that
/// what is allocated shows: glibc's is at most 32 MiB.
const BYTES_LEAST: u64 = 40 << 20;
const ROW_LEN: u64 = 4096;
/// Kernels with a layout of their own take 16 rows at a time, and no matrix that has some left.
const TILE: u64 = 16;
const LEFT: u64 = 8;

/// The matrices that are loaded: of whole tiles, and not.
fn shapes(format: Format) -> [Shape; 2] {
    let row = format.bytes(1, ROW_LEN).expect("whole blocks").0;
    let rows = BYTES_LEAST.div_ceil(row).next_multiple_of(TILE);
    [rows, rows + LEFT].map(|rows| Shape { rows, row_len: ROW_LEN })
}

/// Bytes of the file's layout, of the larger matrix.
pub(crate) fn file_bytes(format: Format) -> Bytes {
    let [_, Shape { rows, row_len }] = shapes(format);
    format.bytes(rows, row_len).expect("whole blocks")
}

/// Loads every matrix twice and takes the growth of this process by the second: what the first run
/// needs besides weights is there by then. After one row of activations, and after several. Nothing
/// where the system does not tell.
pub(crate) fn measure(device: &Device, format: Format) -> Result<Vec<Resident>> {
    let mut found = Vec::new();
    for shape in shapes(format) {
        let first = load(device, format, shape, 1)?;
        let before = resident_bytes();
        let second = unpacked(device, format, shape)?;
        for batches in [&[1], packing(format)] {
            second.run(device, shape, batches)?;
            let Some(batch) = batches.iter().copied().max() else { continue };
            let Some((before, after)) = before.zip(resident_bytes()) else { continue };
            found.push(Resident {
                format,
                rows: shape.rows,
                row_len: shape.row_len,
                batch,
                resident_bytes: Bytes(after.saturating_sub(before).max(1)),
            });
        }
        drop((first, second));
    }
    Ok(found)
}

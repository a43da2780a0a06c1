//! What weights take in memory once they ran.

use candle_core::{Device, Result};
use edgeplan_cost_model::profile::Resident;
use edgeplan_formats::Format;
use edgeplan_measure::machine::resident_bytes;
use edgeplan_problem::Bytes;

use crate::shapes::Shape;
use crate::weights::load;

/// Above every threshold from which an allocator asks the system for memory of its own, so that
/// what is allocated shows: glibc's is at most 32 MiB.
const BYTES_LEAST: u64 = 40 << 20;
const ROW_LEN: u64 = 4096;

/// The matrix that is loaded.
fn shape(format: Format) -> Shape {
    let row = format.bytes(1, ROW_LEN).expect("whole blocks").0;
    // Kernels with a layout of their own take 16 rows at a time.
    Shape { rows: BYTES_LEAST.div_ceil(row).next_multiple_of(16), row_len: ROW_LEN }
}

/// Bytes of the file's layout.
pub(crate) fn file_bytes(format: Format) -> Bytes {
    let Shape { rows, row_len } = shape(format);
    format.bytes(rows, row_len).expect("whole blocks")
}

/// Loads two matrices and takes the growth of this process by the second: what the first run needs
/// besides weights is there by then. None where the system does not tell.
pub(crate) fn measure(device: &Device, format: Format) -> Result<Option<Resident>> {
    let first = load(device, format, shape(format), 1)?;
    let before = resident_bytes();
    let second = load(device, format, shape(format), 1)?;
    let after = resident_bytes();
    drop((first, second));
    Ok(before.zip(after).map(|(before, after)| Resident {
        format,
        file_bytes: file_bytes(format),
        resident_bytes: Bytes(after.saturating_sub(before)),
    }))
}

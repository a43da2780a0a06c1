//! Measured memory, in a process of its own: what other tests allocate would count.

use edgeplan_cost_model::profile::{Resident, whole_tiles};
use edgeplan_kernels::engine::{Candle, Engine as _};
use edgeplan_kernels::grid::Task;
use edgeplan_measure::machine::resident_bytes;
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

#[test]
fn floats_take_what_they_are_and_nothing_takes_less() {
    let mut candle = Candle::new(false, Bytes(1 << 20)).unwrap();
    assert!(resident_bytes().is_some_and(|bytes| bytes > 0), "this system does not tell");
    for format in [Format::F32, Format::F16, Format::Q5K, Format::Q4K, Format::Q6K] {
        let dense = matches!(format, Format::F32 | Format::F16);
        let found = candle.resident(format).unwrap();
        let factor = |resident: &Resident| {
            resident.resident_bytes.as_f64() / resident.file_bytes().unwrap().as_f64()
        };
        for resident in &found {
            let factor = factor(resident);
            let tiled = whole_tiles(resident.rows, resident.row_len);
            let most = if dense || !tiled { 1.05 } else { 4.0 };
            assert!((0.95..most).contains(&factor), "{resident:?}: {factor}");
            assert!(candle.needs(&Task::Resident(format)) >= resident.resident_bytes * 2);
        }
        for pair in found.windows(2).filter(|pair| pair[0].rows == pair[1].rows) {
            assert!(pair[0].batch == 1 && pair[1].batch > 1, "{pair:?}");
            assert!(factor(&pair[0]) <= factor(&pair[1]) + 0.01, "{pair:?}");
        }
    }
}

//! Measured memory, in a process of its own: what other tests allocate would count.

use edgeplan_formats::Format;
use edgeplan_kernels::engine::{Candle, Engine as _};
use edgeplan_kernels::grid::Task;
use edgeplan_measure::machine::resident_bytes;
use edgeplan_problem::Bytes;

#[test]
fn floats_take_what_they_are_and_nothing_takes_less() {
    let mut candle = Candle::new(false, Bytes(1 << 20)).unwrap();
    if resident_bytes().is_none() {
        return;
    }
    for format in [Format::F32, Format::F16, Format::Q5K, Format::Q4K, Format::Q8_0] {
        let resident = candle.resident(format).unwrap().unwrap();
        let factor = resident.resident_bytes.as_f64() / resident.file_bytes.as_f64();
        let most = if matches!(format, Format::F32 | Format::F16) { 1.05 } else { 4.0 };
        assert!((0.95..most).contains(&factor), "{format}: {factor}");
        assert!(candle.needs(&Task::Resident(format)) >= resident.resident_bytes * 2, "{format}");
    }
}

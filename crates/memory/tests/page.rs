//! The record of `reports/memory`: what is computed today is what it says, and is the engine's.

use std::collections::BTreeSet;
use std::path::Path;

use edgeplan_memory::record::{Row, rows};

fn record() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports/memory/rows.csv");
    rows(&path).unwrap()
}

#[test]
fn the_record_is_what_is_computed_today() {
    for row in record() {
        let model = edgeplan_model::load(&format!("catalog:{}", row.model)).unwrap();
        assert_eq!(row.computed(&model).unwrap(), row.ours(), "{row:?}");
    }
}

#[test]
fn weights_and_caches_are_the_engines_within_a_mebibyte() {
    let rows = record();
    let architectures: BTreeSet<&str> = rows.iter().map(|row| row.architecture.as_str()).collect();
    assert!(architectures.len() >= 20, "{architectures:?}");
    for row in &rows {
        assert!(row.is_exact(), "{row:?}");
    }
}

/// Where everything lies in one memory; with experts apart, holes of the allocator count for more.
#[test]
fn totals_are_the_engines_within_a_hundredth_or_64_mebibytes() {
    for row in record().iter().filter(|row| row.cpu_moe == 0) {
        assert!(row.is_near(), "{row:?}");
    }
}

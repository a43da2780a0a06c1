//! Profiles that hold little, or nonsense: a clear error or a wide interval, never a panic.

use edgeplan_cost_model::profile::{Profile, Work};
use edgeplan_cost_model::{CostModel, Missing};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};
use proptest::prelude::*;

use crate::machine::{BATCHES, Clock, SHAPES, profile, timing};

const SQUARE: Work = Work::Matmul { format: Format::Q4K, rows: 4096, row_len: 4096, batch: 1 };

fn error(profile: &Profile) -> String {
    CostModel::fit(profile).unwrap_err().to_string()
}

#[test]
fn one_time_per_format_is_repeated_without_a_promise() {
    let model = CostModel::fit(&profile(vec![timing(SQUARE, 6e5)])).unwrap();
    let found = model.time(&SQUARE).unwrap();
    assert_eq!((found.low, found.high), (Nanos::ZERO, Nanos::MAX));
    assert!((found.median.as_f64() / 6e5 - 1.0).abs() < 0.01, "{found:?}");
    let [one, several] = model.accuracy(Format::Q4K).unwrap();
    assert_eq!((one.points, one.ours, several.points, several.naive), (0, None, 0, None));
}

#[test]
fn one_batch_only_leaves_many_rows_between_one_pass_and_many() {
    let model = CostModel::fit(&Clock::new(3, 0.03, 0.0).grid(&SHAPES, &[1])).unwrap();
    let time = |batch| {
        let work = Work::Matmul { format: Format::Q4K, rows: 4096, row_len: 4096, batch };
        model.time(&work).unwrap()
    };
    let (one, many) = (time(1), time(64));
    assert!(many.extrapolated && many.low <= one.median);
    assert!((many.median.as_f64() / one.median.as_f64() / 64.0 - 1.0).abs() < 1e-6);
    assert!(many.high > many.median && many.high < Nanos::MAX);
}

#[test]
fn what_was_not_measured_is_refused_by_name() {
    let model = CostModel::fit(&Clock::new(3, 0.03, 0.0).grid(&SHAPES, &BATCHES)).unwrap();
    let other = Work::Matmul { format: Format::Q5_0, rows: 64, row_len: 64, batch: 1 };
    assert_eq!(model.time(&other), Err(Missing::Format(Format::Q5_0)));
    let norm = Work::Norm { width: 64, batch: 1 };
    assert_eq!(model.time(&norm).unwrap_err().to_string(), "norm was not measured");
    assert_eq!(model.time(&Work::Activation { width: 0, batch: 1 }), Err(Missing::Range));
    let estimate = model.estimate(4096, 4096, 1).unwrap();
    let slowest = Work::Matmul { format: Format::Q4_1, rows: 4096, row_len: 4096, batch: 1 };
    assert!(estimate.estimated && estimate.median == model.time(&slowest).unwrap().median);
    assert!(estimate.low < model.time(&SQUARE).unwrap().median);
}

#[test]
fn nonsense_is_refused_by_key() {
    let good = profile(vec![timing(SQUARE, 6e5)]);
    let spoiled = |spoil: &dyn Fn(&mut Profile)| {
        let mut profile = good.clone();
        spoil(&mut profile);
        error(&profile)
    };
    let cases: [(String, &str); 7] = [
        (spoiled(&|p| p.schema = 9), "schema: 9; 2 is allowed"),
        (spoiled(&|p| p.timings.clear()), "timings: none; at least one time is needed"),
        (spoiled(&|p| p.timings[0].median_ns = Nanos(0)), "timings[0].median-ns: 0; 1 to "),
        (spoiled(&|p| p.timings[0].repeats = 0), "timings[0].repeats: 0; 1 to "),
        (spoiled(&|p| p.machine.free_bytes = Bytes(1 << 40)), "machine.free-bytes: 1099511627776"),
        (spoiled(&|p| p.resident[0].rows = 0), "resident[0].rows: 0; 1 to "),
        (
            spoiled(&|p| {
                p.timings[0].work =
                    Work::Matmul { format: Format::Q4K, rows: 1, row_len: 100, batch: 1 };
            }),
            "timings[0].work.row-len: 100; q4_K needs a multiple of 256",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.starts_with(expected), "{found}");
    }
}

fn work() -> impl Strategy<Value = Work> {
    let count = || prop_oneof![4 => 1..5000u64, 1 => 0..3u64, 1 => any::<u64>()];
    let numbers = (count(), count(), count(), count(), count());
    (0..6u8, 0..15usize, numbers).prop_map(|(kind, format, (a, b, c, d, e))| match kind {
        0 | 1 => Work::Matmul {
            format: Format::COMPUTED[format],
            rows: a,
            row_len: 256 * (b % 40),
            batch: c,
        },
        2 => Work::Attention { heads: a, kv_heads: b, head_dim: c, context: d, batch: e },
        3 => Work::Norm { width: a, batch: b },
        4 => Work::Triad { threads: a as u32, bytes: Bytes(b) },
        _ => Work::Dispatch {},
    })
}

proptest! {
    #[test]
    fn no_profile_and_no_work_panics(
        measured in proptest::collection::vec((work(), 0..2_000_000u64), 0..12),
        wanted in proptest::collection::vec(work(), 4),
    ) {
        let timings = measured.iter().map(|&(work, nanos)| timing(work, nanos as f64)).collect();
        if let Ok(model) = CostModel::fit(&profile(timings)) {
            for work in measured.iter().map(|(work, _)| work).chain(&wanted) {
                if let Ok(found) = model.time(work) {
                    prop_assert!(found.low <= found.median && found.median <= found.high);
                }
            }
        }
    }
}

//! The profile of a made-up machine.

use edgeplan_cost_model::profile::{Machine, Profile, SCHEMA, Timing, Work};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};

const SHAPES: [(u64, u64); 7] = [
    (512, 512),
    (1024, 1024),
    (1024, 4096),
    (4096, 1024),
    (4096, 4096),
    (11008, 4096),
    (32000, 4096),
];

/// Nanoseconds per weight of a pass, and of each of its rows.
pub(crate) type Speed = (Format, f64, f64);

/// Small formats are slow: their kernels unpack bits.
pub(crate) const SLOW_BITS: [Speed; 3] =
    [(Format::Q8_0, 0.04, 0.002), (Format::Q4K, 0.03, 0.004), (Format::Q2K, 0.16, 0.02)];
/// Time follows bytes.
pub(crate) const BY_BYTES: [Speed; 3] =
    [(Format::Q8_0, 0.08, 0.002), (Format::Q4K, 0.042, 0.002), (Format::Q2K, 0.025, 0.002)];

fn timing(work: Work, nanos: f64) -> Timing {
    Timing { work, median_ns: Nanos(nanos as u64), mad_ns: Nanos(1), repeats: 9 }
}

/// The profile of a machine with these kernels, and 16 GiB of which 12 are free.
pub(crate) fn profile(speeds: &[Speed]) -> Profile {
    let mut timings = vec![
        timing(Work::Triad { threads: 2, bytes: Bytes(1 << 28) }, (1 << 28) as f64 / 20.0),
        timing(Work::Dispatch {}, 1000.0),
    ];
    for &(format, weight, row) in speeds {
        for (rows, row_len) in SHAPES {
            for batch in [1, 2, 4, 8, 16, 32, 64, 128] {
                let nanos = 5000.0 + (rows * row_len) as f64 * (weight + row * batch as f64);
                timings.push(timing(Work::Matmul { format, rows, row_len, batch }, nanos));
            }
        }
    }
    for batch in [1, 16, 128] {
        for context in [128, 512, 2048] {
            let (heads, kv_heads, head_dim) = (32, 8, 128);
            let work = Work::Attention { heads, kv_heads, head_dim, context, batch };
            timings.push(timing(work, 9000.0 + context as f64 * (40.0 + 20.0 * batch as f64)));
        }
        for width in [1024, 4096, 11008] {
            let nanos = 900.0 + 0.3 * (width * batch) as f64;
            timings.push(timing(Work::Norm { width, batch }, nanos));
            timings.push(timing(Work::Activation { width, batch }, 2.0 * nanos));
        }
    }
    let machine = Machine {
        processor: "made up".into(),
        features: vec!["avx2".into()],
        accelerator: None,
        cores: 2,
        threads: 2,
        memory_bytes: Bytes(16 << 30),
        free_bytes: Bytes(12 << 30),
        system: "none".into(),
        engine: "none 1".into(),
        revision: "0".into(),
        date: "2026-11-21".into(),
    };
    Profile {
        schema: SCHEMA,
        machine,
        complete: true,
        notes: Vec::new(),
        timings,
        resident: vec![],
    }
}

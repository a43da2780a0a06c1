//! A made-up machine whose kernels are known, and the profile of it that a noisy clock yields.

use edgeplan_cost_model::profile::{Machine, Profile, Resident, SCHEMA, Timing, Work};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// Shapes of projections from 0.1 to 70 million weights.
pub(crate) const SHAPES: [(u64, u64); 12] = [
    (256, 512),
    (576, 1536),
    (1024, 1024),
    (1024, 4096),
    (4096, 1024),
    (2048, 2048),
    (4096, 4096),
    (2048, 8192),
    (8192, 2048),
    (11008, 4096),
    (4096, 11008),
    (14336, 4096),
];
pub(crate) const BATCHES: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// Nanoseconds of a product: an overhead, bytes at a bandwidth, operations at a rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    pub(crate) format: Format,
    pub(crate) overhead_ns: f64,
    /// Bytes per nanosecond.
    pub(crate) bandwidth: f64,
    /// Operations per nanosecond with one row, and with several: kernels change their path.
    pub(crate) compute: [f64; 2],
}

impl Truth {
    pub(crate) fn nanos(&self, rows: u64, row_len: u64, batch: u64) -> f64 {
        let bytes = self.format.bytes(rows, row_len).unwrap().as_f64();
        let operations = 2.0 * (rows * row_len * batch) as f64;
        let compute = self.compute[usize::from(batch > 1)];
        self.overhead_ns + bytes / self.bandwidth + operations / compute
    }
}

/// Three kernels as candle has them: good, without a path for batches, without any vectors.
pub(crate) const KERNELS: [Truth; 3] = [
    Truth { format: Format::Q4K, overhead_ns: 9e3, bandwidth: 16.0, compute: [120.0, 450.0] },
    Truth { format: Format::Q3K, overhead_ns: 7e3, bandwidth: 20.0, compute: [100.0, 103.0] },
    Truth { format: Format::Q4_1, overhead_ns: 5e3, bandwidth: 9.0, compute: [6.7, 6.7] },
];

pub(crate) fn machine() -> Machine {
    Machine {
        processor: "made up".into(),
        features: Vec::new(),
        accelerator: None,
        cores: 2,
        threads: 2,
        memory_bytes: Bytes(16 << 30),
        free_bytes: Bytes(12 << 30),
        system: "none".into(),
        engine: "none 1".into(),
        revision: "0".into(),
        date: "2026-11-21".into(),
    }
}

/// A profile of these times.
pub(crate) fn profile(timings: Vec<Timing>) -> Profile {
    let resident = |rows: u64, batch: u64, resident_bytes: u64| Resident {
        format: Format::Q4K,
        rows,
        row_len: 256,
        batch,
        resident_bytes: Bytes(resident_bytes),
    };
    // Whole tiles are copied, by one row and again by several; others are not.
    let resident =
        vec![resident(16, 1, 2304 * 2), resident(16, 8, 2304 * 3), resident(17, 8, 2448)];
    let notes = Vec::new();
    Profile { schema: SCHEMA, machine: machine(), complete: true, notes, timings, resident }
}

pub(crate) fn timing(work: Work, nanos: f64) -> Timing {
    Timing { work, median_ns: Nanos(nanos as u64), mad_ns: Nanos(0), repeats: 5 }
}

/// A clock: off by up to `noise` either way, and in `outliers` of cases by another 1.5 to 4 times,
/// as if another process had run meanwhile.
pub(crate) struct Clock {
    random: Pcg64,
    noise: f64,
    outliers: f64,
}

impl Clock {
    pub(crate) fn new(seed: u64, noise: f64, outliers: f64) -> Self {
        Self { random: Pcg64::seed_from_u64(seed), noise, outliers }
    }

    /// What it shows.
    pub(crate) fn read(&mut self, nanos: f64) -> f64 {
        let noise = self.random.random_range(-self.noise..=self.noise).exp();
        let outlier = self.random.random_bool(self.outliers);
        nanos * noise * if outlier { self.random.random_range(1.5..4.0) } else { 1.0 }
    }

    /// The whole grid.
    pub(crate) fn grid(&mut self, shapes: &[(u64, u64)], batches: &[u64]) -> Profile {
        let mut timings = Vec::new();
        for truth in KERNELS {
            for &(rows, row_len) in shapes {
                for &batch in batches {
                    let work = Work::Matmul { format: truth.format, rows, row_len, batch };
                    timings.push(timing(work, self.read(truth.nanos(rows, row_len, batch))));
                }
            }
        }
        for bytes in [1 << 28, 1 << 29] {
            let work = Work::Triad { threads: 2, bytes: Bytes(bytes) };
            timings.push(timing(work, self.read(bytes as f64 / 20.0)));
        }
        timings.push(timing(Work::Dispatch {}, self.read(1500.0)));
        profile(timings)
    }
}

//! The rule of thumb of most planners, as a baseline: the longer of bytes over bandwidth and
//! operations over the best rate that the machine ever reached, the same for every format.

use edgeplan_problem::format::Format;

use crate::conformal::median;
use crate::profile::{Profile, Timing, Work};

/// Bytes of an activation, and of an element of the cache.
const FLOAT: f64 = 4.0;

/// The rule of thumb, for one machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Naive {
    /// Bytes per nanosecond by triad.
    pub bandwidth: f64,
    /// Operations per nanosecond: the most that any format reached.
    pub compute: f64,
}

impl Naive {
    /// The rule for the machine of a profile; `None` without its memory bandwidth or any matrix
    /// product.
    pub fn new(profile: &Profile) -> Option<Self> {
        let threads = profile.timings.iter().filter_map(|timing| match timing.work {
            Work::Triad { threads, .. } => Some(threads),
            _ => None,
        });
        let most = threads.max()?;
        let moved = |timing: &Timing| match timing.work {
            Work::Triad { threads, bytes } if threads == most => {
                Some(bytes.as_f64() / timing.median_ns.as_f64())
            }
            _ => None,
        };
        let computed = profile.timings.iter().filter_map(|timing| match timing.work {
            Work::Matmul { .. } => Some(operations(&timing.work) / timing.median_ns.as_f64()),
            _ => None,
        });
        Some(Self {
            bandwidth: median(profile.timings.iter().filter_map(moved).collect())?,
            compute: computed.reduce(f64::max)?,
        })
    }

    /// Nanoseconds.
    pub fn nanos(&self, work: &Work) -> f64 {
        (bytes(work) / self.bandwidth).max(operations(work) / self.compute)
    }
}

/// Operations of a work.
fn operations(work: &Work) -> f64 {
    match *work {
        Work::Matmul { rows, row_len, batch, .. } => {
            2.0 * rows as f64 * row_len as f64 * batch as f64
        }
        Work::Attention { heads, head_dim, context, batch, .. } => {
            4.0 * (heads * head_dim) as f64 * context as f64 * batch as f64
        }
        _ => 0.0,
    }
}

/// Bytes that a work must read or write at least.
fn bytes(work: &Work) -> f64 {
    match *work {
        Work::Matmul { format, rows, row_len, .. } => {
            format.bytes(rows, row_len).unwrap_or_default().as_f64()
        }
        Work::Attention { kv_heads, head_dim, context, .. } => {
            let format = Format::F16.block_bytes() as f64;
            2.0 * format * (kv_heads * head_dim) as f64 * context as f64
        }
        Work::Norm { width, batch } => 2.0 * FLOAT * width as f64 * batch as f64,
        Work::Activation { width, batch } => 3.0 * FLOAT * width as f64 * batch as f64,
        Work::Triad { bytes, .. } => bytes.as_f64(),
        Work::Dispatch {} => 0.0,
    }
}

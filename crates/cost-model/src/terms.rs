//! What the time of a kernel is made of: overhead, bytes that are read, operations.

use edgeplan_problem::format::Format;

use crate::profile::{Work, whole_tiles};

/// Works whose times one fit explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) family: Family,
    /// Whether there are several rows of activations: one is a product with a vector, which is
    /// another kernel.
    pub(crate) several: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Weights that [`in_tiles`] have two kernels: one of whole tiles, one of the others. All other
    /// formats count as tiled.
    Matmul {
        format: Format,
        tiled: bool,
    },
    Attention,
    Norm,
    Activation,
}

impl Kind {
    /// The same for one row instead of several, and the other way round.
    pub(crate) fn counterpart(self) -> Self {
        Self { several: !self.several, ..self }
    }
}

impl Family {
    /// As messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Matmul { format, .. } => format.name(),
            Self::Attention => "attention",
            Self::Norm => "norm",
            Self::Activation => "activation",
        }
    }

    pub(crate) fn format(self) -> Option<Format> {
        match self {
            Self::Matmul { format, .. } => Some(format),
            _ => None,
        }
    }
}

/// A work as the fit sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// What times are sums of, each with a coefficient of its own: what every row adds,
    pub(crate) by_row: Vec<f64>,
    /// and what a pass takes however many rows it has.
    pub(crate) by_pass: Vec<f64>,
    /// Where the shape lies, in powers of two.
    pub(crate) shape: [f64; 2],
    /// Rows of activations.
    pub(crate) batch: f64,
}

impl Point {
    /// The kind of a work, and its point; `None` where a work has no fit.
    pub(crate) fn of(work: &Work) -> Option<(Kind, Self)> {
        match *work {
            Work::Matmul { format, rows, row_len, batch } => {
                Some(product(format, rows, row_len, batch))
            }
            Work::Attention { heads, kv_heads, head_dim, context, batch } => {
                let kind = Kind { family: Family::Attention, several: batch > 1 };
                let (context, batch) = (float(context), float(batch));
                let (width, scores) = (float(heads) * float(head_dim), float(heads) * context);
                let cached = float(kv_heads) * float(head_dim) * context;
                let large = if SCORES * scores * batch >= LARGE { scores } else { 0.0 };
                // Operations, softmax, its memory, activations; cache read, overhead.
                let by_row = vec![width * context, scores, large, width];
                let (by_pass, shape) = (vec![cached, 1.0], [context.log2(), width.log2()]);
                Some((kind, Self { by_row, by_pass, shape, batch }))
            }
            Work::Norm { width, batch } => Some(elementwise(Family::Norm, width, batch)),
            Work::Activation { width, batch } => {
                Some(elementwise(Family::Activation, width, batch))
            }
            Work::Triad { .. } | Work::Dispatch {} => None,
        }
    }

    /// All terms; those of rows come first, so that a grid of one batch size counts as time per row
    /// ([`crate::regression::fit`] gives doubles to the first).
    pub(crate) fn terms(&self) -> Vec<f64> {
        let rows = self.by_row.iter().map(|term| term * self.batch);
        rows.chain(self.by_pass.iter().copied()).collect()
    }

    /// How large the shape is, in powers of two.
    pub(crate) fn size(&self) -> f64 {
        self.shape[0] + self.shape[1]
    }
}

/// Rows of so many floats lie whole pages of memory apart, in the same few lines of a cache.
const PAGE: u64 = 1024;
/// From so many floats on, allocators take memory from the system for every intermediate result and
/// give it back (glibc: 32 MiB), which takes longer than filling it.
const LARGE: f64 = (8 << 20) as f64;
/// Matrices of scores that attention holds at once.
const SCORES: f64 = 3.0;
/// Activations of so many floats leave the first cache while the weights of a row pass through it.
const LONG: u64 = 8192;
/// From so many floats on, elementwise work is divided among threads.
const MANY: f64 = (128 << 10) as f64;

/// One loop over all elements, whatever their rows.
fn elementwise(family: Family, width: u64, batch: u64) -> (Kind, Point) {
    let (width, batch) = (float(width), float(batch));
    let many = width * batch >= MANY;
    let only = |on: bool| if on { width } else { 0.0 };
    let (by_row, by_pass) = (vec![only(!many), only(many), 1.0], vec![1.0]);
    let point = Point { by_row, by_pass, shape: [width.log2(), 0.0], batch };
    (Kind { family, several: true }, point)
}

/// The formats whose matrices of whole tiles some processor multiplies by a kernel of its own
/// (candle 0.11, `quantized/repack.rs`).
fn in_tiles(format: Format) -> bool {
    matches!(format, Format::Q4_0 | Format::Q4K | Format::Q5K | Format::Q6K | Format::Q8_0)
}

fn product(format: Format, rows: u64, row_len: u64, batch: u64) -> (Kind, Point) {
    let dense = matches!(format, Format::F32 | Format::F16 | Format::BF16);
    let family = Family::Matmul { format, tiled: !in_tiles(format) || whole_tiles(rows, row_len) };
    let kind = Kind { family, several: batch > 1 };
    let weights = float(rows) * float(row_len);
    // Operations, activations in (some engines quantize them) and out; weights read, overhead.
    let by_row = vec![weights, float(row_len), float(rows)];
    let long = if batch == 1 && row_len >= LONG { weights } else { 0.0 };
    let mut by_pass = vec![weights, 1.0, long];
    if dense {
        // Weights are repacked in every pass of several rows, and halves widened in every pass;
        // short matrices do not occupy all threads.
        let only = |on: bool| if on { weights } else { 0.0 };
        by_pass.extend([only(row_len.is_multiple_of(PAGE)), only(weights >= LARGE)]);
        by_pass.push(float(row_len));
    }
    let shape = [float(rows).log2(), float(row_len).log2()];
    (kind, Point { by_row, by_pass, shape, batch: float(batch) })
}

fn float(value: u64) -> f64 {
    value as f64
}

//! What the time of a kernel is made of: overhead, bytes that are read, operations.

use edgeplan_formats::Format;

use crate::profile::Work;

/// Works whose times one fit explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Matmul(Format),
    Attention,
    Norm,
    Activation,
}

impl Kind {
    /// As messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Matmul(format) => format.name(),
            Self::Attention => "attention",
            Self::Norm => "norm",
            Self::Activation => "activation",
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
        let float = |value: u64| value as f64;
        let rowwise = |kind: Kind, width: u64, batch: u64| {
            let (width, batch) = (float(width), float(batch));
            let (by_row, by_pass) = (vec![width, 1.0], vec![1.0]);
            Some((kind, Self { by_row, by_pass, shape: [width.log2(), 0.0], batch }))
        };
        match *work {
            Work::Matmul { format, rows, row_len, batch } => {
                let (rows, row_len, batch) = (float(rows), float(row_len), float(batch));
                // Operations, activations in (some engines quantize them) and out; weights read,
                // overhead.
                let weights = rows * row_len;
                let (by_row, by_pass) = (vec![weights, row_len, rows], vec![weights, 1.0]);
                let shape = [rows.log2(), row_len.log2()];
                Some((Kind::Matmul(format), Self { by_row, by_pass, shape, batch }))
            }
            Work::Attention { heads, kv_heads, head_dim, context, batch } => {
                let (context, batch) = (float(context), float(batch));
                let (width, scores) = (float(heads) * float(head_dim), float(heads) * context);
                let cached = float(kv_heads) * float(head_dim) * context;
                // Operations, softmax, activations; cache read, overhead.
                let (by_row, by_pass) = (vec![width * context, scores, width], vec![cached, 1.0]);
                let shape = [context.log2(), width.log2()];
                Some((Kind::Attention, Self { by_row, by_pass, shape, batch }))
            }
            Work::Norm { width, batch } => rowwise(Kind::Norm, width, batch),
            Work::Activation { width, batch } => rowwise(Kind::Activation, width, batch),
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

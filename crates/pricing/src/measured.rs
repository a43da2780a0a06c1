//! What a layer takes on a machine that was measured: the sum of its kernels.
//!
//! A prompt goes through in chunks, as the reference engine runs it: where these have more rows
//! than were measured, kernels are extrapolated, and the plan says so. Attention of a chunk
//! computes all of its positions against all so far and masks what lies ahead; that of a generated
//! token sees, on average, the prompt and half of the answer. Requests of a batch share products,
//! not attention.

use edgeplan_cost_model::profile::Work;
use edgeplan_cost_model::{Missing, Prediction};
use edgeplan_problem::Bytes;

use super::machine::{Passes, format_of, multiplied};
use crate::workload::Workload;
use edgeplan_files::InputError;
use edgeplan_machines::device::Measured;
use edgeplan_model::{Heads, LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};
use edgeplan_problem::format::Format;

/// Compute time of one batch of a model that lies on one machine whole, whether it fits or not,
/// every matrix that may be quantized in `format`.
///
/// # Errors
/// Work that was not measured where the workload allows no estimates, and absurd numbers.
pub fn compute(
    machine: &Measured,
    model: &ModelSpec,
    workload: &Workload,
    format: Format,
) -> Predicted {
    let kernels = Kernels { machine, name: &machine.file, passes: Passes::from(workload) };
    let mut time = Prediction::ZERO;
    for layer in &model.layers {
        time += kernels.fixed(model.hidden, layer)?;
        for tensor in &layer.tensors {
            let format = if tensor.quantizable { format } else { format_of(tensor) };
            let pass = |rows, _| kernels.pass(layer, tensor, format, rows);
            time += kernels.passes.sum(layer, pass)?;
        }
    }
    Ok(time)
}

/// Bytes of an activation.
const FLOAT: u64 = 4;

/// The kernels of one machine, and how often they run.
pub(super) struct Kernels<'a> {
    pub(super) machine: &'a Measured,
    /// The device, for errors.
    pub(super) name: &'a str,
    pub(super) passes: Passes,
}

type Predicted = Result<Prediction, InputError>;

impl Kernels<'_> {
    /// One batch in a layer without its tensors.
    pub(super) fn fixed(&self, hidden: u64, layer: &LayerSpec) -> Predicted {
        let Passes { prompt, generate, .. } = self.passes;
        match layer.part {
            // Rows of a table are copied.
            Part::Embedding => {
                self.passes.sum(layer, |rows, _| self.pointwise(2 * hidden * rows, 1))
            }
            Part::Block(_) | Part::Attention(_) | Part::FeedForward(_) | Part::Experts(_) => {
                let middle = prompt + generate.div_ceil(2);
                let seen = layer.window.map_or(middle, |window| middle.min(window));
                let mut time = self.block(hidden, layer, 1, seen)? * generate;
                for (new, context) in self.passes.chunks() {
                    time += self.block(hidden, layer, new, context)?;
                }
                Ok(time)
            }
            Part::Head => Ok(Prediction::ZERO),
        }
    }

    /// One pass of a block: each request of the batch has `new` positions and sees `context`.
    fn block(&self, hidden: u64, layer: &LayerSpec, new: u64, context: u64) -> Predicted {
        let batch = self.passes.batch;
        let rows = new * batch;
        // After attention and after the feed-forward part two hidden states are summed into one.
        let sums = if layer.part.is_block() { 2 } else { 1 };
        let mut time = self.pointwise(sums * 3 * hidden * rows, sums)?;
        if let Some(Heads { query, key, length }) = layer.attention {
            let work = Work::Attention {
                heads: query,
                kv_heads: key,
                head_dim: length,
                context,
                batch: new,
            };
            time += self.time(work)? * batch;
            // Queries and keys are rotated, keys and values copied into the cache.
            let moved = 2 * (query + key) * length + 2 * 2 * key * length;
            time += self.pointwise(moved * rows, 4)?;
        }
        let ups = |tensor: &&TensorSpec| {
            tensor.class == TensorClass::FfnUp || tensor.name.contains("ffn_up_exps.")
        };
        if let Some(up) = layer.tensors.iter().find(ups) {
            let (used, experts) = up.experts.unwrap_or((1, 1));
            let width = up.rows / experts * used;
            time += self.time(Work::Activation { width, batch: rows })?;
        }
        Ok(time)
    }

    /// One pass in one tensor.
    pub(super) fn pass(
        &self,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        format: Format,
        rows: u64,
    ) -> Predicted {
        let width = tensor.row_len;
        match tensor.class {
            _ if multiplied(layer, tensor) => self.product(tensor, format, rows),
            TensorClass::Norm => {
                // Queries and keys are normalized head by head.
                let heads =
                    layer.attention.map_or(1, |heads| match tensor.name.contains("_q_norm") {
                        true => heads.query,
                        false if tensor.name.contains("_k_norm") => heads.key,
                        false => 1,
                    });
                self.time(Work::Norm { width, batch: rows * heads })
            }
            TensorClass::Bias => self.pointwise(2 * width * rows, 1),
            // Rows of tables are part of what the layer takes anyway.
            _ => Ok(Prediction::ZERO),
        }
    }

    fn product(&self, tensor: &TensorSpec, format: Format, rows: u64) -> Predicted {
        let row_len = tensor.row_len;
        let Some((used, experts)) = tensor.experts else {
            return self.time(Work::Matmul { format, rows: tensor.rows, row_len, batch: rows });
        };
        // Tokens spread over the experts evenly; at worst no two use the same one.
        let tokens = used.saturating_mul(rows);
        let active = tokens.min(experts);
        let batch = tokens.div_ceil(active);
        let work = Work::Matmul { format, rows: tensor.rows / experts, row_len, batch };
        Ok(self.time(work)? * active)
    }

    /// Reads and writes of so many floats in all, by so many operations.
    fn pointwise(&self, floats: u64, operations: u64) -> Predicted {
        let threads = self.machine.profile.machine.threads;
        let bytes = Bytes(floats) * FLOAT;
        let moving = self.time(Work::Triad { threads, bytes })?;
        Ok(moving + self.time(Work::Dispatch {})? * operations)
    }

    fn time(&self, work: Work) -> Predicted {
        let missing = match self.machine.model.time(&work) {
            Ok(found) => return Ok(found),
            Err(Missing::Range) => {
                let problem = format!("{}: too large or no whole blocks: {work:?}", self.name);
                return Err(InputError::file("model and workload", problem));
            }
            Err(missing) => missing,
        };
        let stand_in = self.stand_in(&work)?;
        match stand_in {
            Some(found) if self.passes.estimate => Ok(Prediction { estimated: true, ..found }),
            Some(_) => {
                let problem = format!(
                    "{}: {missing}; measure it, or allow `estimate = true` in the workload",
                    self.name
                );
                Err(InputError::key("workload", "estimate", problem))
            }
            None => {
                let problem = format!("{missing}; let `edgeplan profile` run to its end");
                Err(InputError::key(&self.machine.file, "timings", problem))
            }
        }
    }

    /// What takes about as long as work that was not measured: the slowest other format, products
    /// of the same size as an attention, reading and writing the same rows.
    fn stand_in(&self, work: &Work) -> Result<Option<Prediction>, InputError> {
        let model = &self.machine.model;
        Ok(match *work {
            Work::Matmul { rows, row_len, batch, .. } => model.estimate(rows, row_len, batch),
            Work::Attention { heads, head_dim, context, batch, .. } => {
                let (rows, row_len, format) = (2 * context, heads * head_dim, Format::F32);
                let product = model.time(&Work::Matmul { format, rows, row_len, batch }).ok();
                product.or_else(|| model.estimate(rows, row_len, batch))
            }
            Work::Norm { width, batch } => Some(self.pointwise(2 * width * batch, 1)?),
            Work::Activation { width, batch } => Some(self.pointwise(3 * width * batch, 1)?),
            Work::Triad { .. } | Work::Dispatch {} => None,
        })
    }
}

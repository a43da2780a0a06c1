//! What a layer takes on a machine that an engine's own programs measured.
//!
//! Products by format and rows, attention by depth and cache, and what a block takes beside both;
//! what every pass takes once, and what the engine's server adds to a token, is with the head. A
//! device of another host keeps weights as they are stored.

use edgeplan_cost_model::engine::{AttentionWork, EngineProduct, Share};
use edgeplan_cost_model::{Missing, Prediction};

use super::machine::{Passes, Product, multiplied};
use edgeplan_files::InputError;
use edgeplan_machines::device::EngineMeasured;
use edgeplan_model::{Heads, LayerSpec, ModelSpec, Part};

/// An engine on one machine, and how often its passes run.
pub(super) struct EnginePasses<'a> {
    pub(super) machine: &'a EngineMeasured,
    /// The device, for errors.
    pub(super) name: &'a str,
    pub(super) passes: Passes,
    /// Whether it is reached over the engine's RPC backend.
    pub(super) remote: bool,
}

type Predicted = Result<Prediction, InputError>;

impl EnginePasses<'_> {
    /// One batch in a layer without its tensors.
    pub(super) fn fixed(&self, model: &ModelSpec, layer: &LayerSpec) -> Prediction {
        match layer.part {
            // Rows of a table are copied.
            Part::Embedding => Prediction::ZERO,
            Part::Head => self.machine.model.graph() * self.passes.messages(),
            Part::Block(_) | Part::Attention(_) | Part::FeedForward(_) | Part::Experts(_) => {
                self.blocks(model.hidden, layer)
            }
        }
    }

    fn blocks(&self, hidden: u64, layer: &LayerSpec) -> Prediction {
        let Passes { prompt, generate, .. } = self.passes;
        let middle = prompt + generate.div_ceil(2);
        let mut time = self.block(hidden, layer, 1, middle) * generate;
        for (new, context) in self.passes.chunks() {
            time += self.block(hidden, layer, new, context);
        }
        time
    }

    /// One pass of a block: each request of the batch has `new` positions and sees `context`.
    fn block(&self, hidden: u64, layer: &LayerSpec, new: u64, context: u64) -> Prediction {
        let (batch, model) = (self.passes.batch, &self.machine.model);
        let mut time = model.block(hidden, new * batch);
        if self.remote {
            time += model.remote_block();
        }
        if layer.part.is_half() {
            time = time.halved();
        }
        if let Some(Heads { query, key, length }) = layer.attention {
            let work = AttentionWork {
                heads: query,
                kv_heads: key,
                head_dim: length,
                context: layer.window.map_or(context, |window| context.min(window.max(new))),
                rows: new,
                cache: self.passes.cache,
            };
            time += model.attention(work) * batch;
        }
        time
    }

    /// One pass in one tensor.
    pub(super) fn pass(&self, product: Product, rows: u64) -> Predicted {
        let Product { layer, tensor, format, .. } = product;
        if !multiplied(layer, tensor) {
            return Ok(Prediction::ZERO);
        }
        let asked = EngineProduct {
            format,
            elements: tensor.elements(),
            rows,
            experts: tensor.experts.map(|(used, of)| Share { used, of }),
            as_stored: self.remote,
        };
        let missing: Missing = match self.machine.model.product(asked) {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
        // What keeps its type is little: routers.
        let allowed = self.passes.estimate || !tensor.quantizable;
        let estimate = self.machine.model.estimate(asked).filter(|_| allowed);
        estimate.ok_or_else(|| {
            let problem = format!(
                "{}: {missing}; `edgeplan profile --engine llama.cpp` without --quick may, or \
                 allow `estimate = true` in the workload",
                self.name
            );
            InputError::key("workload", "estimate", problem)
        })
    }
}

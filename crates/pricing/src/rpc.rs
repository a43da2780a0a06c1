//! What an engine sends beside hidden states: see [`RpcOverhead`](crate::engine::RpcOverhead).

use edgeplan_cost_model::Prediction;
use edgeplan_problem::{Bytes, Nanos};

use super::Builder;
use super::machine::Passes;
use edgeplan_model::{LayerSpec, ModelSpec};

/// Picoseconds in which a byte of a graph is written down by the source and made a node of a graph
/// again by the server: 18 us for each block of 48 tensors (`reports/engine`).
const MAKING_PS: u64 = 1_250;

/// What a block in two parts takes beside that in each pass: the median of 14 cuts in 5 settings of
/// `reports/experts` (0.22 to 0.47 ms), on servers of the source's own machine.
const PARTING: Nanos = Nanos(270_000);

/// Time of a block in two parts for so many bytes of graphs in so many passes, the link's apart.
pub(super) fn parting(graphs: Bytes, passes: u64) -> Nanos {
    let once = if graphs == Bytes::ZERO { Nanos::ZERO } else { PARTING };
    Nanos(graphs.0.saturating_mul(MAKING_PS) / 1_000) + once * passes
}

impl Builder<'_> {
    /// Bytes to each device for all passes of a batch of requests, without those of graphs.
    pub(super) fn rpc_bytes(&self) -> Bytes {
        let rpc = self.workload.engine.rpc;
        let passes = Passes::from(self.workload);
        let bytes = |(new, all): (u64, u64)| {
            let looked_at = all.next_multiple_of(rpc.stride);
            let positions = passes.batch * new * (rpc.position + rpc.mask * looked_at);
            Bytes(rpc.pass + positions)
        };
        let prompt = passes.prompt;
        let steps = (0..passes.generate).map(|step| (1, prompt + step + 1));
        passes.chunks().chain(steps).map(bytes).sum()
    }

    /// Time in which a layer's graphs reach a device, which waits for them.
    pub(super) fn graphs_time(&self, spec: &LayerSpec, device: usize) -> Prediction {
        let rpc = self.workload.engine.rpc;
        if spec.part.block().is_none() || rpc.graph == 0 || !self.is_abroad(device) {
            return Prediction::ZERO;
        }
        let graph = if spec.part.is_half() { rpc.graph / 2 } else { rpc.graph };
        let bytes = Bytes(graph) * self.shapes();
        // Its latency is that of the hidden states, which it follows.
        Prediction::exact(self.cluster.transfer(0, device, 0, bytes).unwrap_or(Nanos::ZERO))
    }

    /// Bytes of graphs to a server of the source's own host for each block that it holds a part of:
    /// others came between, so that it gets all again, and those of all blocks before with it
    /// (`add_tensor` of ggml-rpc.cpp follows operands): of half of the blocks in the mean.
    pub(super) fn graphs_again(&self, spec: &ModelSpec) -> Bytes {
        let last = spec.layers.iter().filter_map(|layer| layer.part.block()).max();
        let blocks = last.map_or(0, |last| last as u64 + 1);
        let passes = Passes::from(self.workload).messages();
        Bytes(self.workload.engine.rpc.graph * blocks.div_ceil(2)) * passes
    }

    /// How often a pass has another shape than the one before: new positions, or those looked at.
    fn shapes(&self) -> u64 {
        let stride = self.workload.engine.rpc.stride;
        let passes = Passes::from(self.workload);
        let shape = |(new, all): (u64, u64)| (new, all.div_ceil(stride));
        let steps = (0..passes.generate).map(|step| (1, passes.prompt + step + 1));
        let mut last = None;
        passes.chunks().chain(steps).map(shape).filter(|s| last.replace(*s) != Some(*s)).count()
            as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineTraits, RpcOverhead};
    use crate::workload::Workload;
    use edgeplan_machines::cluster::Cluster;

    const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

    #[test]
    fn masks_grow_by_strides_and_graphs_follow_new_shapes() {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        let rpc = RpcOverhead {
            pass: 1000,
            position: 10,
            mask: 2,
            stride: 256,
            graph: 100,
            reads: 1,
            states: 1,
        };
        let engine = EngineTraits { rpc, ..EngineTraits::PLAIN };
        let workload = Workload { prompt: 500, generate: 20, engine, ..Workload::default() };
        let builder = Builder {
            cluster: &cluster,
            workload: &workload,
            machines: Vec::new(),
            accelerators: Vec::new(),
            served: Vec::new(),
            embedding_elsewhere: false,
        };
        // The prompt, 12 steps that look at up to 512 positions, 8 that look at up to 768.
        let prompt = 1000 + 500 * (10 + 2 * 512);
        let steps = 12 * (1000 + 10 + 2 * 512) + 8 * (1000 + 10 + 2 * 768);
        assert_eq!(builder.rpc_bytes(), Bytes(prompt + steps));
        assert_eq!(builder.shapes(), 3);
    }
}

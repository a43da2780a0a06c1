//! The answer: a batch per node.

use serde::{Deserialize, Serialize};

use super::{Batching, FormatId, NodeId, RequestId};

/// Each node's batch; a request that is in none is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// By node.
    pub batches: Vec<Batch>,
}

/// What one node serves in the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The format of its model; means nothing while the batch is empty.
    pub format: FormatId,
    /// The requests that are served, in any order.
    pub members: Vec<RequestId>,
}

impl Plan {
    /// The plan that serves no request: feasible for every instance.
    pub fn idle(instance: &Batching) -> Self {
        Self { batches: vec![Batch::default(); instance.nodes.len()] }
    }

    /// The node's batch.
    pub fn batch(&self, node: NodeId) -> &Batch {
        &self.batches[node.index()]
    }

    /// The node that serves the request.
    pub fn node_of(&self, request: RequestId) -> Option<NodeId> {
        let holds = |batch: &Batch| batch.members.contains(&request);
        self.batches.iter().position(holds).map(|index| NodeId(index as u16))
    }
}

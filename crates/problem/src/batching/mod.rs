//! Batching: which waiting requests an edge node serves in the epoch that begins now.
//!
//! An epoch has an uplink, a compute and a downlink phase. A node receives the prompts of its
//! batch, runs them as one batch padded to the longest prompt, and sends the answers. A plan names
//! each node's batch and the format of its model. Least weight of the requests left out is sought.
//! Source: DFTSP (arXiv 2405.07140, its system model); several nodes as in its
//! journal version (IEEE TWC 24(1), 2025, doi 10.1109/TWC.2024.3497923).

mod account;
mod check;
mod mode;
mod plan;
mod violation;

use serde::{Deserialize, Serialize};

pub use account::{Account, BatchAccount};
pub use check::Invalid;
pub use mode::{Mode, Resources};
pub use plan::{Batch, Plan};
pub use violation::Violation;

use crate::id::id;
use crate::{Bytes, Nanos};

id! {
    /// Index of a request in [`Batching::requests`].
    RequestId(u32)
}
id! {
    /// Index of a node in [`Batching::nodes`].
    NodeId(u16)
}
id! {
    /// Index of a format in [`Node::formats`].
    FormatId(u16)
}

/// Millionths of anything.
pub const MILLION: u64 = 1_000_000;
/// A whole band, in the billionths that shares are counted in.
pub const BAND: u64 = 1_000_000_000;

/// The question. Build it, then call [`Batching::checked`]: everything else relies on that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batching {
    /// A name for people.
    pub name: String,
    /// The phases of the epoch.
    pub epoch: Epoch,
    /// Bits on air per token, prompt or answer.
    pub token_bits: u32,
    /// The edge nodes.
    pub nodes: Vec<Node>,
    /// The waiting requests, in order of arrival.
    pub requests: Vec<Request>,
}

/// The phases of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Prompts are received (`T_U`).
    pub uplink: Nanos,
    /// The batch runs (`T_C`).
    pub compute: Nanos,
    /// Answers are sent (`T_D`).
    pub downlink: Nanos,
}

/// An edge node: a base station and its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// A name for people, unique.
    pub name: String,
    /// Bytes for weights and KV cache (`M`).
    pub memory: Bytes,
    /// Operations per second of all its devices together (`C`).
    pub flops: u64,
    /// Devices that share the work equally; only policies that do not batch ask.
    pub devices: u32,
    /// What a token costs.
    pub work: Work,
    /// The formats that its model can be held in; a plan chooses one.
    pub formats: Vec<NodeFormat>,
}

/// Operations of a decoder-only transformer, embedding and head aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Per token, in matrices of weights: `L (8 h^2 + 4 h h_f)`.
    pub per_token: u64,
    /// Per token and token that it looks at: `4 L h`. Even.
    pub per_pair: u64,
}

/// A format that a node's model can be held in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFormat {
    /// A name for people, unique on its node.
    pub name: String,
    /// Bytes of the weights (`alpha m_1`).
    pub weights: Bytes,
    /// Bytes of keys and values per token (`alpha 4 h L`).
    pub kv_per_token: Bytes,
    /// Time relative to 16 bits, in millionths (`beta`).
    pub time_ppm: u32,
    /// The accuracy that answers reach, in millionths (`f(dPPL)`).
    pub accuracy_ppm: u32,
}

/// A waiting request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// A name for people, unique.
    pub name: String,
    /// Tokens of the prompt (`s_i`).
    pub prompt: u32,
    /// Tokens of the answer (`n_i`).
    pub output: u32,
    /// Longest time from arrival to answer (`tau_i`).
    pub deadline: Nanos,
    /// Time since arrival (`t_w,i`).
    pub waited: Nanos,
    /// Least accuracy, in millionths (`a_i`).
    pub accuracy_ppm: u32,
    /// What serving it is worth; 1 where requests are counted.
    pub weight: u32,
    /// By node: its channel; `None` where the node is out of reach.
    pub channels: Vec<Option<Channel>>,
}

/// A radio channel between a user and a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Bits per second towards the node over the whole band.
    pub uplink: u64,
    /// Bits per second from the node over the whole band.
    pub downlink: u64,
}

impl Batching {
    /// All nodes' ids.
    pub fn node_ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + Clone + use<> {
        (0..self.nodes.len()).map(|index| NodeId(index as u16))
    }

    /// All requests' ids, in order of arrival.
    pub fn request_ids(&self) -> impl DoubleEndedIterator<Item = RequestId> + Clone + use<> {
        (0..self.requests.len()).map(|index| RequestId(index as u32))
    }

    /// The node of that id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The request of that id.
    pub fn request(&self, id: RequestId) -> &Request {
        &self.requests[id.index()]
    }

    /// The sum of all requests' weights: the value of serving all.
    pub fn weight(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.weight)).sum()
    }

    /// Time that a request can spend in the compute phase; `None` if it is too late even without.
    pub fn slack(&self, request: RequestId) -> Option<Nanos> {
        let request = self.request(request);
        let fixed = request.waited + self.epoch.uplink + self.epoch.downlink;
        (fixed <= request.deadline).then(|| request.deadline - fixed)
    }
}

impl Node {
    /// All formats' ids.
    pub fn format_ids(&self) -> impl DoubleEndedIterator<Item = FormatId> + Clone + use<> {
        (0..self.formats.len()).map(|index| FormatId(index as u16))
    }

    /// The format of that id.
    pub fn format(&self, id: FormatId) -> &NodeFormat {
        &self.formats[id.index()]
    }
}

impl Work {
    /// Operations of a request in a batch padded to `padded` tokens: its prefill
    /// `a s' + b s'^2` and `n - 1` decode steps of `a + b (s' + n / 2)` on average.
    pub fn of(&self, padded: u32, output: u32) -> u64 {
        let (s, n) = (u64::from(padded), u64::from(output));
        let prefill = (self.per_token + self.per_pair * s) * s;
        let decode = (n - 1) * (self.per_token + self.per_pair * s + self.per_pair / 2 * n);
        prefill + decode
    }
}

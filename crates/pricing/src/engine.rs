//! How an engine works, as far as prices depend on it.

/// What an engine does with a model beside computing its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineTraits {
    /// What it sends beside hidden states.
    pub rpc: RpcOverhead,
    /// Whether it places the parts of a block on different devices of a host. Otherwise blocks stay
    /// whole.
    pub parts: bool,
    /// Whether passes of [`OFFLOAD_ROWS`] rows or more copy weights from a host's RAM to its first
    /// accelerator and multiply them there, where that is quicker than the processor.
    pub offload: bool,
    /// Whether the token embedding lies in RAM, also of a source of which only the memory of an
    /// accelerator is known.
    pub embedding_in_ram: bool,
    /// Rows of logits that the device of the head has room for.
    pub logits_rows: u64,
    /// Whether the KV cache has one cell for each position that is looked back on. Otherwise cells
    /// are allocated as llama.cpp does: a window has room for a ubatch more, and sums are rounded
    /// up to 256.
    pub exact_cache: bool,
    /// Whether unpublished rates are estimated from the device's class; otherwise from the whole
    /// catalog.
    pub classes: bool,
}

/// Rows of activations from which on llama.cpp computes weights of the host's RAM on an accelerator
/// (`ggml_backend_cuda_device_offload_op`, and the same number in the other backends).
pub const OFFLOAD_ROWS: u64 = 32;

impl EngineTraits {
    /// An engine that sends hidden states alone and places whole blocks.
    pub const PLAIN: Self = Self {
        rpc: RpcOverhead::NONE,
        parts: false,
        offload: false,
        embedding_in_ram: false,
        logits_rows: 0,
        exact_cache: false,
        classes: true,
    };

    /// The reference engine of this project, and the instances of the recorded suites.
    pub const REFERENCE: Self = Self { exact_cache: true, classes: false, ..Self::PLAIN };
}

impl Default for EngineTraits {
    /// No engine in particular: one that can place parts and offload, and wastes nothing.
    fn default() -> Self {
        Self { parts: true, offload: true, ..Self::PLAIN }
    }
}

/// What an engine sends to another device beside hidden states, as llama.cpp does over RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcOverhead {
    /// Bytes of every pass: commands and tensor descriptions.
    pub pass: u64,
    /// Bytes of every new position: its index and its slot in the KV cache.
    pub position: u64,
    /// Bytes of the attention mask for every pair of a new position and a position that it attends
    /// to.
    pub mask: u64,
    /// Mask stride in positions: the attended positions are rounded up to a multiple of it, so that
    /// passes have few shapes.
    pub stride: u64,
    /// Bytes of a block's compute graph, sent again when a pass has another shape than the last.
    pub graph: u64,
    /// Round trips in which the host reads what the first part of a block, on a server of its own,
    /// leaves to the second part in RAM: one a tensor.
    pub reads: u64,
    /// Hidden states that leave a block of the source. Two where the residual add runs on the next
    /// device.
    pub states: u64,
}

impl RpcOverhead {
    /// Nothing but hidden states.
    pub const NONE: Self =
        Self { pass: 0, position: 0, mask: 0, stride: 1, graph: 0, reads: 1, states: 1 };

    /// Whether what leaves a part of a block differs from other hidden states.
    pub(crate) fn tells_apart(&self) -> bool {
        self.states != 1 || self.reads != 1
    }
}

//! What blocks keep between passes, in bytes as llama.cpp allocates them.
//!
//! Rules of ggml-org/llama.cpp (`src/llama-kv-cache*.cpp`, `src/llama-memory-*.cpp`): the cache of
//! a block that sees everything has a cell per token of the context; one behind a sliding window
//! has the window and a physical batch, rounded up to 256, but no more than the context; a
//! recurrent block has a state in f32 that no context makes longer. Every sequence has its own.

use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

use crate::{LayerSpec, ModelSpec};

/// Cells come in multiples of this many.
const CELLS: u64 = 256;

/// What one block keeps between passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cache {
    /// Elements of K that one token adds; with latent attention the compressed keys and values and
    /// the rotated part of the key. 0 where the block reads another one's cache, or has no
    /// attention.
    pub keys: u64,
    /// Elements of V that one token adds; 0 with latent attention, where V is part of K.
    pub values: u64,
    /// Elements of the keys of a sparse attention's indexer that one token adds.
    pub index: u64,
    /// Elements of recurrent state and of the last inputs of a convolution, in f32, per sequence.
    pub state: u64,
}

/// For how much caches are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Tokens of one sequence, prompt and answer.
    pub context: u64,
    /// Sequences at once; each has a cache of its own.
    pub sequences: u64,
    /// Tokens of a physical batch.
    pub ubatch: u64,
    /// Format of K.
    pub keys: Format,
    /// Format of V.
    pub values: Format,
}

impl Default for Allocation {
    /// llama.cpp's own choices, at a context of 4096 tokens.
    fn default() -> Self {
        let (keys, values) = (Format::F16, Format::F16);
        Self { context: 4096, sequences: 1, ubatch: 512, keys, values }
    }
}

impl Allocation {
    /// Cells of one sequence in a block that looks back on `window` tokens, or on all of them.
    pub fn cells(&self, window: Option<u64>) -> u64 {
        let context = up(self.context);
        let ubatch = self.ubatch.min(self.context);
        window.map_or(context, |window| up(window.saturating_add(ubatch).min(context)))
    }
}

fn up(tokens: u64) -> u64 {
    tokens.div_ceil(CELLS).saturating_mul(CELLS)
}

impl LayerSpec {
    /// Elements of K and V that one token adds to the cache.
    pub fn kv_elements(&self) -> u64 {
        let Cache { keys, values, index, state: _ } = self.cache;
        keys.saturating_add(values).saturating_add(index)
    }

    /// Bytes of the KV cache.
    pub fn kv_bytes(&self, allocation: &Allocation) -> Bytes {
        let row = |elements: u64, format: Format| {
            elements.div_ceil(format.block_elements()).saturating_mul(format.block_bytes())
        };
        let Cache { keys, values, index, state: _ } = self.cache;
        let all = row(keys, allocation.keys)
            .saturating_add(row(index, allocation.keys))
            .saturating_add(row(values, allocation.values));
        let cells = allocation.cells(self.window).saturating_mul(allocation.sequences);
        Bytes(cells.saturating_mul(all))
    }

    /// Bytes of recurrent state.
    pub fn state_bytes(&self, allocation: &Allocation) -> Bytes {
        Bytes(self.cache.state.saturating_mul(4).saturating_mul(allocation.sequences))
    }

    /// Bytes of all that the layer keeps between passes.
    pub fn cache_bytes(&self, allocation: &Allocation) -> Bytes {
        Bytes(self.kv_bytes(allocation).0.saturating_add(self.state_bytes(allocation).0))
    }
}

impl ModelSpec {
    /// Bytes of the KV cache, and of recurrent states.
    pub fn cache_bytes(&self, allocation: &Allocation) -> (Bytes, Bytes) {
        let sum = |of: fn(&LayerSpec, &Allocation) -> Bytes| {
            let each = self.layers.iter().map(|layer| of(layer, allocation).0);
            Bytes(each.fold(0, u64::saturating_add))
        };
        (sum(LayerSpec::kv_bytes), sum(LayerSpec::state_bytes))
    }

    /// Whether the cache can have that format: no row of K or V ends within a block of it.
    pub fn caches_in(&self, format: Format) -> bool {
        let whole = |elements: u64| elements.is_multiple_of(format.block_elements());
        self.layers.iter().all(|layer| {
            let Cache { keys, values, index, state: _ } = layer.cache;
            whole(keys) && whole(values) && whole(index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_problem::deployment::Part;

    fn block(cache: Cache, window: Option<u64>) -> LayerSpec {
        LayerSpec { cache, window, ..LayerSpec::without_attention(Part::Block(0), Vec::new()) }
    }

    #[test]
    fn windows_get_a_physical_batch_and_whole_cells() {
        let allocation = |context, ubatch| Allocation { context, ubatch, ..Allocation::default() };
        assert_eq!(allocation(4097, 512).cells(None), 4352);
        // 1024 + 512 are whole cells; 128 + 512 are not.
        assert_eq!(allocation(4096, 512).cells(Some(1024)), 1536);
        assert_eq!(allocation(4096, 512).cells(Some(128)), 768);
        assert_eq!(allocation(4096, 2048).cells(Some(4096)), 4096);
        assert_eq!(allocation(300, 512).cells(Some(128)), 512);
        assert_eq!(allocation(u64::MAX, 512).cells(Some(u64::MAX)), u64::MAX);
    }

    #[test]
    fn keys_and_values_have_formats_of_their_own_and_states_none() {
        let cache = Cache { keys: 1024, values: 512, index: 0, state: 10 };
        let allocation = Allocation {
            context: 1000,
            sequences: 2,
            keys: Format::Q8_0,
            values: Format::Q4_0,
            ..Allocation::default()
        };
        let layer = block(cache, None);
        assert_eq!(layer.kv_bytes(&allocation), Bytes(2 * 1024 * (32 * 34 + 16 * 18)));
        assert_eq!(layer.state_bytes(&allocation), Bytes(2 * 10 * 4));
        let longer = Allocation { context: 1 << 20, ..allocation };
        assert_eq!(layer.state_bytes(&longer), layer.state_bytes(&allocation));
    }
}

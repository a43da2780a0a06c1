//! The seam through which others look into a pass: times, hidden states, inputs of matrices.

use std::time::{Duration, Instant};

use candle_core::Tensor;

/// Told what happens in a pass. A prompt goes through every layer in pieces of
/// [`CHUNK`](crate::CHUNK) positions, so each layer is entered once for each piece. Layers count as
/// in a plan: 0 is the embedding, then the blocks, then the head.
pub trait Observer {
    /// A layer begins with this input: token ids, or hidden states `[positions, hidden]`.
    fn enters(&mut self, _layer: usize, _input: &Tensor) {}

    /// The input `[positions, row_len]` of the tensor of that name in the file.
    fn multiplies(&mut self, _tensor: &str, _input: &Tensor) {}

    /// What was routed to an expert, `[tokens, row_len]`: the input of its part of the tensor of
    /// that name.
    fn routes(&mut self, _tensor: &str, _expert: Expert, _input: &Tensor) {}

    /// A layer ends with this output: hidden states, or logits `[positions, vocab]`.
    fn leaves(&mut self, _layer: usize, _output: &Tensor) {}
}

/// One of the experts of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expert {
    /// Which, from 0 on.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

/// Looks away.
impl Observer for () {}

/// Sums up the time of each layer.
#[derive(Debug, Clone, Default)]
pub struct Stopwatch {
    /// By layer.
    pub times: Vec<Duration>,
    begin: Option<Instant>,
}

impl Stopwatch {
    /// Waits for the device, and reads the clock.
    fn now(tensor: &Tensor) -> Instant {
        // A device that fails here fails in the next operation, too.
        let _ = tensor.device().synchronize();
        Instant::now()
    }
}

impl Observer for Stopwatch {
    fn enters(&mut self, _layer: usize, input: &Tensor) {
        self.begin = Some(Self::now(input));
    }

    fn leaves(&mut self, layer: usize, output: &Tensor) {
        let end = Self::now(output);
        let Some(begin) = self.begin.take() else { return };
        if self.times.len() <= layer {
            self.times.resize(layer + 1, Duration::ZERO);
        }
        self.times[layer] += end - begin;
    }
}

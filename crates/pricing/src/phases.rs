//! The two phases of a request: what is priced of them, and what was measured.

use edgeplan_measure::sample::Sample;
use edgeplan_problem::{Bytes, Nanos};

/// A value for prefill and one for decode: a time, a sample, a pair of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTimes<T> {
    /// Of prefill: the whole prompt.
    pub prompt: T,
    /// Of decode: one generated token; none where none is generated.
    pub token: Option<T>,
}

impl<T> PhaseTimes<T> {
    /// Both phases of two times, put together.
    pub fn with<U, V>(self, other: PhaseTimes<U>, both: impl Fn(T, U) -> V) -> PhaseTimes<V> {
        PhaseTimes {
            prompt: both(self.prompt, other.prompt),
            token: self.token.zip(other.token).map(|(one, other)| both(one, other)),
        }
    }
}

/// What a model is run on, to be timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs {
    /// Tokens of the prompt, 1 or more.
    pub prompt: usize,
    /// Tokens generated one by one after it.
    pub generate: usize,
    /// How often, 1 or more; not counting a warm-up.
    pub repeats: usize,
}

impl Runs {
    /// Passes in all.
    pub fn passes(&self) -> usize {
        self.repeats * (1 + self.generate)
    }
}

/// Times of a model that ran: medians over the prompts, and over the tokens after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredPasses {
    /// By layer as a plan counts them: embedding, blocks, head.
    pub layers: Vec<PhaseTimes<Nanos>>,
    /// Of whole passes.
    pub passes: PhaseTimes<Sample>,
    /// Summed over layers, what one run of the layer in ten stays below: a pass while nothing else
    /// works, even if that never lasts for a whole pass.
    pub quick: PhaseTimes<Nanos>,
    /// What this process grew by when the model was loaded and had run; none where the system does
    /// not tell.
    pub resident: Option<Bytes>,
}

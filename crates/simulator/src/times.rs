//! How long a pass takes on a device and on a link.

use std::fmt::Debug;

use edgeplan_problem::Nanos;

/// What goes through the line together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pass {
    /// Prompt tokens that it reads, of all requests that join in it.
    pub prompt_tokens: u64,
    /// Requests that join in it.
    pub joining: u32,
    /// Requests that joined earlier and generate a token in it.
    pub decoding: u32,
    /// Tokens in the KV caches of these, before the pass.
    pub context_tokens: u64,
    /// Passes since the batch began; 0 is the first. Spreads the remainder of a division, so that
    /// a whole request takes whole nanoseconds.
    pub number: u64,
}

impl Pass {
    /// Requests in it.
    pub fn sequences(&self) -> u64 {
        u64::from(self.joining) + u64::from(self.decoding)
    }

    /// Rows of every matrix product in it.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens + u64::from(self.decoding)
    }
}

/// A cost model: how long each step of a pass takes without contention.
pub trait ServiceTimes: Debug + Sync {
    /// Time that a stage of a model's line computes.
    fn compute(&self, model: usize, stage: usize, pass: &Pass) -> Nanos;

    /// Time of a message: hop 0 brings tokens from the source, hop `i` follows stage `i - 1`, and
    /// the last one brings the answers back.
    fn transfer(&self, model: usize, hop: usize, pass: &Pass) -> Nanos;
}

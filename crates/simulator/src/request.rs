//! What is asked: when, and how many tokens.

use edgeplan_problem::Nanos;

/// Tokens of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Tokens of the prompt; the first pass reads them together.
    pub prompt: u32,
    /// Tokens that are generated after it; one pass each.
    pub generate: u32,
}

impl Size {
    /// Most tokens of either kind: more is a typing error.
    pub const TOKENS_MAX: u32 = 10_000_000;

    /// Passes through the line: the prompt's and one for each generated token.
    pub fn passes(self) -> u64 {
        u64::from(self.generate) + 1
    }

    /// Tokens in the KV cache at the end.
    pub fn context(self) -> u64 {
        u64::from(self.prompt) + u64::from(self.generate)
    }
}

/// A request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When it comes, since the beginning of the trace.
    pub arrival: Nanos,
    /// Its tokens.
    pub size: Size,
    /// Index into the deployment's models.
    pub model: usize,
    /// How long after its arrival it must have ended; late ones are served and counted as missed.
    pub deadline: Option<Nanos>,
}

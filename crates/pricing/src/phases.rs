//! The two phases of a request.

/// Something of prefill and of decode: a time, a sample, a pair of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTimes<T> {
    /// Of prefill: the whole prompt.
    pub prompt: T,
    /// Of decode: one generated token; none where none is generated.
    pub token: Option<T>,
}

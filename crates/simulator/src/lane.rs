//! A batch that goes round the line of a model.

use crate::request::Size;
use crate::times::Pass;

/// A batch that goes round.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) model: usize,
    pub(crate) members: Vec<Member>,
    /// Next step of the line.
    pub(crate) step: usize,
    pub(crate) pass: Pass,
    /// Passes so far, and how many there will be when the first member ends.
    pub(crate) passes: u64,
    pub(crate) next_end: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) request: u32,
    /// The lane's passes when it ends.
    pub(crate) end: u64,
}

impl Lane {
    /// An idle lane.
    pub(crate) fn new(model: usize) -> Self {
        Self { model, ..Self::default() }
    }

    /// A request takes part from the next pass on.
    pub(crate) fn join(&mut self, request: u32, size: Size) {
        let end = self.passes + size.passes();
        self.next_end = if self.members.is_empty() { end } else { self.next_end.min(end) };
        self.members.push(Member { request, end });
        self.pass.joining += 1;
        self.pass.prompt_tokens += u64::from(size.prompt);
    }

    /// Makes the next pass that of the members that are left.
    pub(crate) fn prepare(&mut self) {
        let empty = self.members.is_empty();
        self.pass = Pass {
            prompt_tokens: 0,
            joining: 0,
            decoding: self.members.len() as u32,
            context_tokens: self.pass.context_tokens,
            number: if empty { 0 } else { self.pass.number + 1 },
        };
    }
}

//! A plan: a server and a variant for each request, or neither.

use serde::{Deserialize, Serialize};

use super::{ServerId, VariantId};

/// An answer: for each request, who serves it and with what; `None` if nobody does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// By request.
    pub choices: Vec<Option<Choice>>,
}

/// Who serves a request, and with what.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Choice {
    /// The server.
    pub server: ServerId,
    /// The variant of the request's service.
    pub variant: VariantId,
}

impl Plan {
    /// The plan that serves nobody.
    pub fn empty(requests: usize) -> Self {
        Self { choices: vec![None; requests] }
    }
}

//! A plan: a server and a variant for each request, or neither.

use serde::{Deserialize, Serialize};

use super::{ServerId, VariantId};

/// An answer: for each request, the server and variant that serve it; `None` if it is not served.
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
    /// The plan that serves no request.
    pub fn empty(requests: usize) -> Self {
        Self { choices: vec![None; requests] }
    }
}

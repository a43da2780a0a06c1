//! What can go wrong.

use edgeplan_files::InputError;

/// Why a model does not load or run.
#[derive(Debug, thiserror::Error)]
pub enum LlamaError {
    /// The file, with the key or tensor that makes no sense and what is allowed.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A token that the model does not know.
    #[error("token {token}; 0 to {} are allowed", vocab - 1)]
    Token {
        /// It.
        token: u32,
        /// Tokens that the model knows.
        vocab: usize,
    },
    /// A pass over nothing.
    #[error("no tokens; 1 or more are needed")]
    NoTokens,
    /// More positions than there is room for.
    #[error("{positions} positions; up to {room} are allowed")]
    NoRoom {
        /// Asked for.
        positions: usize,
        /// What the session, or the window of the model, has room for.
        room: usize,
    },
    /// Training led to weights that are no numbers.
    #[error("the loss is no number after step {step}; a rate below {rate:?} is needed")]
    Diverged {
        /// Steps done.
        step: usize,
        /// Rate of learning.
        rate: f64,
    },
    /// The engine failed.
    #[error("candle: {}", first_line(.0))]
    Candle(#[from] candle_core::Error),
}

/// Without the backtrace that may follow.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

//! What can go wrong, in one line each.

use edgeplan_files::InputError;
use edgeplan_problem::Contradiction;

/// Why a question was not answered.
///
/// ```
/// let models = vec!["catalog:lama-2-7b".into()];
/// let sources = edgeplan::Sources { models, ..edgeplan::Sources::default() };
/// let error = sources.load().expect_err("the name is misspelt").to_string();
/// assert!(error.contains("llama-2-7b"), "{error}");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or an argument that cannot be used; names the file, the key and what is allowed.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A solver's answer that contradicts itself or another one: nothing is built on it.
    #[error("{solver}: wrong: {why}")]
    Wrong {
        /// The solver.
        solver: String,
        /// What does not hold.
        why: Contradiction,
    },
    /// What an engine cannot do, or what cannot be done with a plan.
    #[error("{0}")]
    Impossible(String),
}

//! A question as the file of an integer program, for solvers that read MPS or LP.

use std::path::Path;

use edgeplan_files::{InputError, stream_atomic};
use edgeplan_ilp::{NONZEROS_MAX, NamedProgram};
use edgeplan_mip::{ModelFormat, write_model};

use crate::Error;
use crate::session::Session;

impl Session {
    /// The integer program of the question, the one that HiGHS and CBC get, with names.
    ///
    /// See [`write_program`] for an example.
    ///
    /// # Errors
    /// When it is larger than any that they get.
    pub fn program(&self) -> Result<NamedProgram, Error> {
        let program = NamedProgram::of(self.deployment(), NONZEROS_MAX);
        program.map_err(|too_large| Error::Impossible(too_large.to_string()))
    }
}

/// Writes a program to a file: whole or not at all.
///
/// ```
/// use edgeplan::{ModelFormat, Sources, write_program};
///
/// let models = vec!["catalog:tinyllama-1.1b".into()];
/// let session = Sources { models, ..Sources::default() }.load()?;
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("question.mps");
/// write_program(&path, &session.program()?, ModelFormat::Mps)?;
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// As [`stream_atomic`].
pub fn write_program(
    path: &Path,
    program: &NamedProgram,
    format: ModelFormat,
) -> Result<(), InputError> {
    let NamedProgram { formulated, names, .. } = program;
    stream_atomic(path, |out| write_model(&formulated.program, names, format, out))
}

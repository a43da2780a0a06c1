//! `edgeplan export --to mps|lp`: the question as a file that other solvers read.

use std::path::Path;

use anyhow::Result;
use edgeplan::{ModelFormat, write_program};
use edgeplan_files::check_writable;

use crate::question::Question;
use crate::reply::Reply;

/// Writes the file, and says how a solution of it is read.
pub(crate) fn write(
    question: &Question,
    format: ModelFormat,
    out: &Path,
    as_json: bool,
) -> Result<Reply> {
    check_writable(out)?;
    let session = question.load()?;
    let program = session.program()?;
    write_program(out, &program, format)?;
    let keys = session.program_keys(&program, format, out);
    Ok(Reply::either(as_json, &keys, &session.program_text(&program, out)))
}

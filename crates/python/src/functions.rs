//! Functions that need no session.

use std::ffi::OsString;
use std::path::PathBuf;

use edgeplan_cli::{Program, answers};
use edgeplan_files::to_json;
use edgeplan_records::folder::Folder;
use edgeplan_records::summary::reconciled;
use edgeplan_scheduling::parse_schedule;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::wait::wait;

/// Assigns the requests of a decision frame; `frame` is one as JSON, in place of a file.
#[pyfunction]
pub(crate) fn schedule(
    py: Python<'_>,
    arguments: Vec<String>,
    frame: Option<&str>,
) -> PyResult<String> {
    wait(py, |stop| {
        let frame = frame.map(|text| parse_schedule("frame", text, false)).transpose()?;
        Ok(to_json(&answers::schedule(frame, &arguments, stop)?))
    })
}

/// Ranks models by what machines make of them.
#[pyfunction]
pub(crate) fn fit(py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
    wait(py, |stop| Ok(to_json(&answers::fit(&arguments, stop)?)))
}

/// The registry of solvers.
#[pyfunction]
pub(crate) fn solvers() -> String {
    to_json(&answers::solvers())
}

/// The trials of record folders, a JSON object each. For a trial in several folders the last one
/// counts; answers that another solver's plan contradicts are `wrong`.
#[pyfunction]
pub(crate) fn load_records(py: Python<'_>, folders: Vec<PathBuf>) -> PyResult<String> {
    wait(py, |_| {
        let records = reconciled(Folder::read_all(&folders)?);
        let rows = records.iter().map(|record| {
            let mut row = json!(record);
            row["work"] = json!(record.work);
            row["parameters"] = json!(record.parameters);
            row["cores"] = json!(record.cores);
            row
        });
        Ok(to_json(&rows.collect::<Vec<Value>>()))
    })
}

/// The points of anytime curves of record folders, a JSON object each.
#[pyfunction]
pub(crate) fn load_curves(py: Python<'_>, folders: Vec<PathBuf>) -> PyResult<String> {
    wait(py, |_| Ok(to_json(&Folder::read_all_curves(&folders)?)))
}

/// The command line: prints, and returns the exit code. `program` is the executable and the first
/// arguments that start this command line again.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>, program: Vec<OsString>) -> u8 {
    let mut words = program.into_iter();
    let executable = words.next().map(PathBuf::from);
    let program = Program { executable, arguments: words.collect() };
    py.detach(|| edgeplan_cli::run(program, &arguments))
}

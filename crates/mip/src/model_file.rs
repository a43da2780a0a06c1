//! Programs as files that other solvers read, written and read by HiGHS.
#![expect(unsafe_code, reason = "the highs crate neither names columns nor reads or writes files")]

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::io::{Error, Write};
use std::path::Path;

use highs::{HighsSolutionStatus, Model};

use crate::highs::{self as engine, refused};
use crate::{EngineError, Program, Request, Status};

/// A format of files of integer programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFormat {
    /// MPS in its free form.
    Mps,
    /// The format that CPLEX calls LP.
    Lp,
}

impl ModelFormat {
    /// Its name, which is also how files in it end.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mps => "mps",
            Self::Lp => "lp",
        }
    }
}

/// What columns and rows of a program are called: as many names as there are of each, all
/// different, without spaces and without characters that a format gives a meaning
/// (`+-*/<>=:^[]\`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// By column.
    pub columns: Vec<String>,
    /// By row.
    pub rows: Vec<String>,
}

/// Writes a program, its constant included. Numbers have the 15 digits that HiGHS writes.
///
/// # Errors
/// What HiGHS refuses, and what cannot be written.
///
/// # Panics
/// When there are not as many names as columns and rows.
pub fn write_model(
    program: &Program,
    names: &Names,
    format: ModelFormat,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let counts = (program.columns.len(), program.rows.len());
    assert_eq!(counts, (names.columns.len(), names.rows.len()), "a name each");
    let mut model = named(program, names).map_err(Error::other)?;
    // HiGHS takes a path and tells the format by its ending.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(format!("program.{}", format.word()));
    let path = c_path(&file).map_err(Error::other)?;
    // SAFETY: the model and the path are valid during the calls.
    let (offset, written) = unsafe {
        let model = model.as_mut_ptr();
        let offset = highs_sys::Highs_changeObjectiveOffset(model, program.constant);
        (offset, highs_sys::Highs_writeModel(model, path.as_ptr()))
    };
    ok(offset, || "the constant".into()).map_err(Error::other)?;
    ok(written, || "to write the program".into()).map_err(Error::other)?;
    std::io::copy(&mut File::open(&file)?, out).map(drop)
}

/// HiGHS's own model with names.
fn named(program: &Program, names: &Names) -> Result<Model, EngineError> {
    let model = engine::state(program, false);
    let rows = program.rows.len();
    if model.num_rows() != rows {
        return Err(refused(format!("{rows} rows, of which some have two bounds or none")));
    }
    let text = |name: &String| CString::new(name.as_str()).map_err(|_| refused(name.clone()));
    for (index, name) in (0..).zip(&names.columns) {
        let text = text(name)?;
        // SAFETY: the model and the name are valid during the call.
        let status = unsafe { highs_sys::Highs_passColName(model.as_ptr(), index, text.as_ptr()) };
        ok(status, || format!("the name {name}"))?;
    }
    for (index, name) in (0..).zip(&names.rows) {
        let text = text(name)?;
        // SAFETY: the model and the name are valid during the call.
        let status = unsafe { highs_sys::Highs_passRowName(model.as_ptr(), index, text.as_ptr()) };
        ok(status, || format!("the name {name}"))?;
    }
    Ok(model)
}

/// What HiGHS says of a program's file.
#[derive(Debug, Clone, PartialEq)]
pub struct SolvedFile {
    /// Why it stopped.
    pub status: Status,
    /// The objective of its solution, the constant included; says nothing where it has none.
    pub objective: f64,
    /// The values of its columns by their names; none without a solution.
    pub values: Vec<(String, f64)>,
}

/// Reads a file of a [`ModelFormat`], told by its ending, and solves it with HiGHS: the check of
/// what was written.
///
/// # Errors
/// A file that HiGHS does not read, or does not solve.
pub fn solve_file(path: &Path, request: &Request) -> Result<SolvedFile, EngineError> {
    let mut model = engine::state(&Program::default(), false);
    engine::configure(&mut model, request).map_err(|option| refused(format!("option {option}")))?;
    let text = c_path(path)?;
    // SAFETY: the model and the path are valid during the call.
    let status = unsafe { highs_sys::Highs_readModel(model.as_mut_ptr(), text.as_ptr()) };
    ok(status, || format!("{} cannot be read", path.display()))?;
    let names: Vec<String> = (0..model.num_cols()).map(|index| column(&model, index)).collect();
    let solved = model.try_solve().map_err(|status| refused(format!("{status:?}")))?;
    let has_values = matches!(solved.primal_solution_status(), HighsSolutionStatus::Feasible);
    let solution = has_values.then(|| solved.get_solution());
    let values = solution.iter().flat_map(|solution| solution.columns().iter().copied());
    Ok(SolvedFile {
        status: engine::translate(solved.status()),
        objective: solved.objective_value(),
        values: names.into_iter().zip(values).collect(),
    })
}

/// Bytes of the longest name that HiGHS hands out (`kHighsMaximumStringLength`), and its end.
const NAME_BYTES: usize = 512 + 1;

/// The name of a column.
fn column(model: &Model, index: usize) -> String {
    let mut name = vec![0 as c_char; NAME_BYTES];
    let index = highs_sys::HighsInt::try_from(index).unwrap_or_default();
    // SAFETY: the model is valid, and the buffer has the length that HiGHS asks for; all of it is 0
    // where HiGHS has no name.
    unsafe {
        highs_sys::Highs_getColName(model.as_ptr(), index, name.as_mut_ptr());
        CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned()
    }
}

fn ok(status: highs_sys::HighsInt, what: impl FnOnce() -> String) -> Result<(), EngineError> {
    if status == highs_sys::STATUS_OK { Ok(()) } else { Err(refused(what())) }
}

fn c_path(path: &Path) -> Result<CString, EngineError> {
    let text = path.to_str().and_then(|text| CString::new(text).ok());
    text.ok_or_else(|| refused(format!("the path {}", path.display())))
}

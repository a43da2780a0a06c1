//! Errors as exceptions of `edgeplan._errors`.

use clap::error::{ContextKind, ContextValue};
use edgeplan_files::InputError;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;

/// What keyword arguments are blamed on.
const ARGUMENTS: &str = "arguments";

/// The exception of an error of the library or the command line.
pub(crate) fn exception(py: Python<'_>, error: &anyhow::Error) -> PyErr {
    if let Some(error) = error.downcast_ref::<InputError>() {
        return input(py, error);
    }
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        return input(py, &refusal(error));
    }
    match error.downcast_ref::<edgeplan::Error>() {
        Some(edgeplan::Error::Input(error)) => input(py, error),
        Some(error @ edgeplan::Error::Wrong { .. }) => raised(py, "Wrong", (error.to_string(),)),
        Some(error @ edgeplan::Error::Impossible(_)) => {
            raised(py, "Impossible", (error.to_string(),))
        }
        None => raised(py, "EdgeplanError", (format!("{error:#}"),)),
    }
}

/// `InputError(file, key, problem)`.
pub(crate) fn input(py: Python<'_>, error: &InputError) -> PyErr {
    let InputError { file, key, problem } = error;
    raised(py, "InputError", (file, key, problem))
}

fn raised<'py>(py: Python<'py>, class: &str, arguments: impl PyCallArgs<'py>) -> PyErr {
    let made = || py.import("edgeplan._errors")?.getattr(class)?.call1(arguments);
    // Where the exception cannot be made, that is the exception.
    made().map_or_else(|error| error, PyErr::from_value)
}

/// What the command line refuses, as an error of the keyword argument that it means.
fn refusal(error: &clap::Error) -> InputError {
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => Some(name.as_str()),
        Some(ContextValue::Strings(names)) => names.first().map(String::as_str),
        _ => None,
    };
    let key = named.map(|name| {
        let word = name.split([' ', '=']).next().unwrap_or_default();
        match word.trim_start_matches("--").trim_matches(['<', '>', '[', ']']) {
            // A word that Python keeps to itself.
            "for" => "engine".to_owned(),
            word => word.replace('-', "_").to_lowercase(),
        }
    });
    let text = error.to_string();
    let text = text.split("\n\n").next().unwrap_or_default();
    let problem = text.strip_prefix("error: ").unwrap_or(text).trim().to_owned();
    InputError { file: ARGUMENTS.into(), key, problem }
}

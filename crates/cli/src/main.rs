//! The executable `edgeplan`.

use std::ffi::OsString;
use std::process::ExitCode;

use edgeplan_cli::{Program, run};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run(Program::this(), &arguments))
}

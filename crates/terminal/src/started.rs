//! How this program was started, and how it is started again: `bench` runs each trial in a process
//! of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// How this program is started: an executable, and arguments before those of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The executable; none where the system does not say which one runs.
    pub executable: Option<PathBuf>,
    /// Arguments that make it `edgeplan`, such as `-m edgeplan` of Python.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// The executable that runs now.
    pub fn this() -> Self {
        Self { executable: std::env::current_exe().ok(), arguments: Vec::new() }
    }
}

static STARTED: OnceLock<(Program, Vec<OsString>)> = OnceLock::new();

/// Says how this program was started; the first call counts.
pub fn set(program: Program, arguments: &[OsString]) {
    // A second command in one process was started as the first one was.
    let _ = STARTED.set((program, arguments.to_vec()));
}

/// The executable and its first arguments; none where the system does not tell them.
pub fn again() -> Option<Vec<OsString>> {
    let program = STARTED.get().map_or_else(Program::this, |(program, _)| program.clone());
    let executable = program.executable?.into_os_string();
    Some([executable].into_iter().chain(program.arguments).collect())
}

/// The command as it was typed, without the folder of the executable.
pub fn command_line() -> String {
    let words = STARTED.get().map(|(_, words)| words.as_slice()).unwrap_or_default();
    let words: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    format!("edgeplan {}", words.join(" "))
}

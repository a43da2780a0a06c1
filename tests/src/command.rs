//! The command line, run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary of this build: test executables live one folder below it.
///
/// # Panics
/// When this process has no path.
pub fn edgeplan() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let folder = test.ancestors().nth(2).expect("target/release");
    folder.join(format!("edgeplan{}", std::env::consts::EXE_SUFFIX))
}

/// Runs `edgeplan` with these arguments.
///
/// # Panics
/// When there is no executable: `cargo build` comes before `cargo test`.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(edgeplan()).args(arguments).output().expect("edgeplan starts")
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `edgeplan` prints with these arguments and `--json`.
///
/// # Panics
/// When it does not succeed, or prints anything else.
pub fn json(arguments: &[&str]) -> serde_json::Value {
    let output = run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Checks that these arguments are refused in one line that says `expected`.
///
/// # Panics
/// When they are not.
pub fn refused(arguments: &[&str], expected: &str) {
    let output = run(arguments);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
    assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
}

/// Writes a small instance of that seed and returns its path.
///
/// # Panics
/// When it cannot be generated.
pub fn generate(folder: &Path, name: &str, seed: &str) -> String {
    let path = folder.join(name).display().to_string();
    let sizes = ["--layers", "6", "--devices", "3", "--formats", "3"];
    let output = run(&[&["generate", "--seed", seed, "--out", &path], &sizes[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    path
}

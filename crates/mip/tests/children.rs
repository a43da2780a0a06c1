//! How a CBC process that misbehaves is reported. Alone in its file: a process that forks while
//! another thread writes a script makes the script busy.
#![cfg(unix)]

use std::ops::ControlFlow;

use edgeplan_mip::{Cbc, Engine as _, EngineError, Program, Request};

fn script(text: &str) -> (tempfile::TempDir, Cbc) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cbc.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (folder, Cbc { executable: Some(path) })
}

#[test]
fn a_child_that_misbehaves_is_an_error_not_a_crash() {
    let mut program = Program::default();
    program.binary();
    let cases = [
        ("echo 'Assertion failed' >&2; kill -ABRT $$", "died (signal: 6"),
        ("echo hello", "without a readable answer"),
        ("exit 3", "exit status: 3"),
        ("printf '{\"status\":\"Opt'", "without a readable answer"),
    ];
    for (text, expected) in cases {
        let (_folder, cbc) = script(text);
        let error = cbc
            .solve(&program, &Request::default(), &mut |_| ControlFlow::Continue(()))
            .unwrap_err();
        assert!(matches!(error, EngineError::Crashed { .. }));
        assert!(error.to_string().contains(expected), "{error}");
    }
}

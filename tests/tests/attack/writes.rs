//! Outputs that lead elsewhere, of every command that writes one.

#![cfg(unix)]

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use edgeplan_tests::{edgeplan, generate, run, text};

const TEACHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/teacher.gguf");

/// Commands that write one file, up to its name.
fn writers(instance: &str) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let sizes = "--layers 6 --devices 3 --formats 3 --out";
    [
        format!("plan {instance} --out"),
        format!("plan {instance} --svg"),
        format!("plan {instance} --html"),
        format!("plan {instance} --certificate"),
        "schedule --out".into(),
        "schedule --svg".into(),
        "schedule --write".into(),
        format!("generate random {sizes}"),
        format!("simulate {instance} --poisson 5 --requests 20 --svg"),
        format!("quantize --recipe q4_K {TEACHER} --out"),
    ]
    .iter()
    .map(|line| words(line))
    .collect()
}

fn written(writer: &[String], path: &Path) -> Output {
    let output = Command::new(edgeplan()).args(writer).arg(path).output().unwrap();
    assert_ne!(output.status.code(), Some(101), "{writer:?}: {}", text(&output.stderr));
    output
}

#[test]
fn files_keep_their_modes_and_links_their_targets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let instance = generate(folder.path(), "i.json", "1");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for writer in writers(&instance) {
        let (target, link) = (at("target"), at("link"));
        std::fs::write(&target, "old").unwrap();
        std::fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
        symlink("target", &link).unwrap();
        let output = written(&writer, &link);
        assert!(output.status.success(), "{writer:?}: {}", text(&output.stderr));
        assert!(link.is_symlink() && mode(&target) == 0o600, "{writer:?}");
        assert_ne!(std::fs::read(&target).unwrap(), b"old", "{writer:?}");
        std::fs::write(&target, "kept").unwrap();
        std::fs::set_permissions(&target, Permissions::from_mode(0o444)).unwrap();
        let output = written(&writer, &link);
        assert_eq!(output.status.code(), Some(2), "{writer:?}");
        let shown = text(&output.stderr);
        assert!(shown.contains("is read-only; allow writing"), "{writer:?}: {shown}");
        assert_eq!(std::fs::read(&target).unwrap(), b"kept", "{writer:?}");
        std::fs::remove_file(&target).unwrap();
        std::fs::remove_file(&link).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{writer:?}: {left:?}");
    }
}

#[test]
fn devices_and_pipes_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "i.json", "1");
    for writer in writers(&instance) {
        // A model is read again after it was written; no device can be.
        let is_model = writer[0] == "quantize";
        let output = written(&writer, Path::new("/dev/null"));
        assert!(is_model || output.status.success(), "{writer:?}: {}", text(&output.stderr));
        let null = std::fs::metadata("/dev/null").unwrap();
        assert!(null.file_type().is_char_device(), "{writer:?}");
        let output = written(&writer, Path::new("/dev/full"));
        assert_eq!(output.status.code(), Some(2), "{writer:?}");
        let shown = text(&output.stderr);
        assert!(
            shown.contains("/dev/full: ") && shown.contains("No space left"),
            "{writer:?}: {shown}"
        );
        if is_model {
            continue;
        }
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        let output = written(&writer, &pipe);
        assert!(output.status.success(), "{writer:?}: {}", text(&output.stderr));
        assert!(!reader.join().unwrap().is_empty(), "{writer:?}");
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo(), "{writer:?}");
        std::fs::remove_file(&pipe).unwrap();
    }
}

#[test]
fn folders_of_an_export_are_whole_and_leave_nothing_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("empty")).unwrap();
    symlink("empty", at("link")).unwrap();
    let out = at("link").display().to_string();
    let made = run(&["export", "--to", "llama.cpp", "--out", &out]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(at("link").is_symlink() && at("empty/README.md").is_file());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn two_at_once_are_told_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("record").display().to_string();
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/suites/smoke.toml");
    let arguments = ["bench", suite, "--solver", "fastest-first,chain-exact", "--out", &out];
    let start = || Command::new(edgeplan()).args(arguments).output().unwrap();
    let outputs = std::thread::scope(|scope| {
        [scope.spawn(start), scope.spawn(start)].map(|thread| thread.join().unwrap())
    });
    assert!(outputs.iter().any(|output| output.status.success()));
    for refused in outputs.iter().filter(|output| !output.status.success()) {
        let shown = text(&refused.stderr);
        assert!(shown.contains("record: locked by process "), "{shown}");
    }
    let rows = std::fs::read_to_string(folder.path().join("record/records.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 8, "{rows}");
    assert!(run(&["bench", "--summary", &out]).status.success());
}

//! Inputs that mean harm, outputs that lead elsewhere, and runs that are broken off.

mod found;
mod signals;
mod writes;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use edgeplan_tests::{edgeplan, generate, refused, run, text};

#[test]
fn inputs_without_an_end_are_refused_by_size() {
    for command in ["plan", "explain", "compare"] {
        refused(&[command, "/dev/zero"], "/dev/zero: longer than 256.0 MiB");
    }
    refused(&["inspect", "cluster", "/dev/zero"], "/dev/zero: longer than 256.0 MiB");
}

#[test]
fn errors_do_not_paint_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml").display().to_string();
    std::fs::write(&file, "\"\\u001b[31mx\" = 1\n").unwrap();
    for kind in ["device", "cluster"] {
        let output = run(&["inspect", kind, &file]);
        let shown = text(&output.stderr);
        assert!(shown.contains("\\u{1b}[31mx: unknown field"), "{shown}");
        assert!(!output.stderr.contains(&0x1b), "{shown}");
    }
}

#[test]
fn rates_that_are_no_numbers_are_refused() {
    for rate in ["nan", "inf", "0", "-1", "2", "1e300"] {
        let rate = format!("--rate={rate}");
        let files = ["--text", "none", "--held-out", "none", "--out", "none"];
        refused(&[&["generate", "teacher", &rate][..], &files].concat(), "above 0, up to 1, is");
        refused(&["distill", "a", "b", &rate, "--text", "none", "--out", "none"], "above 0, up to");
    }
}

#[test]
fn without_time_nothing_is_said_to_be_impossible() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "i.json", "1");
    let output = run(&["explain", &instance, "--time", "0"]);
    let shown = text(&output.stdout);
    for falsehood in ["exclude each other", "instead of", "(+0"] {
        assert!(!shown.contains(falsehood), "{shown}");
    }
    let whole = run(&["explain", &instance, "--time", "20"]);
    assert!(whole.status.success() && !text(&whole.stdout).contains("not asked"));
}

/// Changes of a hundred devices are 5,000 instances, one after another.
#[test]
fn all_of_an_explanation_is_within_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("i.json").display().to_string();
    let sizes = ["--layers", "20", "--devices", "40", "--formats", "2"];
    let made = run(&[&["generate", "random", "--out", &file][..], &sizes].concat());
    assert!(made.status.success(), "{}", text(&made.stderr));
    let begin = Instant::now();
    let output = run(&["explain", &file, "--time", "4"]);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", text(&output.stderr));
}

#[test]
#[cfg(target_os = "linux")]
fn a_model_that_is_broken_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.gguf");
    for milliseconds in [100, 400, 900] {
        let mut child = Command::new(edgeplan())
            .args(["generate", "gguf", "--like", "catalog:tinyllama-1.1b", "--out"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        // A machine that is fast enough may have written all of it.
        assert!(ended.success() || left.is_empty(), "{left:?}");
        let _ = std::fs::remove_file(&file);
    }
}

//! What a model takes at most while it is measured, taught, and written: twice itself in f32 and
//! 500 MB; and a file is streamed, not loaded.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use edgeplan_tests::{edgeplan, run, text};

const TEACHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/teacher.gguf");
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/romans.txt");
const MB: u64 = 1_000_000;

/// The most memory that `edgeplan` had with these arguments, in bytes: its `VmHWM`, read until it
/// ends.
fn peak(arguments: &[&str]) -> u64 {
    let mut child = Command::new(edgeplan())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        // Before it is known whether the process ended, whose memory is gone then.
        let lines = std::fs::read_to_string(&status).unwrap_or_default();
        let line = lines.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kib.map(|kib| 1024 * kib));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{arguments:?}");
            return peak.unwrap_or_else(|| panic!("{status}: no VmHWM was seen of {arguments:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "peaks of memory are read in Linux's /proc")]
fn twice_the_model_and_500_mb_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    // 2.5 million parameters.
    let most = 2 * 10 * MB + 500 * MB;
    let (sensed, out) = (path(folder.path(), "sense.jsonl"), path(folder.path(), "out.gguf"));
    let sense =
        ["sensitivity", TEACHER, "--tokens", "1024", "--formats", "q4_0,q2_K", "--out", &sensed];
    let distill = ["distill", "--recipe", "q2_K", TEACHER, "--tokens", "1024", "--steps", "2"];
    let taught = ["--out", &out];
    let runs = [
        [&sense[..], &["--text", TEXT, "--mixes", "2"]].concat(),
        [&distill[..], &taught, &["--text", TEXT]].concat(),
        [&distill[..], &taught, &["--text", TEXT, "--matrices"]].concat(),
        [&["quantize", "--recipe", "q2_K", TEACHER], &taught[..]].concat(),
    ];
    for run in runs {
        let peak = peak(&run);
        assert!((MB..=most).contains(&peak), "{run:?}: {} MB", peak / MB);
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "peaks of memory are read in Linux's /proc")]
fn a_file_is_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (path(folder.path(), "model.gguf"), path(folder.path(), "out.gguf"));
    let shape = ["generate", "gguf", "--like", "catalog:smollm2-135m", "--recipe", "f16"];
    let made = run(&[&shape[..], &["--out", &model]].concat());
    assert!(made.status.success(), "{}", text(&made.stderr));
    let size = std::fs::metadata(&model).unwrap().len();
    assert!(size > 260 * MB, "{size}");
    for recipe in ["q8_0", "f32"] {
        let asked = ["quantize", "--recipe", recipe, &model, "--out", &out];
        let peak = peak(&asked);
        assert!((MB..size / 2).contains(&peak), "{recipe}: {} of {} MB", peak / MB, size / MB);
    }
}

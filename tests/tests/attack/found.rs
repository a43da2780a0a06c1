//! Inputs that once did harm, each with the right answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use edgeplan_tests::{edgeplan, refused, run, text};

use crate::writer::{Llama, TINY};

fn found(name: &str) -> String {
    format!("{}/data/found/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A copy of a llama-bench output beside the model that it names.
fn bench(folder: &Path, name: &str) -> String {
    let model = Llama { stored: "q4_K", ..TINY }.file().bytes();
    std::fs::write(folder.join("tiny.gguf"), model).unwrap();
    let copy = folder.join(name);
    std::fs::copy(found(&format!("import/{name}")), &copy).unwrap();
    copy.display().to_string()
}

#[test]
fn an_imported_device_can_be_read_or_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lb1.json", "lb4.json"] {
        let input = bench(folder.path(), name);
        let out = folder.path().join("d.toml").display().to_string();
        let rest = ["--memory", "8 GiB", "--out", &out];
        let output = run(&[&["import", "llama-bench", &input], &rest[..]].concat());
        match output.status.success() {
            true => {
                let read = run(&["inspect", "device", &out]);
                assert!(read.status.success(), "{name}: {}", text(&read.stderr));
            }
            false => {
                let shown = text(&output.stderr);
                assert_eq!(output.status.code(), Some(2), "{name}: {shown}");
                assert!(shown.contains(name), "{shown}");
                assert!(!PathBuf::from(&out).exists(), "{name}");
            }
        }
    }
}

#[test]
fn names_of_keys_are_escaped() {
    let file = found("import/escape-in-key.toml");
    for kind in ["device", "cluster"] {
        let output = run(&["inspect", kind, &file]);
        assert!(!output.status.success() && !output.stderr.contains(&0x1b));
        assert!(text(&output.stderr).contains("\\u{1b}[31mx"), "{}", text(&output.stderr));
    }
}

#[test]
fn requests_are_counted_over_all_entries() {
    let file = found("schedule/sixty.toml");
    refused(&["schedule", &file], "1000000 after 1000000 others; up to 1000000 in all entries");
}

/// A matrix of a thousand nodes took minutes and gigabytes.
#[test]
#[cfg(target_os = "linux")]
fn a_matrix_of_a_thousand_nodes_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rtt.txt");
    let row = |from: u64| {
        let time = |to: u64| if from == to { 0 } else { 1 + (from * 7919 + to * 104_729) % 97 };
        (0..1000).map(|to| time(to).to_string()).collect::<Vec<_>>().join(" ")
    };
    let rows: Vec<String> = (0..1000).map(row).collect();
    std::fs::write(&file, rows.join("\n")).unwrap();
    let limited = format!(
        "ulimit -v 4000000; exec {} import rtt {} --devices catalog:l4-24",
        edgeplan().display(),
        file.display()
    );
    let output = Command::new("sh").args(["-c", &limited]).output().unwrap();
    let shown = text(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code <= 2), "{:?} {shown}", output.status);
    assert!(!shown.contains("panicked"), "{shown}");
}

/// Whatever a record says, a page shows it as text.
#[test]
fn pages_escape_what_records_say() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let suite = format!("{}/../bench-data/suites/smoke.toml", env!("CARGO_MANIFEST_DIR"));
    let out = path("record/r").display().to_string();
    let made = run(&["bench", &suite, "--solver", "fastest-first", "--out", &out]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let records = std::fs::read_to_string(path("record/r/records.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(records.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    const HARM: &str = "<script>alert(1)</script>|`\u{1b}[31m";
    for row in reader.records() {
        let row = row.unwrap();
        let cells = header.iter().zip(&row).map(|(column, cell)| match column {
            "revision" | "machine" | "suite" | "instance" => format!("{cell}{HARM}"),
            _ => cell.to_owned(),
        });
        writer.write_record(cells.collect::<Vec<_>>()).unwrap();
    }
    std::fs::write(path("record/r/records.csv"), writer.into_inner().unwrap()).unwrap();
    let views = ["summary", "profile plot=p"]
        .map(|view| format!("<!-- BEGIN: {view} record/r -->\n<!-- END -->\n\n"));
    std::fs::write(path("README.md"), format!("# Page\n\n{}", views.concat())).unwrap();
    let folder = place.path().display().to_string();
    let output = run(&["report", &folder]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for page in ["index.html", "README.md", "plots/p.svg"] {
        let shown = std::fs::read_to_string(path(page)).unwrap();
        // Markdown may hold it as code.
        assert!(page == "README.md" || !shown.contains("<script>alert"), "{page}");
        assert!(!shown.contains('\u{1b}'), "{page}");
    }
    let summary = run(&["bench", "--summary", &out]);
    assert!(!summary.stdout.contains(&0x1b), "{}", text(&summary.stdout));
}

//! Style is a test: dependencies of crates, sizes of files, READMEs, words, callers of solvers.

mod declared; // solvers and records, and the file that declares both
mod judge; // the one caller of solvers
mod parameters; // each by its name
mod rooms; // which crate may know which
mod sources; // sizes, examples, READMEs, links, words
mod touched; // what pages say of files and functions

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

/// Every file of the workspace but hidden and built ones, by its path from the root.
fn files() -> Vec<PathBuf> {
    let wanted = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || entry.depth() == 1 && name == "target")
    };
    let entries = WalkDir::new(root()).into_iter().filter_entry(wanted).map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(root()).unwrap().to_path_buf()).collect()
}

/// The files with one of these endings, and their text.
fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let ending = |file: &Path| file.extension().is_some_and(|e| endings.iter().any(|n| e == *n));
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        (file.display().to_string(), text)
    };
    files().into_iter().filter(|file| ending(file)).map(read).collect()
}

/// What a member's manifest asks for.
struct Member {
    /// To build it.
    normal: BTreeSet<String>,
    /// To build or test it.
    all: BTreeSet<String>,
}

/// The members by manifest; their own crates are called `edgeplan-FOLDER`.
fn members() -> BTreeMap<String, Member> {
    let mut members = BTreeMap::new();
    for (file, text) in texts(&["toml"]) {
        if !file.ends_with("/Cargo.toml") {
            continue;
        }
        let manifest: toml::Table = text.parse().unwrap();
        let mut tables = vec![&manifest];
        if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
            tables.extend(targets.values().filter_map(toml::Value::as_table));
        }
        let names = |kinds: &[&str]| -> BTreeSet<String> {
            let found = tables.iter().flat_map(|t| kinds.iter().filter_map(|kind| t.get(*kind)));
            found.filter_map(toml::Value::as_table).flat_map(|t| t.keys().cloned()).collect()
        };
        let normal = names(&["dependencies", "build-dependencies"]);
        let all = names(&["dependencies", "build-dependencies", "dev-dependencies"]);
        members.insert(file, Member { normal, all });
    }
    members
}

fn manifest(folder: &str) -> String {
    format!("crates/{folder}/Cargo.toml")
}

/// Fails with one line per complaint.
fn settle(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

//! What is installed: a binary by itself, pages of the manual, and the lists of packages that
//! several files name.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use edgeplan_tests::{edgeplan, run, text};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace")
}

/// Runs a copy of the binary in a folder with nothing else in it, and no path.
fn alone(folder: &Path, arguments: &[&str]) -> Output {
    let copy = folder.join("bin/edgeplan");
    if !copy.exists() {
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::copy(edgeplan(), &copy).unwrap();
    }
    let mut command = Command::new(copy);
    command.args(arguments).current_dir(folder).env("PATH", "").env_remove("EDGEPLAN_CBC");
    command.output().unwrap()
}

#[test]
fn a_binary_by_itself_has_all_data_and_says_what_cbc_needs() {
    let folder = tempfile::tempdir().unwrap();
    let ran = |arguments: &[&str]| {
        let output = alone(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        output
    };
    ran(&["plan"]);
    ran(&["service", "--help"]);
    ran(&["schedule"]);
    ran(&["inspect", "device", "catalog:apple-m1"]);
    ran(&["generate", "random", "--layers", "4", "--devices", "2", "--out", "tiny.json"]);
    let suite = "analysis = 'A test.'\nsolvers = ['chain-search', 'cbc']\n[[family]]\n\
                 name = 'files'\nproblem = 'deployment'\npaths = ['tiny.json']\n";
    fs::write(folder.path().join("suite.toml"), suite).unwrap();
    ran(&["bench", "suite.toml", "--out", "record", "--time", "5"]);
    let records = fs::read_to_string(folder.path().join("record/records.csv")).unwrap();
    assert!(records.contains(",chain-search,0,optimal,"), "{records}");

    let output = alone(folder.path(), &["plan", "tiny.json", "--solver", "cbc", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = found["reason"].as_str().unwrap();
    for words in ["CBC is not installed", "coinor-libcbc-dev", "cargo install --path crates/cbc"] {
        assert!(reason.contains(words), "{found}");
    }
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man").display().to_string();
    let output = run(&["man", "--out", &out]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let help = text(&run(&["--help"]).stdout);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(names.len() > 25 && !names.contains(&"trial"), "{names:?}");
    for name in &names {
        let page = fs::read_to_string(Path::new(&out).join(format!("edgeplan-{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH edgeplan-{name} 1")), "{name}: {page}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), names.len() + 1);
    let page = text(&run(&["man"]).stdout);
    assert_eq!(page, fs::read_to_string(Path::new(&out).join("edgeplan.1")).unwrap());
    assert!(page.contains(".SH SUBCOMMANDS"), "{page}");
}

#[test]
fn every_list_of_packages_is_that_of_x() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let script = read("x");
    let packages = ["cmake", "g++", "make", "pkg-config", "libclang1", "coinor-libcbc-dev"];
    for name in ["x", "Dockerfile", ".github/workflows/release.yml"] {
        let text = read(name);
        let words: Vec<&str> =
            text.split(|c: char| c.is_whitespace() || "\"'()$;".contains(c)).collect();
        for package in packages {
            assert!(words.contains(&package), "{name}: {package} is missing");
        }
    }
    // And nothing that it would install is missing here.
    let missing = script.split("missing=\"$missing ").skip(1);
    for list in missing.filter_map(|rest| rest.split('"').next()) {
        assert!(list.split(' ').all(|package| packages.contains(&package)), "{list}");
    }
}

#[test]
fn every_container_and_workflow_has_the_rust_of_the_workspace() {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let toolchain: toml::Table = toolchain.parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let minor = channel.rsplit_once('.').unwrap().0;
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{minor}-")), "{channel}");
}

//! Licences and sources of all dependencies, held against `deny.toml` without network.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace")
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A list of texts of `deny.toml`.
fn listed(table: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let list = deny[table][key].as_array().unwrap().iter();
    list.map(|entry| entry.as_str().unwrap().to_owned()).collect()
}

/// Whether one licence of every alternative is allowed. A slash is an old way to write `OR`.
fn allows(allowed: &[String], expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| {
        part.split(" OR ").any(|licence| allowed.iter().any(|known| known == licence.trim()))
    })
}

#[test]
fn licences_and_sources_are_those_that_are_allowed() {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--filter-platform",
        host,
    ]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let used: Vec<&str> = (metadata["resolve"]["nodes"].as_array().unwrap().iter())
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let (licences, registries) = (listed("licenses", "allow"), listed("sources", "allow-registry"));
    let mut seen = 0;
    let mut strange = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let id = package["id"].as_str().unwrap();
        // Members have none.
        let Some(source) = package["source"].as_str().filter(|_| used.contains(&id)) else {
            continue;
        };
        seen += 1;
        let licence = package["license"].as_str().unwrap_or("none");
        if !allows(&licences, licence) {
            strange.push(format!("{id}: {licence}"));
        }
        if !registries.iter().any(|known| source == format!("registry+{known}")) {
            strange.push(format!("{id}: from {source}"));
        }
    }
    assert!(seen > 200, "{seen} dependencies");
    assert!(strange.is_empty(), "not in deny.toml:\n{}", strange.join("\n"));
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("Apache-2.0/MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", false),
        ("none", false),
    ] {
        assert_eq!(allows(&allowed, expression), expected, "{expression}");
    }
}

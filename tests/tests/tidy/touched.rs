//! What pages say of files and functions: those that a small change touches, and those that a plan
//! passes.

use std::collections::BTreeSet;

use super::{root, settle, texts};

const HEADING: &str = "## What three small changes touch";
/// What follows a change if its author wants it: suites, figures, tests, and rooms of the text.
const NOT_MEANT: [&str; 4] = ["/tests/", "/suites/", "/known/", "/benches/"];

/// The words in backticks of a cell.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn small_changes_touch_what_is_written() {
    let page = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let section = page.split(HEADING).nth(1).expect("the section is there");
    let rows = section.lines().filter(|line| line.starts_with("| a")).collect::<Vec<_>>();
    assert_eq!(rows.len(), 3, "{rows:?}");
    let sources = texts(&["rs", "toml"]).into_iter().filter(|(file, _)| {
        let room = file.starts_with("crates/") || file.starts_with("bench-data/");
        room && !NOT_MEANT.iter().any(|part| file.contains(part))
    });
    let sources: Vec<(String, String)> = sources.collect();
    settle(rows.into_iter().filter_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let example = quoted(cells[2]).pop_first().expect("an example");
        let naming = sources.iter().filter(|(_, text)| text.contains(&example));
        let found: BTreeSet<String> = naming.map(|(file, _)| file.clone()).collect();
        let written = quoted(cells[3]);
        assert!(written.len() <= 3, "{row}");
        (found != written).then(|| format!("{example}: {found:?} instead of {written:?}"))
    }));
}

/// The list of ARCHITECTURE.md, from file to verdict.
#[test]
fn the_functions_that_a_plan_passes_are_there() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("## From file to verdict").nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let numbered = |line: &&str| {
        let first = line.split('|').nth(1).unwrap_or_default().trim();
        first.parse::<usize>().is_ok()
    };
    let rows: Vec<&str> = section.lines().filter(numbered).collect();
    assert!((5..=10).contains(&rows.len()), "{rows:?}");
    let sources = texts(&["rs"]);
    settle(rows.into_iter().filter_map(|row| {
        let cell = row.split('|').nth(2).unwrap_or_default();
        let mut words = cell.split('`').skip(1).step_by(2);
        let path = words.next().expect("a function");
        let room = words.next().or_else(|| path.split("::").next()).expect("a crate");
        let name = path.rsplit("::").next().unwrap_or(path);
        let folder = format!("crates/{room}/src/");
        let is_there = sources.iter().any(|(file, text)| {
            let defined = |end: char| text.contains(&format!("fn {name}{end}"));
            file.starts_with(&folder) && (defined('(') || defined('<'))
        });
        (!is_there).then(|| format!("ARCHITECTURE.md: {folder} has no `fn {name}`"))
    }));
}

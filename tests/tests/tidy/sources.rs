//! Sizes of sources, examples of public items, READMEs, links and words.

use std::collections::BTreeSet;
use std::path::Path;

use super::{files, root, settle, texts};

const LINES_MAX: usize = 450;
const COLUMNS_MAX: usize = 100;
/// Nothing that is not source lives here, so the parent's README speaks for them.
const CODE_FOLDERS: [&str; 4] = ["src", "tests", "benches", "examples"];

#[test]
fn sources_are_short_and_narrow() {
    settle(texts(&["rs"]).into_iter().flat_map(|(file, text)| {
        let lines = text.lines().count();
        let long = (lines > LINES_MAX).then(|| format!("{file}: {lines} lines"));
        let wide = text.lines().enumerate().filter_map(|(index, line)| {
            let columns = line.chars().count();
            (columns > COLUMNS_MAX).then(|| format!("{file}:{}: {columns} columns", index + 1))
        });
        long.into_iter().chain(wide).collect::<Vec<_>>()
    }));
}

/// Arguments, progress and files, and commands as functions for other languages; what else the
/// command line did is a library's.
const LINES_OF_CLI_MAX: usize = 4000;

#[test]
fn the_command_line_is_thin() {
    let sources = texts(&["rs"]).into_iter().filter(|(file, _)| file.starts_with("crates/cli/src"));
    let lines: usize = sources.map(|(_, text)| text.lines().count()).sum();
    assert!((1000..=LINES_OF_CLI_MAX).contains(&lines), "crates/cli/src: {lines} lines");
}

#[test]
fn every_public_item_of_the_library_has_an_example_or_a_link_to_one() {
    let library = |file: &str| file.starts_with("crates/edgeplan/src");
    let mut seen = 0;
    settle(texts(&["rs"]).into_iter().filter(|(file, _)| library(file)).flat_map(
        |(file, text)| {
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let (mut doc, mut bare) = (String::new(), Vec::new());
            for line in text.lines().map(str::trim) {
                let kinds = ["fn ", "struct ", "enum ", "trait ", "type ", "const "];
                let item = line
                    .strip_prefix("pub ")
                    .filter(|rest| kinds.iter().any(|k| rest.starts_with(k)));
                if line.starts_with("///") {
                    doc += line;
                } else if let Some(item) = item {
                    seen += 1;
                    if !["```", "See [", "See the ["].iter().any(|sign| doc.contains(sign)) {
                        bare.push(format!("{file}: {item}"));
                    }
                }
                // Attributes stand between an item and its words.
                if !line.starts_with("///") && !line.starts_with("#[") {
                    doc.clear();
                }
            }
            bare
        },
    ));
    assert!(seen > 100, "the test finds items: {seen}");
}

#[test]
fn every_folder_says_what_it_is_for() {
    let files = files();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let code = |folder: &Path| {
        // The first part is left out: the folder `tests` of the workspace is a member.
        folder.iter().skip(1).any(|part| CODE_FOLDERS.iter().any(|name| part == *name))
    };
    let silent = folders.into_iter().filter(|folder| !code(folder));
    let silent = silent.filter(|folder| !files.contains(&folder.join("README.md")));
    settle(silent.map(|folder| format!("{}: no README.md", folder.display())));
}

#[test]
fn links_of_pages_lead_somewhere() {
    let mut seen = 0;
    let mut lost = Vec::new();
    for (file, text) in texts(&["md"]) {
        let folder = root().join(&file).parent().expect("files are in folders").to_path_buf();
        for (target, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let path = target.split('#').next().unwrap_or(target);
            if path.is_empty() || path.contains("://") {
                continue;
            }
            seen += 1;
            if !folder.join(path).exists() {
                lost.push(format!("{file}: {path} is not there"));
            }
        }
    }
    assert!(seen > 100, "the test finds links: {seen}");
    settle(lost);
}

#[test]
fn nothing_is_left_to_do() {
    // In halves, because this file is read too.
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["to", "do!"], ["unimpl", "emented!"], ["#[ig", "nore"]];
    let words = words.map(|halves| halves.concat());
    settle(texts(&["rs", "toml", "md"]).into_iter().flat_map(|(file, text)| {
        let found = words.iter().filter(|word| text.contains(*word));
        found.map(|word| format!("{file}: {word}")).collect::<Vec<_>>()
    }));
}

/// Subjects that name nothing: a comment says which process, solver, device or user acts.
#[test]
fn subjects_are_nouns() {
    // In halves, because this file is read too.
    let words = [
        ["no", "body"],
        ["some", "body"],
        ["some", "one"],
        ["any", "body"],
        ["any", "one"],
        ["every", "body"],
        ["every", "one"],
        ["who", "ever"],
    ];
    let words = words.map(|halves| halves.concat());
    let own = |file: &str| !file.starts_with("reports/record");
    let texts = texts(&["rs", "toml", "md", "py", "sh", "json"]).into_iter();
    settle(texts.filter(|(file, _)| own(file)).flat_map(|(file, text)| {
        let is_word = |word: &str| words.contains(&word.to_lowercase());
        // A table of a report repeats a record, and records are not edited.
        let made = |line: &str| file.starts_with("reports/") && line.starts_with('|');
        let lines = text.lines().enumerate().filter(|(_, line)| !made(line));
        let named = lines.filter_map(|(index, line)| {
            let mut found = line.split(|c: char| !c.is_alphanumeric());
            let word = found.find(|word| is_word(word))?;
            Some(format!("{file}:{}: {word}: name what acts", index + 1))
        });
        named.collect::<Vec<_>>()
    }));
}

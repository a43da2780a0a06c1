//! Every number of README.md stands in a record: `reports/claims.toml` says in which, and here it
//! is computed again. `BLESS=1` writes into the pages what the records say.

mod made; // figures that one table of cells does not give
mod page; // numbers of a page, and sentences with places for numbers
mod source; // what a record says

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use edgeplan_tests::{edgeplan, text};
use serde::Deserialize;

use page::{Page, Place, agrees, printed};
use source::Source;

const FILE: &str = "reports/claims.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    /// Folders of trials, by the name that claims use; the later one's rows hold.
    trials: BTreeMap<String, Vec<String>>,
    /// What an example of README.md printed, where it takes too long here.
    printed: BTreeMap<String, String>,
    claim: Vec<Claim>,
    given: Vec<Given>,
}

/// A sentence of a page, or a part of one, with `{}` for each number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    #[serde(default = "readme")]
    page: String,
    text: String,
    /// What the numbers are, in their order.
    is: Vec<Source>,
}

/// A part of README.md whose numbers belong to a question, and were not measured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    text: String,
    why: String,
}

fn readme() -> String {
    "README.md".into()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn claims() -> Claims {
    toml::from_str(&read(FILE)).unwrap_or_else(|error| panic!("{FILE}: {error}"))
}

/// Fails with one line per complaint.
fn settle(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What stands somewhere on a page, and what should.
type Corrections = Vec<(Place, String)>;

#[test]
fn every_claim_is_what_its_record_says() {
    let claims = claims();
    let mut complaints = Vec::new();
    let mut pages: BTreeMap<&str, (String, Corrections)> = BTreeMap::new();
    for claim in &claims.claim {
        let (page, right) =
            pages.entry(&claim.page).or_insert_with(|| (read(&claim.page), Vec::new()));
        let said = Page::new(page).find(&claim.text);
        let places = match said {
            Ok(places) if places.len() == claim.is.len() => places,
            Ok(places) => {
                let (there, known) = (places.len(), claim.is.len());
                complaints.push(format!("{}: {there} numbers, {known} sources", claim.text));
                continue;
            }
            Err(error) => {
                complaints.push(format!("{}: {error}: {}", claim.page, claim.text));
                continue;
            }
        };
        for (place, source) in places.into_iter().zip(&claim.is) {
            let value = match source.value(&claims.trials) {
                Ok(value) => value,
                Err(error) => {
                    complaints.push(format!("{}: {error}", claim.text));
                    continue;
                }
            };
            let shown = &page[place.clone()];
            if !agrees(value, shown) {
                let (known, page, text) = (printed(value, shown), &claim.page, &claim.text);
                complaints.push(format!("{page}: {shown} should be {known} ({value}) in `{text}`"));
                right.push((place, known));
            }
        }
    }
    if std::env::var_os("BLESS").is_some() {
        for (name, (page, mut right)) in pages {
            right.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
            let write = |text: String, (place, number): &(Place, String)| {
                [&text[..place.start], number.as_str(), &text[place.end..]].concat()
            };
            std::fs::write(root().join(name), right.iter().fold(page, write)).unwrap();
        }
    }
    settle(&complaints);
}

#[test]
fn every_number_of_the_readme_has_a_source() {
    let claims = claims();
    let readme = read("README.md");
    let page = Page::new(&readme);
    let mut known: Vec<Place> = Vec::new();
    let mut complaints = Vec::new();
    let claimed = claims.claim.iter().filter(|claim| claim.page == "README.md");
    let given = claims.given.iter().inspect(|given| assert!(!given.why.is_empty(), "{given:?}"));
    for text in claimed.map(|claim| &claim.text).chain(given.map(|given| &given.text)) {
        match page.whole(text) {
            Ok(place) => known.push(place),
            Err(error) => complaints.push(format!("README.md: {error}: {text}")),
        }
    }
    let numbers = page.numbers();
    assert!(numbers.len() > 40, "the test finds numbers: {numbers:?}");
    for place in numbers {
        if !known.iter().any(|known| known.start <= place.start && place.end <= known.end) {
            let line = 1 + readme[..place.start].matches('\n').count();
            let number = &readme[place];
            complaints.push(format!("README.md:{line}: {number} has no source in {FILE}"));
        }
    }
    settle(&complaints);
}

/// What follows a `$` in blocks of README.md is what these commands print, but for what it leaves
/// out as `...` and for the seconds that solvers took.
#[test]
fn the_examples_are_what_commands_print() {
    let (claims, readme) = (claims(), read("README.md"));
    let mut seen = 0;
    for block in page::blocks(&readme).filter(|block| block.starts_with("$ ")) {
        let folder = tempfile::tempdir().unwrap();
        // Commands are for the root of the repository, what they write is not.
        let data = folder.path().join("bench-data");
        let shipped = root().join("bench-data").canonicalize().unwrap();
        std::os::unix::fs::symlink(shipped, data).unwrap();
        for example in format!("\n{block}").split("\n$ ").skip(1) {
            let (command, shown) = example.split_once('\n').unwrap_or((example, ""));
            if let Some(file) = command.strip_prefix("cat ") {
                std::fs::write(folder.path().join(file), shown).unwrap();
                continue;
            }
            let shown: Vec<&str> = shown.trim_end().lines().collect();
            assert!(shown.len() > 1, "{command}: {shown:?}");
            match claims.printed.get(command) {
                Some(file) => shortened(&shown, &read(file), file),
                None => {
                    let words = command.strip_prefix("./x ").expect("./x").split(' ');
                    let mut asked = Command::new(edgeplan());
                    let out = asked.args(words).current_dir(folder.path()).output();
                    follows(&shown, &text(&out.expect("edgeplan starts").stdout), command);
                }
            }
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} examples");
}

/// Checks that lines of an output are those shown, in their order and without gaps but at `...`.
fn follows(shown: &[&str], out: &str, command: &str) {
    let timeless = |line: &str| match line.rsplit_once(", ") {
        Some((rest, seconds)) if seconds.ends_with(" s]") => rest.to_owned(),
        _ => line.trim_end().to_owned(),
    };
    let mut lines = out.lines().map(timeless);
    let mut gap = false;
    for line in shown {
        if *line == "..." {
            gap = true;
            continue;
        }
        let expected = timeless(line);
        let found = if gap { lines.find(|l| *l == expected) } else { lines.next() };
        assert_eq!(found.as_ref(), Some(&expected), "`{command}` prints\n{out}");
        gap = false;
    }
}

/// Checks that what is shown of a file are its lines, in their order, without some of the lines and
/// without the last columns.
fn shortened(shown: &[&str], recorded: &str, file: &str) {
    let mut lines = recorded.lines();
    for line in shown.iter().filter(|line| **line != "...") {
        assert!(lines.any(|l| l.starts_with(line.trim_end())), "not in {file} there: {line}");
    }
}

//! Published architectures.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{ModelSpec, Shape};
use edgeplan_files::{InputError, not_in_catalog, parse_toml};

const FILE: &str = "bench-data/models/catalog.toml";
const TEXT: &str = include_str!("../../../bench-data/models/catalog.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    shape: Shape,
    #[cfg_attr(not(test), expect(dead_code, reason = "for people, and for the test"))]
    parameters: u64,
    #[cfg_attr(not(test), expect(dead_code, reason = "for people, and for the test"))]
    source: String,
    /// Other models of that very shape.
    #[serde(default)]
    aliases: Vec<String>,
}

/// Parsed once; a test reads every entry.
static ENTRIES: LazyLock<BTreeMap<String, Entry>> =
    LazyLock::new(|| parse_toml(FILE, TEXT).expect("the catalog of this build is valid"));

/// The names in the catalog, sorted.
pub fn names() -> Vec<String> {
    ENTRIES.keys().cloned().collect()
}

/// Other models of the shapes in the catalog: name, and that of the entry.
pub fn aliases() -> Vec<(String, String)> {
    let of = |(name, entry): (&String, &Entry)| -> Vec<(String, String)> {
        entry.aliases.iter().map(|alias| (alias.clone(), name.clone())).collect()
    };
    ENTRIES.iter().flat_map(of).collect()
}

/// The model of that name or alias, in any case.
pub(super) fn find(name: &str) -> Result<ModelSpec, InputError> {
    shape(name).map(|shape| shape.model(&name.to_ascii_lowercase()))
}

/// The shape of that name or alias.
pub(super) fn shape(name: &str) -> Result<Shape, InputError> {
    known(name).map(|entry| entry.shape.clone()).ok_or_else(|| {
        let near = near(name);
        match near.is_empty() {
            true => not_in_catalog("model", name, ENTRIES.keys().map(String::as_str)),
            false => {
                let near: Vec<String> =
                    near.iter().map(|name| format!("`catalog:{name}`")).collect();
                let problem =
                    format!("no such model in the catalog; did you mean {}?", near.join(" or "));
                InputError::file(format!("catalog:{name}"), problem)
            }
        }
    })
}

fn known(name: &str) -> Option<&'static Entry> {
    let name = name.to_ascii_lowercase();
    let alias = |entry: &&Entry| entry.aliases.contains(&name);
    ENTRIES.get(&name).or_else(|| ENTRIES.values().find(alias))
}

/// Most suggestions.
const NEAR_MOST: usize = 5;

/// Names and aliases that hold all words of `name`, shortest first: `qwen3-30b` names
/// `qwen3-30b-a3b`. Empty where a name says nothing.
pub(super) fn near(name: &str) -> Vec<String> {
    let words: Vec<String> = name
        .to_ascii_lowercase()
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let all = ENTRIES.iter().flat_map(|(name, entry)| std::iter::once(name).chain(&entry.aliases));
    let holds = |known: &&String| words.iter().all(|word| known.contains(word.as_str()));
    let mut found: Vec<String> = match words.is_empty() {
        true => Vec::new(),
        false => all.filter(holds).cloned().collect(),
    };
    found.sort_by_key(|name| (name.len(), name.clone()));
    found.truncate(NEAR_MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_add_up_to_the_published_totals() {
        assert!(ENTRIES.len() >= 43);
        for (name, entry) in &*ENTRIES {
            assert_eq!(entry.shape.model(name).parameters(), entry.parameters, "{name}");
            assert!(!entry.source.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        let error = find("llama-3.1-8").unwrap_err().to_string();
        assert!(error.ends_with("did you mean `catalog:llama-3.1-8b`?"), "{error}");
        let error = find("qwen3-30b").unwrap_err().to_string();
        assert!(error.contains("did you mean `catalog:qwen3-30b-a3b`"), "{error}");
        let error = find("lama-3.1-8b").unwrap_err().to_string();
        assert!(error.ends_with("did you mean `catalog:llama-3.1-8b`?"), "{error}");
    }

    #[test]
    fn an_alias_is_the_shape_under_another_name() {
        let (one, other) = (find("DeepSeek-R1").unwrap(), find("deepseek-v3").unwrap());
        assert_eq!((one.name.as_str(), one.layers), ("deepseek-r1", other.layers));
        let aliases = aliases();
        for (alias, name) in &aliases {
            assert!(!ENTRIES.contains_key(alias), "{alias} of {name}");
            assert_eq!(aliases.iter().filter(|(other, _)| other == alias).count(), 1, "{alias}");
        }
    }
}

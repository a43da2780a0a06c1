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
}

/// Parsed once; a test reads every entry.
static ENTRIES: LazyLock<BTreeMap<String, Entry>> =
    LazyLock::new(|| parse_toml(FILE, TEXT).expect("the catalog of this build is valid"));

/// The names in the catalog, sorted.
pub fn names() -> Vec<String> {
    ENTRIES.keys().cloned().collect()
}

/// The model of that name.
pub(super) fn find(name: &str) -> Result<ModelSpec, InputError> {
    shape(name).map(|shape| shape.model(name))
}

/// The shape of that name.
pub(super) fn shape(name: &str) -> Result<Shape, InputError> {
    let shape = ENTRIES.get(name).map(|entry| entry.shape.clone());
    shape.ok_or_else(|| not_in_catalog("model", name, ENTRIES.keys().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_add_up_to_the_published_totals() {
        assert!(ENTRIES.len() >= 18);
        for (name, entry) in &*ENTRIES {
            assert_eq!(entry.shape.model(name).parameters(), entry.parameters, "{name}");
            assert!(!entry.source.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        let error = find("llama-3.1-8").unwrap_err().to_string();
        assert!(error.ends_with("did you mean `catalog:llama-3.1-8b`?"), "{error}");
    }
}

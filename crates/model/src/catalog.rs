//! Published architectures.

use std::collections::BTreeMap;

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

fn entries() -> Result<BTreeMap<String, Entry>, InputError> {
    parse_toml(FILE, TEXT)
}

/// The names in the catalog, sorted.
pub fn names() -> Vec<String> {
    entries().map(|entries| entries.into_keys().collect()).unwrap_or_default()
}

/// The model of that name.
pub(super) fn find(name: &str) -> Result<ModelSpec, InputError> {
    shape(name).map(|shape| shape.model(name))
}

/// The shape of that name.
pub(super) fn shape(name: &str) -> Result<Shape, InputError> {
    let mut entries = entries()?;
    let entry = entries.remove(name);
    let shape = entry.map(|entry| entry.shape);
    shape.ok_or_else(|| not_in_catalog("model", name, entries.keys().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_add_up_to_the_published_totals() {
        let entries = entries().unwrap();
        assert!(entries.len() >= 18);
        for (name, entry) in entries {
            assert_eq!(entry.shape.model(&name).parameters(), entry.parameters, "{name}");
            assert!(!entry.source.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        let error = find("llama-3.1-8").unwrap_err().to_string();
        assert!(error.ends_with("did you mean `catalog:llama-3.1-8b`?"), "{error}");
    }
}

//! Every key that a table lacks, where a deserializer stops at the first.

use schemars::Schema;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// The message about all keys that the table at `path` lacks; none where fewer than two are found.
/// `first` is the key that the deserializer missed.
pub(crate) fn message(schema: &Schema, text: &str, path: &Path, first: &str) -> Option<String> {
    let document = toml::Value::Table(text.parse().ok()?);
    let (mut table, mut nodes) = (&document, vec![schema.as_value()]);
    for segment in path {
        nodes = nodes.into_iter().flat_map(|node| step(schema, node, segment)).collect();
        table = match segment {
            Segment::Map { key } => table.get(key)?,
            Segment::Seq { index } => table.get(*index)?,
            Segment::Enum { .. } | Segment::Unknown => return None,
        };
    }
    let required = nodes.into_iter().flat_map(|node| variants(schema, node)).find_map(|node| {
        let names: Vec<&str> =
            node.get("required")?.as_array()?.iter().filter_map(Value::as_str).collect();
        names.contains(&first).then_some(names)
    })?;
    let mut missing = required.into_iter().filter(|name| table.get(*name).is_none());
    let mut listed: Vec<String> = missing.by_ref().map(|name| format!("`{name}`")).collect();
    let last = listed.pop()?;
    (!listed.is_empty()).then(|| format!("missing fields {} and {last}", listed.join(", ")))
}

/// What a part of a schema may be: itself, or one of what it refers to.
fn variants<'a>(schema: &'a Schema, node: &'a Value) -> Vec<&'a Value> {
    let mut all = vec![node];
    let mut next = 0;
    while let Some(&node) = all.get(next) {
        next += 1;
        let named = node.get("$ref").and_then(Value::as_str);
        let pointer = named.and_then(|name| name.strip_prefix('#'));
        all.extend(pointer.and_then(|pointer| schema.as_value().pointer(pointer)));
        for key in ["allOf", "anyOf", "oneOf"] {
            all.extend(node.get(key).and_then(Value::as_array).into_iter().flatten());
        }
        // No schema of a file has as many; one that refers to itself has no end.
        if all.len() > 64 {
            break;
        }
    }
    all
}

/// The parts of a schema that describe what lies one step further.
fn step<'a>(schema: &'a Schema, node: &'a Value, segment: &Segment) -> Vec<&'a Value> {
    let next = |node: &'a Value| match segment {
        Segment::Map { key } => {
            let named = node.get("properties").and_then(|all| all.get(key));
            named.or_else(|| node.get("additionalProperties"))
        }
        Segment::Seq { .. } => node.get("items"),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    variants(schema, node).into_iter().filter_map(next).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::Deserialize;

    use crate::parse_table;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only the names of the fields matter")]
    struct Link {
        between: [String; 2],
        bandwidth: String,
        one_way_latency: String,
        #[serde(default)]
        relay: bool,
        name: Option<String>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only the names of the fields matter")]
    struct File {
        source: String,
        #[serde(default)]
        link: Vec<Link>,
        #[serde(default)]
        named: BTreeMap<String, Link>,
    }

    fn error(text: &str) -> String {
        parse_table::<File>("c.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn all_missing_keys_of_a_table_are_named_at_once() {
        let missing = "missing fields `bandwidth` and `one-way-latency`";
        let link = "between = ['a', 'b']\n";
        assert_eq!(
            error(&format!("source = 'a'\n[[link]]\n{link}")),
            format!("c.toml: link[0]: {missing}")
        );
        assert_eq!(
            error(&format!("source = 'a'\n[named.x]\n{link}")),
            format!("c.toml: named.x: {missing}")
        );
        let all = "missing fields `between`, `bandwidth` and `one-way-latency`";
        assert_eq!(error("source = 'a'\n[[link]]\n"), format!("c.toml: link[0]: {all}"));
    }

    #[test]
    fn one_missing_key_is_named_alone() {
        assert_eq!(error(""), "c.toml: missing field `source`");
        let link = "source = 'a'\n[[link]]\nbetween = ['a', 'b']\nbandwidth = '1'\n";
        assert_eq!(error(link), "c.toml: link[0]: missing field `one-way-latency`");
    }
}

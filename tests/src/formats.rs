//! Pages of file formats, made of JSON schemas.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A file format: its name, which commands write and read it, and its schema.
#[derive(Debug)]
pub struct FileFormat {
    /// The name of its files (`workload.toml`).
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its JSON schema.
    pub schema: Value,
}

impl FileFormat {
    /// The name of the schema's file.
    pub fn schema_file(&self) -> String {
        format!("{}.schema.json", self.name)
    }

    /// Its part of the page: a table for every kind of object in it.
    pub fn section(&self) -> String {
        let mut text = format!(
            "## {}\n\n{} Schema: [{file}]({file}).\n\n",
            self.name,
            self.about,
            file = self.schema_file(),
        );
        text += &self.keys(&self.schema);
        let empty = Map::new();
        let parts = self.schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
        for (name, part) in parts {
            let _ = writeln!(text, "### {}: {name}\n", self.name);
            if let Some(about) = part.get("description").and_then(Value::as_str) {
                let _ = writeln!(text, "{}\n", line(about));
            }
            text += &self.keys(part);
        }
        text
    }

    /// The keys of an object as a table, or the values of a choice as a list.
    fn keys(&self, schema: &Value) -> String {
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            return choices.iter().map(|choice| self.choice(choice)).collect::<String>() + "\n";
        }
        let Some(keys) = schema.get("properties").and_then(Value::as_object) else {
            return format!("{}\n\n", self.kind(schema));
        };
        let required: Vec<&str> = (schema.get("required").and_then(Value::as_array))
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut text =
            "| key | value | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
        for (key, value) in keys {
            let default = match value.get("default") {
                Some(default) if !default.is_null() => format!("`{default}`"),
                _ if required.contains(&key.as_str()) => "needed".into(),
                _ => "none".into(),
            };
            let about = value.get("description").and_then(Value::as_str).unwrap_or_default();
            let cells =
                [self.kind(value), default, line(about)].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| `{key}` | {} |", cells.join(" | "));
        }
        text + "\n"
    }

    /// One value of a choice.
    fn choice(&self, choice: &Value) -> String {
        let about = choice.get("description").and_then(Value::as_str).unwrap_or_default();
        let what = match choice.get("properties").and_then(Value::as_object) {
            Some(keys) => {
                let keys = keys.iter().map(|(key, value)| format!("`{key}`: {}", self.kind(value)));
                keys.collect::<Vec<_>>().join(", ")
            }
            None => self.kind(choice),
        };
        format!("- {what}: {}\n", line(about))
    }

    /// What a value may be, in words.
    fn kind(&self, schema: &Value) -> String {
        if let Some(allowed) = schema.get("x-allowed").and_then(Value::as_str) {
            return allowed.to_owned();
        }
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap_or(name);
            let anchor: String = format!("{}: {name}", self.name)
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect();
            return format!("[{name}](#{anchor})");
        }
        if let Some(value) = schema.get("const") {
            return format!("`{}`", value.as_str().map_or(value.to_string(), str::to_owned));
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let words = values.iter().filter_map(Value::as_str).map(|word| format!("`{word}`"));
            return words.collect::<Vec<_>>().join(", ");
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(kinds) = schema.get(key).and_then(Value::as_array) {
                let known = kinds.iter().filter(|kind| kind.get("type") != Some(&"null".into()));
                return known.map(|kind| self.kind(kind)).collect::<Vec<_>>().join(" or ");
            }
        }
        let word = |word: &str| match word {
            "array" => schema
                .get("items")
                .map_or("list".into(), |items| format!("list of {}", self.kind(items))),
            "object" => schema
                .get("additionalProperties")
                .filter(|of| of.is_object())
                .map_or("table".into(), |of| format!("table by name of {}", self.kind(of))),
            "string" => "text".into(),
            other => other.to_owned(),
        };
        match schema.get("type") {
            Some(Value::String(kind)) => word(kind),
            Some(Value::Array(kinds)) => {
                let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                kinds.map(word).collect::<Vec<_>>().join(" or ")
            }
            _ => "anything".into(),
        }
    }
}

/// A description in one line, links of doc comments as code.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("[`", "`").replace("`]", "`")
}

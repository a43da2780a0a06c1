//! The keys of a `config.json`, with errors that name file, key and value.

use serde_json::{Map, Value};

use edgeplan_files::InputError;

/// Numbers above this are no model.
pub(super) const MOST: u64 = 10_000_000;

/// The object that describes the language model: the whole file, or what lies under `text_config`.
pub(super) struct Keys<'a> {
    pub(super) file: &'a str,
    /// What keys are called in errors.
    prefix: &'static str,
    object: &'a Map<String, Value>,
    /// The whole file, where that is another one.
    outer: Option<&'a Map<String, Value>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(file: &'a str, whole: &'a Map<String, Value>) -> Self {
        match whole.get("text_config").and_then(Value::as_object) {
            Some(object) => Self { file, prefix: "text_config.", object, outer: Some(whole) },
            None => Self { file, prefix: "", object: whole, outer: None },
        }
    }

    pub(super) fn error(&self, key: &str, problem: impl Into<String>) -> InputError {
        InputError::key(self.file, format!("{}{key}", self.prefix), problem)
    }

    /// The value under the first of these keys that has one; null is none.
    pub(super) fn value(&self, keys: &[&str]) -> Option<&'a Value> {
        keys.iter().find_map(|key| self.object.get(*key).filter(|value| !value.is_null()))
    }

    /// The same, also beside `text_config`.
    pub(super) fn anywhere(&self, keys: &[&str]) -> Option<&'a Value> {
        let outer = |outer: &'a Map<String, Value>| {
            keys.iter().find_map(|key| outer.get(*key).filter(|value| !value.is_null()))
        };
        self.value(keys).or_else(|| self.outer.and_then(outer))
    }

    /// A whole number under one of these keys.
    ///
    /// # Errors
    /// The value is not a number, or out of range.
    pub(super) fn number(
        &self,
        keys: &[&str],
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, InputError> {
        let Some(value) = self.value(keys) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        let name = keys.iter().find(|key| self.object.contains_key(**key)).unwrap_or(&keys[0]);
        let problem = || self.error(name, format!("{value}; {least} to {most} are allowed"));
        number.map(Some).ok_or_else(problem)
    }

    /// A whole number from 1 that must be there, unless the family has a usual one.
    ///
    /// # Errors
    /// As [`Keys::number`]; it is missing.
    pub(super) fn needed(&self, keys: &[&str], usual: Option<u64>) -> Result<u64, InputError> {
        let found = self.number(keys, 1, MOST)?.or(usual);
        found.ok_or_else(|| self.error(keys[0], "is missing"))
    }

    /// A whole number from 0, or 0.
    ///
    /// # Errors
    /// As [`Keys::number`].
    pub(super) fn or_zero(&self, keys: &[&str]) -> Result<u64, InputError> {
        Ok(self.number(keys, 0, MOST)?.unwrap_or(0))
    }

    /// A truth value.
    pub(super) fn truth(&self, key: &str) -> Option<bool> {
        self.value(&[key]).and_then(Value::as_bool)
    }

    /// The text under a key.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.value(&[key]).and_then(Value::as_str)
    }

    /// The blocks whose `layer_types` has this word; none without such a list.
    ///
    /// # Errors
    /// A list of another length, or with elements that are not strings.
    pub(super) fn blocks_of(
        &self,
        blocks: u64,
        word: &str,
    ) -> Result<Option<Vec<u64>>, InputError> {
        let Some(value) = self.value(&["layer_types"]) else { return Ok(None) };
        let list: Option<Vec<&str>> =
            value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let list = list.filter(|list| list.len() as u64 == blocks).ok_or_else(|| {
            self.error("layer_types", format!("a list of {blocks} words is needed, one per block"))
        })?;
        let named = (0..blocks).zip(list).filter(|(_, found)| *found == word);
        Ok(Some(named.map(|(block, _)| block).collect()))
    }
}

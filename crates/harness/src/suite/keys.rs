//! Values of keys that stand for several instances.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use edgeplan_files::{InputError, within};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A list of at least one value.
#[derive(Debug, Clone)]
pub(super) struct List<T>(Vec<T>);

impl<T> List<T> {
    /// The values, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.iter()
    }
}

/// A number, or a list of them, or nothing where the key is left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Few(Vec<u64>);

impl Few {
    /// The values, in order. Without the key that is one absent value, whose instance is not named
    /// after the key.
    pub(super) fn each(&self) -> impl Iterator<Item = Option<u64>> + Clone {
        let absent = self.0.is_empty().then_some(None);
        absent.into_iter().chain(self.0.iter().copied().map(Some))
    }

    /// Checks that all values are in their range.
    pub(super) fn check(&self, key: &str, range: &RangeInclusive<u64>) -> Result<(), InputError> {
        self.0.iter().try_for_each(|&value| within("", key, value, range))
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": items, "minItems": 1 })
    }
}

impl JsonSchema for Few {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Few".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({ "type": "integer", "minimum": 0 });
        json_schema!({
            "anyOf": [number, { "type": "array", "items": number, "minItems": 1 }],
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Values(PhantomData))
    }
}

struct Values<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of at least one value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        match values.is_empty() {
            true => Err(A::Error::custom("empty; at least one is needed")),
            false => Ok(List(values)),
        }
    }
}

impl<'de> Deserialize<'de> for Few {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Few;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0, or a list of them")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Few, E> {
        Ok(Few(vec![value]))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Few, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(value), &self);
        u64::try_from(value).map(|value| Few(vec![value])).map_err(wrong)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Few, A::Error> {
        Values(PhantomData).visit_seq(list).map(|List(values)| Few(values))
    }
}

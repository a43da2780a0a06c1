//! Values of keys that stand for several instances.

use std::fmt;

use edgeplan_files::InputError;
use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

const EMPTY: &str = "empty; at least one is needed";

/// A list of at least one value.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<T>")]
pub(super) struct List<T>(Vec<T>);

impl<T> TryFrom<Vec<T>> for List<T> {
    type Error = &'static str;

    fn try_from(values: Vec<T>) -> Result<Self, &'static str> {
        if values.is_empty() { Err(EMPTY) } else { Ok(Self(values)) }
    }
}

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
    pub(super) fn check(&self, key: &str, (least, most): (u64, u64)) -> Result<(), InputError> {
        self.0.iter().try_for_each(|&value| within(key, value, (least, most)))
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        if values.is_empty() { Err(A::Error::custom(EMPTY)) } else { Ok(Few(values)) }
    }
}

/// Checks that a value is in its range.
pub(super) fn within(key: &str, value: u64, (least, most): (u64, u64)) -> Result<(), InputError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(InputError::key("", key, format!("{value}; {least} to {most} are allowed"))),
    }
}

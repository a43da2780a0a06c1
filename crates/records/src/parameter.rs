//! What an instance was drawn with.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The value of a parameter of an instance. Numbers sort before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// A count, a percentage and the like.
    Number(u64),
    /// A name: of a family, a model, a placement.
    Word(String),
}

impl Parameter {
    /// The number, to compute with; none for a word.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value as f64),
            Self::Word(_) => None,
        }
    }
}

impl From<u64> for Parameter {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl From<usize> for Parameter {
    fn from(value: usize) -> Self {
        Self::Number(value as u64)
    }
}

impl From<&str> for Parameter {
    /// A text that is a whole number is that number.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Word(text.to_owned()), Self::Number)
    }
}

impl FromStr for Parameter {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_as_numbers_and_before_words() {
        let mut values = ["wide", "100", "20", "narrow"].map(Parameter::from);
        values.sort();
        assert_eq!(values.map(|value| value.to_string()), ["20", "100", "narrow", "wide"]);
        assert_eq!(Parameter::from("-1").number(), None);
        assert_eq!(Parameter::from(7_usize).number(), Some(7.0));
    }
}

//! What a layer is in its model.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A part of a model's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Turns token ids into hidden states.
    Embedding,
    /// Attention and feed-forward; blocks count from 0.
    Block(usize),
    /// Turns hidden states into logits.
    Head,
}

impl Part {
    /// Whether it is a block.
    pub fn is_block(self) -> bool {
        matches!(self, Self::Block(_))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding => f.write_str("embedding"),
            Self::Block(number) => write!(f, "block {number}"),
            Self::Head => f.write_str("head"),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a layer of an instance is. In files and tables a role is a word: `embedding`, `block 3`,
/// `head`, `embedding & head`, or any other one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LayerRole {
    /// One part of a model.
    Part(Part),
    /// Embedding and head in one layer, as some engines keep them.
    BothEnds,
    /// Any other word, as in instances that no model stands behind.
    Other(String),
}

const BOTH_ENDS: &str = "embedding & head";

impl LayerRole {
    /// The part of a model, where the layer is one.
    pub fn part(&self) -> Option<Part> {
        match self {
            Self::Part(part) => Some(*part),
            Self::BothEnds | Self::Other(_) => None,
        }
    }
}

impl From<Part> for LayerRole {
    fn from(part: Part) -> Self {
        Self::Part(part)
    }
}

impl From<&str> for LayerRole {
    fn from(text: &str) -> Self {
        let block = || {
            let digits = text.strip_prefix("block ")?;
            // `block 07` would be written in another way than it was read.
            let number = digits.parse::<usize>().ok().filter(|n| n.to_string() == digits)?;
            Some(Self::Part(Part::Block(number)))
        };
        match text {
            "embedding" => Self::Part(Part::Embedding),
            "head" => Self::Part(Part::Head),
            BOTH_ENDS => Self::BothEnds,
            _ => block().unwrap_or_else(|| Self::Other(text.into())),
        }
    }
}

impl From<String> for LayerRole {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for LayerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => part.fmt(f),
            Self::BothEnds => f.write_str(BOTH_ENDS),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Serialize for LayerRole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for LayerRole {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LayerRole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-allowed": "`embedding`, `block 3`, `head`, or any other name",
        })
    }
}

impl<'de> Deserialize<'de> for LayerRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_it_is_written() {
        let roles = ["embedding", "block 0", "block 17", "head", "embedding & head"];
        for text in roles.into_iter().chain(["block 07", "block", "layer 3", ""]) {
            let role = LayerRole::from(text);
            assert_eq!(role.to_string(), text);
            assert_eq!(matches!(role, LayerRole::Other(_)), !roles.contains(&text), "{text}");
        }
    }
}

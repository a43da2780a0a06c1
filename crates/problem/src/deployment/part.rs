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
    /// A whole block: attention and feed-forward or experts; blocks count from 0.
    Block(usize),
    /// A block's attention or recurrence with its norms, router, shared expert, and KV cache or
    /// state.
    Attention(usize),
    /// A block's dense feed-forward network.
    FeedForward(usize),
    /// A block's routed experts.
    Experts(usize),
    /// Turns hidden states into logits.
    Head,
}

impl Part {
    /// Whether it is a whole block.
    pub fn is_block(self) -> bool {
        matches!(self, Self::Block(_))
    }

    /// Whether it is a part of a block rather than a whole one.
    pub fn is_half(self) -> bool {
        self.block().is_some() && !self.is_block()
    }

    /// The number of the block that it is, or is a part of.
    pub fn block(self) -> Option<usize> {
        match self {
            Self::Block(number)
            | Self::Attention(number)
            | Self::FeedForward(number)
            | Self::Experts(number) => Some(number),
            Self::Embedding | Self::Head => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding => f.write_str("embedding"),
            Self::Block(number) => write!(f, "block {number}"),
            Self::Attention(number) => write!(f, "block {number} attention"),
            Self::FeedForward(number) => write!(f, "block {number} ffn"),
            Self::Experts(number) => write!(f, "block {number} experts"),
            Self::Head => f.write_str("head"),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Layers by name: consecutive blocks as a range, then parts of blocks by kind.
///
/// ```
/// use edgeplan_problem::deployment::{Part, part_names};
/// let experts = [Part::Experts(2), Part::Experts(3)];
/// let parts = [Part::Embedding, Part::Block(0), Part::Block(1), experts[0], experts[1]];
/// assert_eq!(part_names(&parts), "embedding, blocks 0 to 1, blocks 2 to 3 experts");
/// ```
pub fn part_names(parts: &[Part]) -> String {
    let (halves, whole): (Vec<Part>, Vec<Part>) = parts.iter().partition(|part| part.is_half());
    let mut words = Vec::new();
    let mut blocks = Vec::new();
    for part in whole {
        match part {
            Part::Block(block) => blocks.push(block),
            part => {
                words.extend(ranges(&blocks, "block", ""));
                blocks.clear();
                words.push(part.to_string());
            }
        }
    }
    words.extend(ranges(&blocks, "block", ""));
    // The name of a part without its number.
    let kind = |part: Part| part.to_string().rsplit(' ').next().unwrap_or_default().to_owned();
    let mut kinds: Vec<(String, Vec<usize>)> = Vec::new();
    for part in halves {
        let (kind, block) = (kind(part), part.block().unwrap_or_default());
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, blocks)) => blocks.push(block),
            None => kinds.push((kind, vec![block])),
        }
    }
    for (kind, blocks) in kinds {
        words.extend(ranges(&blocks, "block", &format!(" {kind}")));
    }
    words.join(", ")
}

/// Numbers as ranges, with the word before (in the plural of several) and behind.
fn ranges(numbers: &[usize], word: &str, behind: &str) -> Vec<String> {
    let runs = numbers.chunk_by(|one, next| *next == one + 1);
    let text = |run: &[usize]| match run {
        [only] => format!("{word} {only}{behind}"),
        [first, .., last] => format!("{word}s {first} to {last}{behind}"),
        [] => String::new(),
    };
    runs.map(text).collect()
}

/// What a layer of an instance is. In files and tables a role is a word: `embedding`, `block 3`,
/// `block 3 attention`, `block 3 ffn`, `block 3 experts`, `head`, `embedding & head`, or any other
/// one.
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
            let rest = text.strip_prefix("block ")?;
            let (digits, part): (_, fn(usize) -> Part) = match rest.split_once(' ') {
                None => (rest, Part::Block),
                Some((digits, "attention")) => (digits, Part::Attention),
                Some((digits, "ffn")) => (digits, Part::FeedForward),
                Some((digits, "experts")) => (digits, Part::Experts),
                Some(_) => return None,
            };
            // `block 07` would be written in another way than it was read.
            let number = digits.parse::<usize>().ok().filter(|n| n.to_string() == digits)?;
            Some(Self::Part(part(number)))
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
            "x-allowed": "`embedding`, `block 3`, `block 3 attention`, `block 3 ffn`, \
                `block 3 experts`, `head`, or any other name",
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
        let whole = ["embedding", "block 0", "block 17", "head", "embedding & head"];
        let parts = ["block 0 attention", "block 12 ffn", "block 5 experts"];
        let roles: Vec<&str> = whole.into_iter().chain(parts).collect();
        let others = ["block 07", "block", "block 3 ", "block 3 router", "layer 3", ""];
        for text in roles.iter().copied().chain(others) {
            let role = LayerRole::from(text);
            assert_eq!(role.to_string(), text);
            assert_eq!(matches!(role, LayerRole::Other(_)), !roles.contains(&text), "{text}");
        }
    }
}

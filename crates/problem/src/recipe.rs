//! Recipes: how the tensors of a layer are stored.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::{Format, UnknownFormat};

/// How the tensors of a layer are stored. In files and tables a recipe is a word: `native`, `q4_K`,
/// `q4_K+ffn_down:q6_K`, or two of these joined by ` & `.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipe {
    /// Every tensor as its file stores it.
    Native,
    /// Formats by class of tensors.
    Mix(FormatMix),
    /// Of a layer that is both ends of a chain in one: that of the embedding, that of the head.
    Ends(Box<[Self; 2]>),
    /// Any other word, as in instances that no model stands behind.
    Other(String),
}

/// Joins the recipes of both ends.
const AND: &str = " & ";
const NATIVE: &str = "native";

impl Recipe {
    /// Embedding and head in one layer.
    pub fn ends(embedding: Self, head: Self) -> Self {
        Self::Ends(Box::new([embedding, head]))
    }

    /// The formats, where the recipe names them.
    pub fn mix(&self) -> Option<&FormatMix> {
        match self {
            Self::Mix(mix) => Some(mix),
            Self::Native | Self::Ends(_) | Self::Other(_) => None,
        }
    }

    /// Whether every tensor has the same format.
    pub fn is_uniform(&self) -> bool {
        self.mix().is_some_and(|mix| mix.exceptions.is_empty())
    }
}

impl From<Format> for Recipe {
    fn from(format: Format) -> Self {
        Self::Mix(format.into())
    }
}

impl From<&str> for Recipe {
    fn from(text: &str) -> Self {
        if text == NATIVE {
            return Self::Native;
        }
        if let Some((first, last)) = text.split_once(AND) {
            return Self::ends(first.into(), last.into());
        }
        text.parse().map_or_else(|_| Self::Other(text.into()), Self::Mix)
    }
}

impl From<String> for Recipe {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl FromStr for Recipe {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str(NATIVE),
            Self::Mix(mix) => mix.fmt(f),
            Self::Ends(ends) => write!(f, "{}{AND}{}", ends[0], ends[1]),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Recipe {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Recipe".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-allowed": "`native`, a format, or a mix such as `q4_K+ffn_down:q6_K`",
        })
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// A format for all tensors of a layer but those of some classes: `q4_K+ffn_down:q6_K`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatMix {
    /// The format of every class without an exception.
    pub base: Format,
    /// Classes with a format of their own, each once, in the order of the layer's tensors.
    pub exceptions: Vec<(TensorClass, Format)>,
}

impl From<Format> for FormatMix {
    fn from(base: Format) -> Self {
        Self { base, exceptions: Vec::new() }
    }
}

impl FormatMix {
    /// The mix of a layer's tensors: its base is the commonest format, of several the finest. None
    /// without a tensor.
    pub fn of(tensors: impl IntoIterator<Item = (TensorClass, Format)>) -> Option<Self> {
        let tensors: Vec<_> = tensors.into_iter().collect();
        let count = |wanted: Format| tensors.iter().filter(|(_, format)| *format == wanted).count();
        let formats = tensors.iter().map(|(_, format)| *format);
        let base = formats.max_by_key(|&format| (count(format), format))?;
        let mut exceptions = tensors;
        exceptions.retain(|(_, format)| *format != base);
        Some(Self { base, exceptions })
    }

    /// The format of a class.
    pub fn format(&self, class: TensorClass) -> Format {
        let own = self.exceptions.iter().find(|(exception, _)| *exception == class);
        own.map_or(self.base, |(_, format)| *format)
    }

    /// The formats in use, the base first.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        std::iter::once(self.base).chain(self.exceptions.iter().map(|(_, format)| *format))
    }
}

impl fmt::Display for FormatMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.name())?;
        for (index, (class, format)) in self.exceptions.iter().enumerate() {
            let separator = if index == 0 { '+' } else { ',' };
            write!(f, "{separator}{}:{}", class.name(), format.name())?;
        }
        Ok(())
    }
}

/// What is wrong with the text of a [`FormatMix`], in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMix {
    /// A format that does not exist.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    /// An exception that is no class and format.
    #[error("`{0}`; a class and its format, as `ffn_down:q6_K`")]
    Exception(String),
    /// A class that does not exist.
    #[error("`{0}` is no class of tensors; known are {known}",
        known = TensorClass::MATRICES.map(TensorClass::name).join(", "))]
    Class(String),
    /// A class that is named twice.
    #[error("`{0}` has two formats")]
    Twice(String),
}

impl FromStr for FormatMix {
    type Err = InvalidMix;

    fn from_str(text: &str) -> Result<Self, InvalidMix> {
        let (base, rest) = text.split_once('+').unwrap_or((text, ""));
        let mut mix = Self { base: base.trim().parse()?, exceptions: Vec::new() };
        for exception in rest.split(',').filter(|exception| !exception.trim().is_empty()) {
            let (name, format) = exception
                .split_once(':')
                .ok_or_else(|| InvalidMix::Exception(exception.to_owned()))?;
            let mut known = TensorClass::MATRICES.into_iter();
            let class = known
                .find(|class| class.name() == name.trim())
                .ok_or_else(|| InvalidMix::Class(name.to_owned()))?;
            if mix.exceptions.iter().any(|(other, _)| *other == class) {
                return Err(InvalidMix::Twice(name.to_owned()));
            }
            mix.exceptions.push((class, format.trim().parse()?));
        }
        Ok(mix)
    }
}

/// What a tensor does, in GGUF's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TensorClass {
    /// Query projection.
    AttnQ,
    /// Key projection.
    AttnK,
    /// Value projection.
    AttnV,
    /// The three in one.
    AttnQkv,
    /// Output projection of attention.
    AttnOutput,
    /// Compression of queries (multi-head latent attention).
    AttnQA,
    /// Expansion of compressed queries.
    AttnQB,
    /// Compression of keys and values, with the rotated part of the key.
    AttnKvA,
    /// Expansion of compressed keys and values, both in one.
    AttnKvB,
    /// Expansion of compressed keys.
    AttnKB,
    /// Expansion of compressed values.
    AttnVB,
    /// Gate on the output of attention or of a recurrence.
    AttnGate,
    /// Gate of the feed-forward part.
    FfnGate,
    /// First projection of the feed-forward part.
    FfnUp,
    /// Second projection of the feed-forward part.
    FfnDown,
    /// Gates of the routed experts.
    FfnGateExps,
    /// First projections of the routed experts.
    FfnUpExps,
    /// Second projections of the routed experts.
    FfnDownExps,
    /// Gates and first projections of the routed experts in one.
    FfnGateUpExps,
    /// Gate of the shared expert.
    FfnGateShexp,
    /// First projection of the shared expert.
    FfnUpShexp,
    /// Second projection of the shared expert.
    FfnDownShexp,
    /// Input projection of a recurrence.
    SsmIn,
    /// Output projection of a recurrence.
    SsmOut,
    /// Projection to step, input and output matrices of a selective state space (Mamba 1).
    SsmX,
    /// Projection of the step.
    SsmDt,
    /// Decay and input strength of a gated delta net in one.
    SsmBa,
    /// Decay of a gated delta net.
    SsmAlpha,
    /// Input strength of a gated delta net.
    SsmBeta,
    /// Input projection of a short convolution.
    ShortconvIn,
    /// Output projection of a short convolution.
    ShortconvOut,
    /// Token embedding.
    TokenEmbd,
    /// Token embeddings that each block adds.
    PerLayerTokenEmbd,
    /// Head.
    Output,
    /// Learned positions.
    PositionEmbd,
    /// Between an embedding and a hidden state of other length.
    Projection,
    /// Weight of a normalization.
    Norm,
    /// Bias of anything.
    Bias,
    /// Chooses the experts of a token; llama.cpp's quantizer leaves it alone.
    Router,
    /// Anything else that a file holds.
    Other,
}

impl TensorClass {
    /// Classes whose format a plan may choose: what `llama-quantize` quantizes.
    pub const MATRICES: [Self; 35] = [
        Self::AttnQ,
        Self::AttnK,
        Self::AttnV,
        Self::AttnQkv,
        Self::AttnOutput,
        Self::AttnQA,
        Self::AttnQB,
        Self::AttnKvA,
        Self::AttnKvB,
        Self::AttnKB,
        Self::AttnVB,
        Self::AttnGate,
        Self::FfnGate,
        Self::FfnUp,
        Self::FfnDown,
        Self::FfnGateExps,
        Self::FfnUpExps,
        Self::FfnDownExps,
        Self::FfnGateUpExps,
        Self::FfnGateShexp,
        Self::FfnUpShexp,
        Self::FfnDownShexp,
        Self::SsmIn,
        Self::SsmOut,
        Self::SsmX,
        Self::SsmDt,
        Self::SsmBa,
        Self::SsmAlpha,
        Self::SsmBeta,
        Self::ShortconvIn,
        Self::ShortconvOut,
        Self::TokenEmbd,
        Self::PerLayerTokenEmbd,
        Self::Projection,
        Self::Output,
    ];

    /// Whether it is a matrix of a block, rather than of one end of the chain.
    pub fn of_block(self) -> bool {
        let ends = [Self::TokenEmbd, Self::PerLayerTokenEmbd, Self::Projection, Self::Output];
        Self::MATRICES.contains(&self) && !ends.contains(&self)
    }

    /// The word that GGUF names use, without block and suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::AttnQ => "attn_q",
            Self::AttnK => "attn_k",
            Self::AttnV => "attn_v",
            Self::AttnQkv => "attn_qkv",
            Self::AttnOutput => "attn_output",
            Self::AttnQA => "attn_q_a",
            Self::AttnQB => "attn_q_b",
            Self::AttnKvA => "attn_kv_a_mqa",
            Self::AttnKvB => "attn_kv_b",
            Self::AttnKB => "attn_k_b",
            Self::AttnVB => "attn_v_b",
            Self::AttnGate => "attn_gate",
            Self::FfnGate => "ffn_gate",
            Self::FfnUp => "ffn_up",
            Self::FfnDown => "ffn_down",
            Self::FfnGateExps => "ffn_gate_exps",
            Self::FfnUpExps => "ffn_up_exps",
            Self::FfnDownExps => "ffn_down_exps",
            Self::FfnGateUpExps => "ffn_gate_up_exps",
            Self::FfnGateShexp => "ffn_gate_shexp",
            Self::FfnUpShexp => "ffn_up_shexp",
            Self::FfnDownShexp => "ffn_down_shexp",
            Self::SsmIn => "ssm_in",
            Self::SsmOut => "ssm_out",
            Self::SsmX => "ssm_x",
            Self::SsmDt => "ssm_dt",
            Self::SsmBa => "ssm_ba",
            Self::SsmAlpha => "ssm_alpha",
            Self::SsmBeta => "ssm_beta",
            Self::ShortconvIn => "shortconv.in_proj",
            Self::ShortconvOut => "shortconv.out_proj",
            Self::TokenEmbd => "token_embd",
            Self::PerLayerTokenEmbd => "per_layer_token_embd",
            Self::Output => "output",
            Self::PositionEmbd => "position_embd",
            Self::Projection => "projection",
            Self::Norm => "norm",
            Self::Bias => "bias",
            Self::Router => "ffn_gate_inp",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_read_as_it_is_written() {
        let tensors = [
            (TensorClass::AttnQ, Format::Q4K),
            (TensorClass::FfnDown, Format::Q8_0),
            (TensorClass::AttnV, Format::Q6K),
            (TensorClass::AttnOutput, Format::Q4K),
        ];
        let mix = FormatMix::of(tensors).unwrap();
        assert_eq!(mix.to_string(), "q4_K+ffn_down:q8_0,attn_v:q6_K");
        assert_eq!(mix.format(TensorClass::AttnV), Format::Q6K);
        assert_eq!(mix.format(TensorClass::AttnK), Format::Q4K);
        let recipe = Recipe::Mix(mix);
        for recipe in [
            recipe.clone(),
            Recipe::Native,
            Recipe::ends(recipe, Format::F16.into()),
            Recipe::Other("r3+x".into()),
        ] {
            assert_eq!(Recipe::from(recipe.to_string()), recipe);
        }
        assert_eq!(Recipe::from("Q4_k"), Format::Q4K.into());
        assert_eq!(FormatMix::of([]), None);
    }

    #[test]
    fn what_is_no_mix_is_refused() {
        let cases = [
            ("", "`` is no format"),
            ("native", "`native` is no format"),
            ("q4_K+ffn_down", "`ffn_down`; a class and its format"),
            ("q4_K+norm:f16", "`norm` is no class of tensors; known are attn_q, "),
            ("q4_K+ffn_up:f16,ffn_up:f16", "`ffn_up` has two formats"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<FormatMix>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

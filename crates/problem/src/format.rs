//! Quantization formats: bytes per block, exactly, and what is published about their fidelity.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Bytes, Loss};

/// A GGML tensor type that a plan may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// 2.6 bits, blocks of 256.
    Q2K,
    /// 3.4 bits, blocks of 256.
    Q3K,
    /// 4.5 bits, blocks of 32.
    Q4_0,
    /// 5 bits, blocks of 32 with an offset.
    Q4_1,
    /// 4.5 bits, blocks of 256.
    Q4K,
    /// 5.5 bits, blocks of 32.
    Q5_0,
    /// 6 bits, blocks of 32 with an offset.
    Q5_1,
    /// 5.5 bits, blocks of 256.
    Q5K,
    /// 6.6 bits, blocks of 256.
    Q6K,
    /// 8.5 bits, blocks of 32.
    Q8_0,
    /// 9 bits, blocks of 32 with a sum; an intermediate type of dot products.
    Q8_1,
    /// 9.1 bits, blocks of 256; an intermediate type of dot products.
    Q8K,
    /// 16 bits, IEEE half.
    F16,
    /// 16 bits, bfloat.
    BF16,
    /// 32 bits.
    F32,
}

struct Facts {
    name: &'static str,
    ggml_id: u32,
    block_elements: u64,
    block_bytes: u64,
    kl_nano_nats: u64,
    weight_error_ppm: u32,
}

impl Format {
    /// All of them, coarsest first.
    pub const ALL: [Self; 15] = [
        Self::Q2K,
        Self::Q3K,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q4K,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q5K,
        Self::Q6K,
        Self::Q8_0,
        Self::Q8_1,
        Self::Q8K,
        Self::F16,
        Self::BF16,
        Self::F32,
    ];

    /// Name and id as in ggml; block sizes from its struct definitions (ggml-org/llama.cpp,
    /// `ggml/src/ggml-common.h`). Divergence: mean KL to f16 of Llama-3-8B stored in that format on
    /// WikiText-2 (llama.cpp, `tools/perplexity/README.md`; the `_S` mixes, q2_K without importance
    /// matrix); q8_1, q8_K as q8_0, bf16 as f16 and f32 as exact are assumptions. Weight error: our
    /// own measurement on normal weights with candle 0.11 (relative error of a product).
    fn facts(self) -> Facts {
        let (name, ggml_id, block_elements, block_bytes, kl_nano_nats, weight_error_ppm) =
            match self {
                Self::Q2K => ("q2_K", 10, 256, 84, 445_132_000, 280_000),
                Self::Q3K => ("q3_K", 11, 256, 110, 228_217_000, 150_000),
                Self::Q4_0 => ("q4_0", 2, 32, 18, 71_940_000, 87_000),
                Self::Q4_1 => ("q4_1", 3, 32, 20, 71_683_000, 79_000),
                Self::Q4K => ("q4_K", 12, 256, 144, 43_136_000, 75_000),
                Self::Q5_0 => ("q5_0", 6, 32, 22, 22_239_000, 43_000),
                Self::Q5_1 => ("q5_1", 7, 32, 24, 18_045_000, 38_000),
                Self::Q5K => ("q5_K", 13, 256, 176, 16_595_000, 38_000),
                Self::Q6K => ("q6_K", 14, 256, 210, 5_452_000, 20_000),
                Self::Q8_0 => ("q8_0", 8, 32, 34, 1_355_000, 9_000),
                Self::Q8_1 => ("q8_1", 9, 32, 36, 1_355_000, 9_000),
                Self::Q8K => ("q8_K", 15, 256, 292, 1_355_000, 9_000),
                Self::F16 => ("f16", 1, 1, 2, 551_000, 400),
                Self::BF16 => ("bf16", 30, 1, 2, 551_000, 2_900),
                Self::F32 => ("f32", 0, 1, 4, 0, 0),
            };
        Facts { name, ggml_id, block_elements, block_bytes, kl_nano_nats, weight_error_ppm }
    }

    /// As llama.cpp spells it.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// ggml's number of the type.
    pub fn ggml_id(self) -> u32 {
        self.facts().ggml_id
    }

    /// The format of that ggml number.
    pub fn from_ggml_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ggml_id() == id)
    }

    /// Elements per block.
    pub fn block_elements(self) -> u64 {
        self.facts().block_elements
    }

    /// Bytes per block.
    pub fn block_bytes(self) -> u64 {
        self.facts().block_bytes
    }

    /// Bytes of `rows` rows of `row_len` elements; `None` where a row is not a whole number of
    /// blocks, or the size has no meaning.
    pub fn bytes(self, rows: u64, row_len: u64) -> Option<Bytes> {
        let facts = self.facts();
        if !row_len.is_multiple_of(facts.block_elements) {
            return None;
        }
        let row = (row_len / facts.block_elements).checked_mul(facts.block_bytes)?;
        row.checked_mul(rows).map(Bytes)
    }

    /// Mean divergence of a whole model in this format from the original.
    pub fn published_kl_nats(self) -> Loss {
        Loss(self.facts().kl_nano_nats)
    }

    /// Relative error of the weights, in millionths.
    pub fn relative_weight_error_ppm(self) -> u32 {
        self.facts().weight_error_ppm
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No format has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format; known are {known}", known = Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Any case, with or without the underscore.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let plain = |name: &str| name.to_ascii_lowercase().replace('_', "");
        let wanted = plain(text);
        let known = Self::ALL.into_iter().find(|format| plain(format.name()) == wanted);
        known.ok_or_else(|| UnknownFormat(text.into()))
    }
}

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl JsonSchema for Format {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::name) })
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_exact() {
        assert_eq!(Format::Q4K.bytes(4096, 4096), Some(Bytes(4096 * 16 * 144)));
        assert_eq!(Format::Q8_0.bytes(2, 64), Some(Bytes(2 * 2 * 34)));
        assert_eq!(Format::Q6K.bytes(1, 128), None);
        assert_eq!(Format::F32.bytes(u64::MAX, 4), None);
    }

    #[test]
    fn names_are_read_in_any_spelling() {
        for format in Format::ALL {
            assert_eq!(format.name().to_uppercase().parse(), Ok(format));
            assert_eq!(Format::from_ggml_id(format.ggml_id()), Some(format));
        }
        assert_eq!("q4k".parse(), Ok(Format::Q4K));
        let error = "q9_K".parse::<Format>().unwrap_err().to_string();
        assert!(error.starts_with("`q9_K` is no format; known are q2_K, "), "{error}");
    }
}

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
    /// 1.1 bits, blocks of 128: signs.
    Q1_0,
    /// 1.6 bits, blocks of 256.
    IQ1S,
    /// 1.7 bits, blocks of 256: ternary.
    TQ1_0,
    /// 1.75 bits, blocks of 256.
    IQ1M,
    /// 2.1 bits, blocks of 256.
    IQ2XXS,
    /// 2.1 bits, blocks of 256: ternary.
    TQ2_0,
    /// 2.25 bits, blocks of 64.
    Q2_0,
    /// 2.3 bits, blocks of 256.
    IQ2XS,
    /// 2.6 bits, blocks of 256.
    IQ2S,
    /// 2.6 bits, blocks of 256.
    Q2K,
    /// 3.1 bits, blocks of 256.
    IQ3XXS,
    /// 3.4 bits, blocks of 256.
    Q3K,
    /// 3.4 bits, blocks of 256.
    IQ3S,
    /// 4.25 bits, blocks of 32: floats of 4 bits with a shared exponent (OCP MX).
    MXFP4,
    /// 4.5 bits, blocks of 64: floats of 4 bits with scales of 8 (NVIDIA).
    NVFP4,
    /// 4.25 bits, blocks of 256.
    IQ4XS,
    /// 4.5 bits, blocks of 32, unevenly spaced.
    IQ4NL,
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
    /// None where nothing is published.
    kl_nano_nats: Option<u64>,
    weight_error_ppm: Option<u32>,
}

/// Nothing is known of losses.
const UNKNOWN: (Option<u64>, Option<u32>) = (None, None);

impl Format {
    /// All of them, coarsest first.
    pub const ALL: [Self; 30] = [
        Self::Q1_0,
        Self::IQ1S,
        Self::TQ1_0,
        Self::IQ1M,
        Self::IQ2XXS,
        Self::TQ2_0,
        Self::Q2_0,
        Self::IQ2XS,
        Self::IQ2S,
        Self::Q2K,
        Self::IQ3XXS,
        Self::Q3K,
        Self::IQ3S,
        Self::MXFP4,
        Self::NVFP4,
        Self::IQ4XS,
        Self::IQ4NL,
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

    /// Those that candle makes and multiplies with, coarsest first: what is timed and measured
    /// here.
    pub const COMPUTED: [Self; 15] = [
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
    /// matrix, iq3_s, iq4_xs and iq4_nl with one of 10 M tokens); q8_1, q8_K as q8_0, bf16 as f16
    /// and f32 as exact are assumptions. Files named after coarser IQ types are mixes of several
    /// types, so that nothing is published of these alone. Weight error: our own measurement on
    /// normal weights with candle 0.11 (relative error of a product).
    fn facts(self) -> Facts {
        let known = |kl: u64, ppm: u32| (Some(kl), Some(ppm));
        let kl = |kl: u64| (Some(kl), None);
        let (name, ggml_id, block_elements, block_bytes, (kl_nano_nats, weight_error_ppm)) =
            match self {
                Self::Q1_0 => ("q1_0", 41, 128, 18, UNKNOWN),
                Self::IQ1S => ("iq1_s", 19, 256, 50, UNKNOWN),
                Self::TQ1_0 => ("tq1_0", 34, 256, 54, UNKNOWN),
                Self::IQ1M => ("iq1_m", 29, 256, 56, UNKNOWN),
                Self::IQ2XXS => ("iq2_xxs", 16, 256, 66, UNKNOWN),
                Self::TQ2_0 => ("tq2_0", 35, 256, 66, UNKNOWN),
                Self::Q2_0 => ("q2_0", 42, 64, 18, UNKNOWN),
                Self::IQ2XS => ("iq2_xs", 17, 256, 74, UNKNOWN),
                Self::IQ2S => ("iq2_s", 22, 256, 82, UNKNOWN),
                Self::Q2K => ("q2_K", 10, 256, 84, known(445_132_000, 280_000)),
                Self::IQ3XXS => ("iq3_xxs", 18, 256, 98, UNKNOWN),
                Self::Q3K => ("q3_K", 11, 256, 110, known(228_217_000, 150_000)),
                Self::IQ3S => ("iq3_s", 21, 256, 110, kl(111_278_000)),
                Self::MXFP4 => ("mxfp4", 39, 32, 17, UNKNOWN),
                Self::NVFP4 => ("nvfp4", 40, 64, 36, UNKNOWN),
                Self::IQ4XS => ("iq4_xs", 23, 256, 136, kl(36_334_000)),
                Self::IQ4NL => ("iq4_nl", 20, 32, 18, kl(35_742_000)),
                Self::Q4_0 => ("q4_0", 2, 32, 18, known(71_940_000, 87_000)),
                Self::Q4_1 => ("q4_1", 3, 32, 20, known(71_683_000, 79_000)),
                Self::Q4K => ("q4_K", 12, 256, 144, known(43_136_000, 75_000)),
                Self::Q5_0 => ("q5_0", 6, 32, 22, known(22_239_000, 43_000)),
                Self::Q5_1 => ("q5_1", 7, 32, 24, known(18_045_000, 38_000)),
                Self::Q5K => ("q5_K", 13, 256, 176, known(16_595_000, 38_000)),
                Self::Q6K => ("q6_K", 14, 256, 210, known(5_452_000, 20_000)),
                Self::Q8_0 => ("q8_0", 8, 32, 34, known(1_355_000, 9_000)),
                Self::Q8_1 => ("q8_1", 9, 32, 36, known(1_355_000, 9_000)),
                Self::Q8K => ("q8_K", 15, 256, 292, known(1_355_000, 9_000)),
                Self::F16 => ("f16", 1, 1, 2, known(551_000, 400)),
                Self::BF16 => ("bf16", 30, 1, 2, known(551_000, 2_900)),
                Self::F32 => ("f32", 0, 1, 4, known(0, 0)),
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

    /// Mean divergence of a whole model in this format from the original; none where nothing is
    /// published.
    pub fn published_kl_nats(self) -> Option<Loss> {
        self.facts().kl_nano_nats.map(Loss)
    }

    /// Relative error of the weights, in millionths; none where it was not measured.
    pub fn relative_weight_error_ppm(self) -> Option<u32> {
        self.facts().weight_error_ppm
    }

    /// What llama-quantize takes for rows that are no whole number of blocks, before it takes f16
    /// (ggml-org/llama.cpp, `src/llama-quant.cpp`, `tensor_type_fallback`); none where it knows
    /// nothing smaller.
    pub fn fallback(self) -> Option<Self> {
        match self {
            Self::IQ1S
            | Self::IQ1M
            | Self::IQ2XXS
            | Self::IQ2XS
            | Self::IQ2S
            | Self::IQ3XXS
            | Self::IQ3S
            | Self::IQ4XS => Some(Self::IQ4NL),
            Self::Q2_0 | Self::Q2K | Self::Q3K | Self::TQ1_0 | Self::TQ2_0 => Some(Self::Q4_0),
            Self::Q4K => Some(Self::Q5_0),
            Self::Q5K => Some(Self::Q5_1),
            Self::Q6K => Some(Self::Q8_0),
            _ => None,
        }
    }

    /// Whether candle makes it and multiplies with it ([`Format::COMPUTED`]).
    pub fn is_computed(self) -> bool {
        Self::COMPUTED.contains(&self)
    }

    /// Whether llama-quantize makes it only with an importance matrix (ggml-org/llama.cpp,
    /// `src/llama-quant.cpp`, `tensor_requires_imatrix`; embedding and head need none).
    pub fn needs_importance_matrix(self) -> bool {
        matches!(
            self,
            Self::IQ1S | Self::IQ1M | Self::IQ2XXS | Self::IQ2XS | Self::IQ2S | Self::IQ3XXS
        )
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
            assert_eq!(256 % format.block_elements(), 0, "{format}");
        }
        assert!(Format::ALL.is_sorted() && Format::COMPUTED.is_sorted());
        assert_eq!("q4k".parse(), Ok(Format::Q4K));
        let error = "q9_K".parse::<Format>().unwrap_err().to_string();
        assert!(error.starts_with("`q9_K` is no format; known are q1_0, "), "{error}");
    }
}

//! What a format costs in quality.
//!
//! Three measures, all additive over tensors. **KL divergence**, **weight difference** (DILEMMA's
//! teacher/student constraint) and **variance** (LLM-PQ's indicator): how much the outputs of
//! matrices are off, on the activations of a text. A file of `edgeplan sensitivity`, measured on
//! the model, tells all three ([`measured`]). Before that, KL divergence is a format's published
//! divergence of a whole model, shared out over tensors by elements times the sensitivity of their
//! class, and weight difference the format's relative weight error, shared out by elements: both
//! are estimates.

pub mod cache;
pub mod measured;
pub mod suite;

use std::str::FromStr;

use edgeplan_problem::Loss;

use crate::{LayerSpec, ModelSpec, TensorClass, TensorSpec};
use edgeplan_files::quantity::Fraction;
use edgeplan_files::{InputError, nearest};
use edgeplan_problem::format::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The quality floor, in one of three measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// Mean Kullback-Leibler divergence from the unquantized model, in nats per token.
    MaxKl(f64),
    /// Weight difference between teacher and student, relative to the teacher (DILEMMA).
    MaxWeightDifference(Fraction),
    /// Mean over matrices of the relative variance of what they make of their inputs (after
    /// LLM-PQ).
    MaxVariance(f64),
    /// No more divergence than this uniform format or llama.cpp mix has.
    Like(String),
    /// No floor.
    Any,
}

impl FromStr for Quality {
    type Err = String;

    /// A KL divergence in nats, a format or mix by name, or `any`; errs with what is wrong with the
    /// name.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(nats) => Ok(Self::MaxKl(nats)),
            Err(_) if text == "any" => Ok(Self::Any),
            Err(_) => {
                mix_named(text).map(|_| Self::Like(text.to_owned())).map_err(|error| error.problem)
            }
        }
    }
}

/// A measure of loss for one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensitivity {
    measure: Measure,
    /// Sum over quantizable tensors of elements * class weight.
    total: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Divergence,
    WeightDifference,
    Variance,
}

impl Sensitivity {
    /// The measure that a quality floor speaks of.
    pub fn new(model: &ModelSpec, quality: &Quality) -> Self {
        let measure = match quality {
            Quality::MaxWeightDifference(_) => Measure::WeightDifference,
            Quality::MaxVariance(_) => Measure::Variance,
            Quality::MaxKl(_) | Quality::Like(_) | Quality::Any => Measure::Divergence,
        };
        let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
        let total = tensors.filter(|tensor| tensor.quantizable).map(|t| weight(measure, t)).sum();
        Self { measure, total }
    }

    /// Loss of storing one tensor in that format; zero for a tensor that keeps its own, none where
    /// nothing was measured or published.
    pub fn loss(&self, tensor: &TensorSpec, format: Format) -> Option<Loss> {
        let measured = tensor.measured.iter().find(|measured| measured.format == format);
        let known = measured.and_then(|measured| match self.measure {
            Measure::Divergence => Some(measured.divergence),
            Measure::WeightDifference => measured.weight_difference,
            Measure::Variance => measured.variance,
        });
        if known.is_some() {
            return known;
        }
        if !tensor.quantizable || self.total == 0.0 {
            return Some(Loss::ZERO);
        }
        let error = || format.relative_weight_error_ppm().map(f64::from);
        let whole = match self.measure {
            Measure::Divergence => format.published_kl_nats()?.0 as f64,
            Measure::WeightDifference => error()? * 1e3,
            Measure::Variance => (error()? * 1e-6).powi(2) * 1e9,
        };
        Some(Loss((whole * weight(self.measure, tensor) / self.total).round() as u64))
    }

    /// The largest loss that a quality floor allows, `None` where there is no floor.
    ///
    /// # Errors
    /// [`Quality::Like`] with a name that is neither a format nor a known mix, or with a format
    /// that was not measured where others were.
    pub fn budget(&self, model: &ModelSpec, quality: &Quality) -> Result<Option<Loss>, InputError> {
        match quality {
            Quality::Any => Ok(None),
            Quality::MaxKl(nats) => Ok(Some(Loss((nats * 1e9).round() as u64))),
            Quality::MaxWeightDifference(fraction) => {
                Ok(Some(Loss((fraction.0 * 1e9).round() as u64)))
            }
            Quality::MaxVariance(variance) => Ok(Some(Loss((variance * 1e9).round() as u64))),
            Quality::Like(name) => {
                let mut loss = Loss::ZERO;
                for (layer, formats) in model.layers.iter().zip(formats_of(model, name)?) {
                    for (tensor, format) in layer.tensors.iter().zip(formats) {
                        if tensor.lacks(format) {
                            let problem =
                                format!("`{name}` needs {format}, not measured of {}", tensor.name);
                            return Err(InputError::key("workload", "quality.like", problem));
                        }
                        loss += self.loss(tensor, format).ok_or_else(|| {
                            let problem = format!("`{name}`; {}", unknown(format));
                            InputError::key("workload", "quality.like", problem)
                        })?;
                    }
                }
                Ok(Some(loss))
            }
        }
    }
}

/// Why a format has no loss.
pub fn unknown(format: Format) -> String {
    format!("no loss of {format} alone is published; `--sensitivity FILE` says what was measured")
}

/// Elements, times the sensitivity of the class where the measure is divergence.
fn weight(measure: Measure, tensor: &TensorSpec) -> f64 {
    let elements = tensor.elements() as f64;
    match measure {
        Measure::Divergence => elements * class_sensitivity(tensor.class),
        Measure::WeightDifference | Measure::Variance => elements,
    }
}

/// Divergence per element relative to the whole model's, when only tensors of that class are
/// dropped to 2 bits: Qwen3-4B-Instruct-2507, computed from the per-tensor measurements of
/// **Thireus and the contributors of GGUF Tool Suite** (`models/Qwen3-4B-Instruct-2507/
/// kld_results.csv`, column q2_k_r4). That model ties its embeddings (4.4 for both uses); the
/// split between the two uses, and the classes it lacks, are assumptions; experts count as
/// what they stand for.
fn class_sensitivity(class: TensorClass) -> f64 {
    match class {
        TensorClass::AttnQ => 0.56,
        TensorClass::AttnK => 2.55,
        TensorClass::AttnV => 2.85,
        TensorClass::AttnOutput => 0.69,
        TensorClass::FfnGate | TensorClass::FfnGateExps | TensorClass::FfnGateShexp => 0.42,
        TensorClass::FfnUp | TensorClass::FfnUpExps | TensorClass::FfnUpShexp => 0.51,
        TensorClass::FfnDown | TensorClass::FfnDownExps | TensorClass::FfnDownShexp => 0.55,
        TensorClass::Output => 3.4,
        _ => 1.0,
    }
}

/// A rule that names a format for every tensor, as llama.cpp's quantization types do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedMix {
    base: Format,
    /// attn_v and ffn_down of some blocks.
    more: Format,
    head: Format,
}

impl NamedMix {
    /// The format of a tensor class; `more` is whether this block gets more bits.
    pub fn format(&self, class: TensorClass, more: bool) -> Format {
        match class {
            TensorClass::Output => self.head,
            TensorClass::AttnV
            | TensorClass::FfnDown
            | TensorClass::FfnDownExps
            | TensorClass::FfnDownShexp
                if more =>
            {
                self.more
            }
            _ => self.base,
        }
    }
}

/// The mixes that people name when they say how good a model must be.
const NAMED: [(&str, NamedMix); 7] = [
    ("q5_K_M", mix(Format::Q5K, Format::Q6K)),
    ("q5_K_S", mix(Format::Q5K, Format::Q5K)),
    ("q4_K_M", mix(Format::Q4K, Format::Q6K)),
    ("q4_K_S", mix(Format::Q4K, Format::Q4K)),
    ("q3_K_L", mix(Format::Q3K, Format::Q5K)),
    ("q3_K_M", mix(Format::Q3K, Format::Q4K)),
    ("q3_K_S", mix(Format::Q3K, Format::Q3K)),
];

const fn mix(base: Format, more: Format) -> NamedMix {
    NamedMix { base, more, head: Format::Q6K }
}

/// A uniform format or one of llama.cpp's `_S`, `_M`, `_L` mixes.
///
/// # Errors
/// An unknown name, with the nearest known one.
pub fn mix_named(name: &str) -> Result<NamedMix, InputError> {
    if let Some((_, mix)) = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(*mix);
    }
    if let Ok(format) = name.parse::<Format>() {
        return Ok(NamedMix { base: format, more: format, head: format });
    }
    let known = NAMED.iter().map(|(known, _)| *known).chain(Format::ALL.map(Format::name));
    let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?"));
    let problem = format!("`{name}` is no format or mix{}", hint.unwrap_or_default());
    Err(InputError::key("workload", "quality.like", problem))
}

/// The formats that a uniform format or a mix gives a model's tensors, by `[layer][tensor]`.
///
/// # Errors
/// As [`mix_named`].
pub fn formats_of(model: &ModelSpec, name: &str) -> Result<Vec<Vec<Format>>, InputError> {
    let mix = mix_named(name)?;
    let blocks = model.layers.iter().filter(|layer| layer.part.is_block()).count();
    let mut block = 0;
    let layer = |layer: &LayerSpec| {
        let more = uses_more_bits(block, blocks);
        block += usize::from(layer.part.is_block());
        layer.tensors.iter().map(|tensor| mix.format(tensor.class, more)).collect()
    };
    Ok(model.layers.iter().map(layer).collect())
}

/// llama.cpp's rule for the blocks whose attn_v and ffn_down get more bits in an `_M` mix: the
/// first and the last eighth, and every third between (ggml-org/llama.cpp, `src/llama-quant.cpp`).
fn uses_more_bits(block: usize, blocks: usize) -> bool {
    block < blocks / 8 || block >= 7 * blocks / 8 || (block - blocks / 8) % 3 == 2
}

//! The file that a plan describes: every matrix in its format, all else as it was.

use std::collections::BTreeMap;
use std::io::{Error, Write};
use std::path::Path;

use candle_core::Tensor;
use edgeplan_files::deployment::PlannedModel;
use edgeplan_files::{InputError, stream_atomic};
use edgeplan_model::gguf::Tensor as Stored;
use edgeplan_model::gguf::draft::{Draft, Tensor as Place, Value};
use edgeplan_model::{ModelSpec, TensorClass, TensorSpec};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::{FormatMix, Recipe};
use edgeplan_reference_llama::LlamaError;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use crate::checkpoint::Checkpoint;
use crate::dither::dither;
use crate::folder::Folder;
use crate::quantize::{dequantize, quantize};

/// Elements that one thread quantizes at once.
const PIECE: u64 = 1 << 18;
/// Pieces in memory at once.
const PIECES: usize = 16;
/// Bytes that are copied at once.
const COPIED: u64 = 1 << 22;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// The format of every tensor that gets one, by name; a tied head is `output.weight`.
pub type Formats = BTreeMap<String, Format>;

/// What a mix makes of a model, whose matrices it stores in the formats of their classes.
///
/// # Errors
/// A format that does not fit the rows of a tensor.
pub fn from_mix(model: &ModelSpec, mix: &FormatMix) -> Result<Formats, InputError> {
    let mut formats = Formats::new();
    for tensor in model.layers.iter().flat_map(|layer| &layer.tensors) {
        if is_matrix(tensor) {
            let format = mix.format(tensor.class);
            formats.insert(tensor.name.clone(), fitting(&model.name, tensor, format)?);
        }
    }
    Ok(formats)
}

/// What a plan makes of a model.
///
/// # Errors
/// A plan for another model, a recipe that is none, a format that does not fit.
pub fn from_plan(
    file: &str,
    plan: &PlannedModel,
    model: &ModelSpec,
) -> Result<Formats, InputError> {
    let mut formats = Formats::new();
    if plan.layers.len() != model.layers.len() {
        let (has, needs) = (plan.layers.len(), model.layers.len());
        let problem = format!("{has} layers; {} has {needs}", model.name);
        return Err(InputError::key(file, "models", problem));
    }
    for (planned, layer) in plan.layers.iter().zip(&model.layers) {
        let key = format!("models.{}.{}", plan.name, planned.layer);
        if planned.layer != layer.part.into() {
            let problem = format!("{} instead of {}", planned.layer, layer.part);
            return Err(InputError::key(file, key, problem));
        }
        let mix = match &planned.recipe {
            Recipe::Native => continue,
            Recipe::Mix(mix) => mix.clone(),
            Recipe::Ends(_) | Recipe::Other(_) => {
                let mix: Result<FormatMix, _> = planned.recipe.to_string().parse();
                mix.map_err(|error| InputError::key(file, &key, error.to_string()))?
            }
        };
        for tensor in layer.tensors.iter().filter(|tensor| is_matrix(tensor)) {
            let format = mix.format(tensor.class);
            formats.insert(tensor.name.clone(), fitting(file, tensor, format)?);
        }
    }
    Ok(formats)
}

/// Whether a recipe speaks of it. Experts and whatever has no class keep their type.
fn is_matrix(tensor: &TensorSpec) -> bool {
    TensorClass::MATRICES.contains(&tensor.class) && tensor.rows > 1
}

fn fitting(file: &str, tensor: &TensorSpec, format: Format) -> Result<Format, InputError> {
    if format.bytes(tensor.rows, tensor.row_len).is_some() {
        return Ok(format);
    }
    let (length, block) = (tensor.row_len, format.block_elements());
    let problem = format!("rows of {length} in {format}; whole blocks of {block} are needed");
    Err(InputError::key(file, &tensor.name, problem))
}

/// A tensor that is read, and how it is written.
struct Step {
    from: Stored,
    format: Option<Format>,
    place: Place,
}

/// Writes the file, whole or not at all; `progress` is called with bytes written. Metadata and
/// tensors without a new format or new values (`trained`, by name) are copied bit by bit. Where an
/// embedding and its tied head get different formats, the head becomes a tensor of its own.
///
/// # Errors
/// Those of reading and writing; a type that cannot be widened.
///
/// # Complexity
/// O(elements) time; memory of a few million elements, however large the file is.
pub fn apply(
    checkpoint: &mut Checkpoint,
    formats: &Formats,
    trained: &BTreeMap<String, Tensor>,
    out: &Path,
    mut progress: impl FnMut(u64),
) -> Result<(), InputError> {
    let steps = steps(checkpoint, formats)?;
    let draft = draft(checkpoint, &steps)?;
    let mut failed = None;
    let mut left = steps.iter();
    let written = stream_atomic(out, |file| {
        draft.write(file, |_, file| {
            let Some(step) = left.next() else { return Ok(()) };
            let done = match trained.get(&step.place.name) {
                Some(values) => step.write_values(checkpoint, values, file),
                None => step.write(checkpoint, file, &mut progress),
            };
            done.map_err(|problem| {
                let text = problem.to_string();
                failed = Some(problem);
                Error::other(text)
            })
        })
    });
    // What is wrong with the file that is read is not that of the one that is written.
    match failed {
        Some(problem) if problem.file == checkpoint.header.file => Err(problem),
        _ => written,
    }
}

/// As [`apply`], from a GGUF file or a folder of safetensors.
///
/// # Errors
/// As [`apply`]; a folder whose model has no form as GGUF.
pub fn write(
    model: &Path,
    formats: &Formats,
    trained: &BTreeMap<String, Tensor>,
    out: &Path,
    progress: impl FnMut(u64),
) -> Result<(), LlamaError> {
    match model.is_dir() {
        true => Folder::open(model)?.write(formats, trained, out, progress),
        false => Ok(apply(&mut Checkpoint::open(model)?, formats, trained, out, progress)?),
    }
}

/// Whether [`write`](fn@write) could: worth asking before long work.
///
/// # Errors
/// As [`write`](fn@write), but for those of reading and writing tensors.
pub fn check(model: &Path, formats: &Formats) -> Result<(), InputError> {
    match model.is_dir() {
        true => Folder::open(model)?.draft(formats).map(drop),
        false => steps(&Checkpoint::open(model)?, formats).map(drop),
    }
}

/// Bytes of all tensors of a model in these formats; those that have none stay as they are, f32
/// where nothing is known of it. A tied head in the format of the embedding is none of its own.
pub fn bytes(model: &ModelSpec, formats: &Formats) -> u64 {
    let shared = model.tied && formats.get(HEAD) == formats.get(EMBEDDING);
    let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    let stored = tensors.filter(|tensor| !(shared && tensor.name == HEAD)).map(|tensor| {
        let kept = tensor.native.unwrap_or(Format::F32.into());
        let stored = formats.get(&tensor.name).map_or(kept, |&format| format.into());
        stored.bytes(tensor.rows, tensor.row_len).unwrap_or_default().0
    });
    stored.sum()
}

fn steps(checkpoint: &Checkpoint, formats: &Formats) -> Result<Vec<Step>, InputError> {
    let step = |from: &Stored, name: &str| -> Result<Step, InputError> {
        let format = formats.get(name).copied();
        let format = format.filter(|format| format.ggml_id() != from.stored.ggml_id);
        if format.is_some() {
            checkpoint.format(from)?;
        }
        let kind = format.map_or(from.stored.ggml_id, Format::ggml_id);
        let used = from.dimensions.iter().rposition(|&length| length > 1).unwrap_or(0);
        let dimensions = from.dimensions[..=used].to_vec();
        Ok(Step {
            from: from.clone(),
            format,
            place: Place { name: name.into(), dimensions, kind },
        })
    };
    let mut steps = Vec::new();
    for tensor in &checkpoint.header.tensors {
        steps.push(step(tensor, &tensor.name)?);
    }
    let tied = checkpoint.header.tensors.iter().all(|tensor| tensor.name != HEAD);
    if tied && formats.contains_key(HEAD) && formats.get(HEAD) != formats.get(EMBEDDING) {
        steps.push(step(checkpoint.tensor(EMBEDDING)?, HEAD)?);
    }
    Ok(steps)
}

fn draft(checkpoint: &mut Checkpoint, steps: &[Step]) -> Result<Draft, InputError> {
    const VERSION: &str = "general.quantization_version";
    // The type of most tensors (ggml-org/ggml, docs/gguf.md): optional, because tensors tell it.
    const FILE_TYPE: &str = "general.file_type";
    let alignment = checkpoint.header.alignment;
    let changed = steps.iter().any(|step| step.format.is_some());
    let mut draft = Draft { alignment, ..Draft::default() };
    for pair in checkpoint.header.pairs.clone() {
        // That of the file that is read; none is better than a wrong one.
        if changed && pair.key == FILE_TYPE {
            continue;
        }
        let bytes = checkpoint.metadata(&pair)?;
        draft.metadata.push((pair.key, Value::Copied(pair.kind, bytes)));
    }
    let quantized = steps.iter().any(|s| s.format.is_some_and(|f| f.block_elements() > 1));
    if quantized && draft.metadata.iter().all(|(key, _)| key != VERSION) {
        draft.metadata.push((VERSION.into(), Value::U32(2)));
    }
    draft.tensors = steps.iter().map(|step| step.place.clone()).collect();
    Ok(draft)
}

impl Step {
    /// Writes other values than those of the file.
    fn write_values(
        &self,
        checkpoint: &Checkpoint,
        values: &Tensor,
        out: &mut dyn Write,
    ) -> Result<(), InputError> {
        let found = checkpoint.format(&self.from)?;
        let row_len = self.from.dimensions[0] as usize;
        let values = values.flatten_all().and_then(|values| values.to_vec1::<f32>());
        let bytes = values.and_then(|v| quantize(&v, row_len, self.format.unwrap_or(found)));
        let name = &self.place.name;
        let bytes = bytes.map_err(|error| checkpoint.header.error(name, error.to_string()))?;
        out.write_all(&bytes).map_err(|error| InputError::file("output", error.to_string()))
    }

    fn write(
        &self,
        checkpoint: &mut Checkpoint,
        out: &mut dyn Write,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), InputError> {
        let written = |error: Error| InputError::file("output", error.to_string());
        let Some(format) = self.format else {
            for first in (0..self.from.bytes.0).step_by(COPIED as usize) {
                let length = COPIED.min(self.from.bytes.0 - first);
                out.write_all(&checkpoint.bytes(&self.from, first, length)?).map_err(written)?;
                progress(length);
            }
            return Ok(());
        };
        let found = checkpoint.format(&self.from)?;
        let row_len = self.from.dimensions[0];
        let row_bytes = self.from.bytes.0 / self.from.rows();
        let each = (PIECE / row_len).max(1);
        let firsts: Vec<u64> = (0..self.from.rows()).step_by(each as usize).collect();
        for some in firsts.chunks(PIECES) {
            let rows = |first: u64| each.min(self.from.rows() - first);
            let read = |&first: &u64| {
                let at = first * row_bytes;
                let bytes = checkpoint.bytes(&self.from, at, rows(first) * row_bytes)?;
                Ok((self.from.offset + at, bytes))
            };
            let pieces: Vec<(u64, Vec<u8>)> =
                some.iter().map(read).collect::<Result<_, InputError>>()?;
            let seed = checkpoint.seed;
            let made: Vec<_> = pieces
                .par_iter()
                .map(|(at, piece)| {
                    let mut values = dequantize(piece, found)?;
                    if let Some(seed) = seed {
                        dither(&mut values, found, &mut Pcg64::new(seed.into(), (*at).into()));
                    }
                    if let Some(wrong) = values.iter().find(|value| !value.is_finite()) {
                        let problem = format!("an element is {wrong}; finite numbers are needed");
                        return Err(candle_core::Error::Msg(problem));
                    }
                    quantize(&values, row_len as usize, format)
                })
                .collect();
            for bytes in made {
                let name = &self.from.name;
                let bytes = bytes.map_err(|e| checkpoint.header.error(name, e.to_string()))?;
                out.write_all(&bytes).map_err(written)?;
                progress(bytes.len() as u64);
            }
        }
        Ok(())
    }
}

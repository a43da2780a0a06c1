//! Hugging Face's `config.json`, also one whose language model lies under `text_config`.
//!
//! Keys that say nothing about sizes are ignored: every family has dozens. A family's model is
//! what llama.cpp makes of it ([`super::gguf`]): towers for images and sound are left out, and so
//! are blocks that only predict further tokens.

mod experts;
mod families;
mod hybrid;
mod keys;

use serde_json::{Map, Value};

use self::keys::Keys;
use super::{ModelSpec, Shape, StoredType};
use edgeplan_files::{InputError, parse_json};

/// Reads the text of a `config.json`.
///
/// # Errors
/// A missing key, a number out of range, or a family that is not supported.
pub(super) fn parse(file: &str, text: &str) -> Result<ModelSpec, InputError> {
    let whole: Map<String, Value> = parse_json(file, text)?;
    let keys = Keys::new(file, &whole);
    let shape = stored_shape(&keys)?;
    let name = std::path::Path::new(file).parent().and_then(|folder| folder.file_name());
    let name = name.and_then(|name| name.to_str()).or(keys.text("model_type")).unwrap_or("model");
    let mut model = shape.model(name);
    if model.kept().is_empty() {
        model.notes.extend(quantized(&keys));
    }
    Ok(model)
}

/// The numbers of a `config.json`.
///
/// # Errors
/// As [`parse`].
pub(super) fn shape(file: &str, text: &str) -> Result<Shape, InputError> {
    let whole: Map<String, Value> = parse_json(file, text)?;
    stored_shape(&Keys::new(file, &whole))
}

/// The numbers, and the type that experts keep: llama.cpp's converter leaves those in mxfp4 as they
/// are, and turns every other quantized checkpoint into floats.
fn stored_shape(keys: &Keys<'_>) -> Result<Shape, InputError> {
    let mut shape = families::shape(keys)?;
    if let Some(experts) = &mut shape.experts {
        experts.stored = method(keys).filter(|&method| method == MXFP4).and_then(StoredType::named);
    }
    Ok(shape)
}

/// A quantization that experts keep, by the name that checkpoints and llama.cpp give it.
const MXFP4: &str = "mxfp4";

/// How a checkpoint's weights are quantized; none where they are floats.
fn method<'a>(keys: &Keys<'a>) -> Option<&'a str> {
    let config = keys.anywhere(&["quantization_config"])?;
    Some(config.get("quant_method").and_then(Value::as_str).unwrap_or("quantized"))
}

/// What to know of a checkpoint whose weights are quantized already, and do not stay so.
fn quantized(keys: &Keys<'_>) -> Option<String> {
    let method = method(keys)?;
    let config = keys.anywhere(&["quantization_config"])?;
    let bits = config.get("bits").and_then(Value::as_u64).map(|bits| format!(", {bits} bits"));
    Some(format!(
        "the checkpoint is stored in {method}{}: finer formats add bytes, not quality",
        bits.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests;

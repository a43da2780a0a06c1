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
use super::{ModelSpec, Shape};
use edgeplan_files::{InputError, parse_json};

/// Reads the text of a `config.json`.
///
/// # Errors
/// A missing key, a number out of range, or a family that is not supported.
pub(super) fn parse(file: &str, text: &str) -> Result<ModelSpec, InputError> {
    let whole: Map<String, Value> = parse_json(file, text)?;
    let keys = Keys::new(file, &whole);
    let shape = families::shape(&keys)?;
    let name = std::path::Path::new(file).parent().and_then(|folder| folder.file_name());
    let name = name.and_then(|name| name.to_str()).or(keys.text("model_type")).unwrap_or("model");
    let mut model = shape.model(name);
    model.notes.extend(quantized(&keys));
    Ok(model)
}

/// The numbers of a `config.json`.
///
/// # Errors
/// As [`parse`].
pub(super) fn shape(file: &str, text: &str) -> Result<Shape, InputError> {
    let whole: Map<String, Value> = parse_json(file, text)?;
    families::shape(&Keys::new(file, &whole))
}

/// What to know of a checkpoint whose weights are quantized already, and do not stay so.
fn quantized(keys: &Keys<'_>) -> Option<String> {
    let config = keys.anywhere(&["quantization_config"])?;
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    let method = text("quant_method").unwrap_or("quantized");
    let bits = config.get("bits").and_then(Value::as_u64).map(|bits| format!(", {bits} bits"));
    if method == "mxfp4" {
        return None;
    }
    Some(format!(
        "the checkpoint is stored in {method}{}: finer formats add bytes, not quality",
        bits.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests;

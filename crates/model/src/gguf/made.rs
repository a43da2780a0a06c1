//! The header of a file that does not exist yet: a shape, stored by a recipe.

use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;

use super::WRITTEN;
use super::draft::{Draft, Tensor};
use crate::{Shape, StoredType, TensorClass, TensorSpec};
use edgeplan_files::InputError;

impl Draft {
    /// A model of that shape with its tensors, the matrices stored as the recipe says and all else
    /// in f32; without a vocabulary.
    ///
    /// # Errors
    /// An architecture whose header cannot be written, a format that does not fit the length of a
    /// row.
    pub fn stored(name: &str, shape: &Shape, recipe: &FormatMix) -> Result<Self, InputError> {
        check(name, shape)?;
        let mut draft = Self::of(name, shape, shape.context.unwrap_or(131_072));
        let model = shape.model(name);
        for tensor in model.layers.iter().flat_map(|layer| &layer.tensors) {
            // A tied head is the embedding's tensor.
            if !(model.tied && tensor.class == TensorClass::Output) {
                draft.tensors.push(place(name, shape, tensor, recipe)?);
            }
        }
        draft.without_vocabulary();
        Ok(draft)
    }
}

fn place(
    name: &str,
    shape: &Shape,
    tensor: &TensorSpec,
    recipe: &FormatMix,
) -> Result<Tensor, InputError> {
    let stored: StoredType = match tensor.quantizable {
        true => recipe.format(tensor.class).into(),
        false => tensor.native.unwrap_or(Format::F32.into()),
    };
    if stored.bytes(tensor.rows, tensor.row_len).is_none() {
        let (length, block, kind) = (tensor.row_len, stored.block_elements, stored.name);
        let problem = format!("rows of {length} in {kind}; whole blocks of {block} are needed");
        return Err(InputError::key(name, &tensor.name, problem));
    }
    let dimensions = shape.dimensions(tensor);
    Ok(Tensor { name: tensor.name.clone(), dimensions, kind: stored.ggml_id })
}

/// Whether a file of that shape says all that is needed to run it.
fn check(name: &str, shape: &Shape) -> Result<(), InputError> {
    let architecture = shape.architecture();
    if !WRITTEN.contains(&architecture) {
        let problem = format!("`{architecture}` cannot be made; these can: {}", WRITTEN.join(", "));
        return Err(InputError::key(name, "architecture", problem));
    }
    // What no key of a llama's file says.
    let unusual = [
        ("gate", !shape.gate),
        ("fused-qkv", shape.fused_qkv),
        ("bias", shape.bias),
        ("qk-norm", shape.qk_norm),
        ("norms", shape.norms != Shape::default().norms),
        ("final-norm", !shape.final_norm),
        ("embedding-norm", shape.embedding_norm),
        ("positions", shape.positions != 0),
        ("embedding", shape.embedding.is_some()),
        ("window", shape.window.is_some()),
        ("latent", shape.latent.is_some()),
        ("recurrent", shape.recurrent.is_some()),
    ];
    let llama = architecture == "llama";
    match unusual.into_iter().find(|(_, unusual)| llama && *unusual) {
        Some((key, _)) => {
            let problem = "is not that of a llama; name its architecture";
            Err(InputError::key(name, key, problem))
        }
        None => Ok(()),
    }
}

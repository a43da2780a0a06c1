//! The parts of a model's chain, by the names of its layers, and the formats that recipes name.

use std::collections::BTreeMap;

use edgeplan_formats::Format;
use edgeplan_model::TensorClass;
use edgeplan_model::recipe::parse_label;
use edgeplan_problem::deployment::{Deployment, DeviceId, Model, Plan};

/// Which part of a model a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Token ids to hidden states.
    Embedding,
    /// A block, by number.
    Block(usize),
    /// Hidden states to logits.
    Head,
}

/// How tensors of a layer are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// As the file has them.
    Native,
    /// One format, and the classes that have another one.
    As(Format, BTreeMap<TensorClass, Format>),
}

/// A layer of a plan: where it runs and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Which part it is.
    pub part: Part,
    /// The device.
    pub device: DeviceId,
    /// The recipe, as the plan names it.
    pub recipe: String,
    /// What that means.
    pub stored: Stored,
}

/// Joins the names of the layers, and of the recipes, of both ends of a chain.
const AND: &str = " & ";

/// The name of the layer that is both ends of a chain in one.
pub(crate) fn both_ends() -> String {
    both("embedding", "head")
}

/// Two names, or two recipes, in one.
pub(crate) fn both(first: &str, second: &str) -> String {
    format!("{first}{AND}{second}")
}

/// The parts of a model.
///
/// # Errors
/// Layers that are not an embedding, blocks and a head.
pub(crate) fn parts(model: &Model) -> Result<Vec<Part>, String> {
    parts_called(&model.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>())
}

fn parts_called(names: &[&str]) -> Result<Vec<Part>, String> {
    let part = |(index, name): (usize, &&str)| match (index, *name) {
        (0, "embedding") => Ok(Part::Embedding),
        (_, "head") if index > 0 && index + 1 == names.len() => Ok(Part::Head),
        (_, name) if index > 0 && name == format!("block {}", index - 1) => {
            Ok(Part::Block(index - 1))
        }
        _ => Err(format!(
            "layer {index} is called `{name}`; engines run `embedding`, `block 0`, `block 1`, ..., \
             `head`"
        )),
    };
    let parts: Vec<Part> = names.iter().enumerate().map(part).collect::<Result<_, _>>()?;
    match parts.last() {
        Some(Part::Head) => Ok(parts),
        _ => Err("the last layer is no `head`".into()),
    }
}

/// What a recipe says.
///
/// # Errors
/// A recipe that names no format.
pub(crate) fn stored(recipe: &str) -> Result<Stored, String> {
    match recipe {
        "native" => Ok(Stored::Native),
        _ => parse_label(recipe).map(|(base, others)| Stored::As(base, others)),
    }
}

impl Stored {
    /// The formats in use; none that are known for a native recipe.
    pub fn formats(&self) -> Vec<Format> {
        match self {
            Self::Native => Vec::new(),
            Self::As(base, others) => {
                std::iter::once(*base).chain(others.values().copied()).collect()
            }
        }
    }

    /// The format of a class of tensors; none that is known for a native recipe.
    pub fn format(&self, class: TensorClass) -> Option<Format> {
        match self {
            Self::Native => None,
            Self::As(base, others) => Some(*others.get(&class).unwrap_or(base)),
        }
    }
}

/// The layers of a plan of one model, embedding first and head last, whether or not the question
/// joins these two.
///
/// # Errors
/// More than one model, or layers or recipes with unknown names.
pub fn placed(deployment: &Deployment, plan: &Plan) -> Result<Vec<Placed>, String> {
    let [model] = deployment.models.as_slice() else {
        let names: Vec<&str> = deployment.models.iter().map(|model| model.name.as_str()).collect();
        return Err(format!("{} models ({}); one can be exported", names.len(), names.join(", ")));
    };
    let mut chosen: Vec<(String, DeviceId, String)> = Vec::new();
    for (layer, choice) in model.layers.iter().zip(&plan.models[0]) {
        let recipe = layer.options[choice.option.index()].recipe.clone();
        chosen.push((layer.name.clone(), choice.device, recipe));
    }
    if chosen[0].0 == both_ends() {
        let (_, device, recipe) = chosen.remove(0);
        let (first, last) = recipe.split_once(AND).unwrap_or((&recipe, &recipe));
        chosen.insert(0, ("embedding".into(), device, first.into()));
        chosen.push(("head".into(), device, last.into()));
    }
    let parts = parts_called(&chosen.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>())?;
    parts
        .into_iter()
        .zip(chosen)
        .map(|(part, (name, device, recipe))| {
            let stored = stored(&recipe).map_err(|problem| format!("{name}: {problem}"))?;
            Ok(Placed { part, device, recipe, stored })
        })
        .collect()
}

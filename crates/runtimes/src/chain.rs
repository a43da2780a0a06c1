//! The layers of a plan as engines see them: embedding, blocks, head.

use edgeplan_problem::deployment::{Deployment, DeviceId, LayerRole, Model, Part, Plan};
use edgeplan_problem::recipe::{FormatMix, Recipe};

/// A layer of a plan: where it runs and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Which part it is.
    pub part: Part,
    /// The device.
    pub device: DeviceId,
    /// How it is stored: [`Recipe::Native`] or [`Recipe::Mix`].
    pub recipe: Recipe,
}

/// The parts of a model.
///
/// # Errors
/// Layers that are not an embedding, blocks and a head.
pub(crate) fn parts(model: &Model) -> Result<Vec<Part>, String> {
    in_order(model.layers.iter().map(|layer| layer.role.clone()))
}

/// The parts that these roles are, if they are those of a whole chain.
fn in_order(roles: impl IntoIterator<Item = LayerRole>) -> Result<Vec<Part>, String> {
    let roles: Vec<LayerRole> = roles.into_iter().collect();
    let last = roles.len() - 1;
    // The next block, and whether the block before may have a second part.
    let (mut next, mut open) = (0, false);
    let mut part = |(index, role): (usize, &LayerRole)| {
        let found = role.part().filter(|part| match *part {
            Part::Embedding => index == 0,
            Part::Head => index > 0 && index == last,
            Part::Block(block) | Part::Attention(block) => index > 0 && block == next,
            Part::FeedForward(block) | Part::Experts(block) => {
                index > 0 && (block == next || open && block + 1 == next)
            }
        });
        if let Some(block) = found.and_then(Part::block) {
            next = block + 1;
        }
        open = matches!(found, Some(Part::Attention(_)));
        found.ok_or_else(|| {
            format!(
                "layer {index} is called `{role}`; engines run `embedding`, `block 0`, `block 1`, \
                 ..., `head`, a block whole or as `block 0 attention` and `block 0 experts` or \
                 `block 0 ffn`"
            )
        })
    };
    let parts: Vec<Part> = roles.iter().enumerate().map(&mut part).collect::<Result<_, _>>()?;
    match parts.last() {
        Some(Part::Head) => Ok(parts),
        _ => Err("the last layer is no `head`".into()),
    }
}

/// Checks that a recipe says how tensors are stored.
///
/// # Errors
/// A recipe that names no format.
pub(crate) fn check(recipe: &Recipe) -> Result<(), String> {
    match recipe {
        Recipe::Native | Recipe::Mix(_) => Ok(()),
        Recipe::Ends(ends) => ends.iter().try_for_each(check),
        Recipe::Other(text) => {
            text.parse::<FormatMix>().map(drop).map_err(|error| error.to_string())
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
    let mut chosen: Vec<(LayerRole, DeviceId, Recipe)> = Vec::new();
    for (layer, choice) in model.layers.iter().zip(&plan.models[0]) {
        let recipe = layer.options[choice.option.index()].recipe.clone();
        chosen.push((layer.role.clone(), choice.device, recipe));
    }
    if chosen[0].0 == LayerRole::BothEnds {
        let (_, device, recipe) = chosen.remove(0);
        let [first, last] = match recipe {
            Recipe::Ends(ends) => *ends,
            both => [both.clone(), both],
        };
        chosen.insert(0, (Part::Embedding.into(), device, first));
        chosen.push((Part::Head.into(), device, last));
    }
    let parts = in_order(chosen.iter().map(|(role, ..)| role.clone()))?;
    parts
        .into_iter()
        .zip(chosen)
        .map(|(part, (_, device, recipe))| {
            check(&recipe).map_err(|problem| format!("{part}: {problem}"))?;
            Ok(Placed { part, device, recipe })
        })
        .collect()
}

//! Whether `llama-quantize` stored what the plan says.

use std::path::Path;

use anyhow::{Result, bail};
use edgeplan_files::deployment::PlanFile;
use edgeplan_model::ModelSpec;

/// Whether a plan chooses formats: one of a quantized file does not.
pub(crate) fn chooses(plan: &PlanFile) -> bool {
    plan.models[0].layers.iter().any(|layer| layer.recipe.mix().is_some())
}

/// Compares a file with the plan that it was made by.
pub(crate) fn check(plan: &PlanFile, file: &Path) -> Result<()> {
    let model = edgeplan_model::load(&file.display().to_string())?;
    let wrong = differences(plan, &model);
    match wrong.is_empty() {
        true => Ok(()),
        false => bail!("{}: {}", file.display(), wrong.join("; ")),
    }
}

/// Tensors that have another type than planned; those that no plan chooses are not looked at.
fn differences(plan: &PlanFile, model: &ModelSpec) -> Vec<String> {
    let mut found = Vec::new();
    for (layer, planned) in model.layers.iter().zip(&plan.models[0].layers) {
        let Some(mix) = planned.recipe.mix() else { continue };
        for tensor in &layer.tensors {
            if !edgeplan_model::TensorClass::MATRICES.contains(&tensor.class) {
                continue;
            }
            let wanted = mix.format(tensor.class);
            let stored = tensor.native.map_or("nothing", |stored| stored.name);
            if stored != wanted.name() {
                found.push(format!("{}: {stored} instead of {wanted}", tensor.name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_model::StoredType;
    use edgeplan_problem::format::Format;

    use crate::splits::tests::plan;

    #[test]
    fn a_tensor_of_another_type_is_named() {
        let mut model = edgeplan_model::load("catalog:tinyllama-1.1b").unwrap();
        let plan = plan(model.layers.len() - 2, "q4_K+attn_v:q6_K");
        assert!(chooses(&plan));
        for tensor in model.layers.iter_mut().flat_map(|layer| &mut layer.tensors) {
            let right = match tensor.class {
                edgeplan_model::TensorClass::AttnV => Format::Q6K,
                _ => Format::Q4K,
            };
            tensor.native = Some(StoredType::from(right));
        }
        assert_eq!(differences(&plan, &model), [""; 0]);
        model.layers[3].tensors[0].native = Some(StoredType::from(Format::Q8_0));
        let name = &model.layers[3].tensors[0].name;
        assert_eq!(differences(&plan, &model), [format!("{name}: q8_0 instead of q4_K")]);
    }
}

//! Just enough memory: where placement and formats decide together.

use std::collections::BTreeSet;

use edgeplan_problem::deployment::{Deployment, Model};
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Bytes, Loss};

use edgeplan_files::InputError;

/// The same question with less memory (or more): what all devices together have for layers is
/// `percent` of what the models need in their smallest uniform format within the quality budget;
/// every device keeps its share. 105 leaves 5 % to lose between layers that do not divide.
///
/// # Errors
/// When no uniform format keeps a model within its budget, or the devices have no room to share.
pub fn tight(mut instance: Deployment, percent: u64) -> Result<Deployment, InputError> {
    let error = |problem: &str| InputError::file(instance.name.clone(), problem);
    let need: Option<Vec<Bytes>> = instance.models.iter().map(need).collect();
    let need: Bytes = need
        .ok_or_else(|| error("no uniform format is within the quality budget"))?
        .into_iter()
        .sum();
    let activations: Bytes = instance.models.iter().map(|model| model.activation).sum();
    let rooms: Vec<u64> = instance
        .devices
        .iter()
        .map(|device| device.memory.saturating_sub(device.overhead + activations).0)
        .collect();
    let total: u128 = rooms.iter().map(|&room| u128::from(room)).sum();
    if total == 0 {
        return Err(error("no device has room for a layer"));
    }
    let shared = u128::from(need.0) * u128::from(percent) / 100;
    for (device, room) in instance.devices.iter_mut().zip(rooms) {
        let room = shared * u128::from(room) / total;
        device.memory =
            device.overhead + activations + Bytes(u64::try_from(room).unwrap_or(u64::MAX));
    }
    instance.name = format!("{}-tight-{percent}", instance.name);
    instance.checked().map_err(|invalid| InputError::file("tight", invalid.to_string()))
}

/// The same question with a quality budget of `percent` of what it allows; models without a budget
/// keep none.
pub fn strict(mut instance: Deployment, percent: u64) -> Deployment {
    for model in &mut instance.models {
        let scaled = |most: Loss| u128::from(most.0) * u128::from(percent) / 100;
        model.loss_max =
            model.loss_max.map(|most| Loss(u64::try_from(scaled(most)).unwrap_or(u64::MAX)));
    }
    instance.name = format!("{}-quality-{percent}", instance.name);
    instance
}

/// Bytes of the model in the smallest recipe that all layers have and whose loss is allowed.
fn need(model: &Model) -> Option<Bytes> {
    let recipes = model.layers.first()?.options.iter().map(|option| &option.recipe);
    recipes.filter_map(|recipe| uniform(model, recipe)).min()
}

/// Bytes of the model in one recipe; `None` where a layer lacks it or it loses too much.
fn uniform(model: &Model, recipe: &Recipe) -> Option<Bytes> {
    let (mut bytes, mut loss, mut shared) = (0, 0, BTreeSet::new());
    for layer in &model.layers {
        let option = layer.options.iter().find(|option| option.recipe == *recipe)?;
        bytes += option.bytes.0 + layer.kv.0;
        loss += option.loss.0;
        shared.extend(option.shared);
    }
    bytes += shared.into_iter().map(|index| model.shared[index].0).sum::<u64>();
    model.loss_max.is_none_or(|most| loss <= most.0).then_some(Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, Random, Realistic, random, realistic};
    use edgeplan_problem::format::Format;

    fn rooms(instance: &Deployment) -> Vec<u64> {
        let model = &instance.models[0];
        instance.device_ids().map(|id| instance.room(id, model).unwrap_or_default().0).collect()
    }

    #[test]
    fn memory_is_what_the_best_uniform_format_needs_and_a_little() {
        let home = realistic(&Realistic { network: Network::HomeLab, ..Realistic::default() });
        for instance in [home.unwrap(), random(&Random::default())] {
            let model = &instance.models[0];
            // q5_K is the coarsest uniform format of both families within their budget.
            let least: u64 = model
                .layers
                .iter()
                .map(|layer| {
                    let q5 = layer
                        .options
                        .iter()
                        .find(|option| option.recipe == Format::Q5K.into())
                        .unwrap();
                    q5.bytes.0 + layer.kv.0
                })
                .sum();
            let before = rooms(&instance);
            let small = tight(instance, 105).unwrap();
            let after = rooms(&small);
            let total: u64 = after.iter().sum();
            assert!(
                (least * 105 / 100 - 10..=least * 105 / 100).contains(&total),
                "{total} {least}"
            );
            let share = |rooms: &[u64]| rooms[1] as f64 / rooms.iter().sum::<u64>() as f64;
            assert!((share(&before) - share(&after)).abs() < 1e-6);
        }
    }

    #[test]
    fn without_a_format_in_budget_there_is_no_need() {
        let mut instance = random(&Random::default());
        instance.models[0].loss_max = Some(Loss(1));
        let error = tight(instance, 105).unwrap_err().to_string();
        assert!(error.ends_with("no uniform format is within the quality budget"), "{error}");
    }
}

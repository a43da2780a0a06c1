//! The same question for other requests: that end with their prompt, or that are timed as a whole.

use edgeplan_cost_model::Prediction;
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::Deployment;

use super::priced::{End, Times};
use super::{Builder, parts};
use crate::workload::Workload;
use edgeplan_files::InputError;
use edgeplan_machines::cluster::Cluster;
use edgeplan_model::recipes::TensorChoices;
use edgeplan_model::sensitivity::Sensitivity;
use edgeplan_model::{ModelSpec, TensorSpec};
use edgeplan_problem::recipe::Recipe;

/// Prices `instance`, which is [`deployment`](super::deployment) of the rest, for prompts alone:
/// compute and transfer times are those of prefill, everything else stays, so that plans of one are
/// plans of the other. What whole requests take beyond that is the time of decode. Compute times
/// are medians, or at one end of their intervals.
///
/// # Errors
/// As [`price`](super::price).
pub fn prompt_alone(
    models: &[ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
    instance: &Deployment,
    end: Option<End>,
) -> Result<Deployment, InputError> {
    let brief = Workload { generate: 0, ..workload.of_whole_requests() };
    repriced(models, cluster, &brief, instance, end)
}

/// Prices `instance`, which is [`deployment`](super::deployment) of the rest, for whole requests,
/// whose prompts are timed, too. Compute times are medians, or at one end of their intervals.
///
/// # Errors
/// As [`price`](super::price).
pub fn whole_requests(
    models: &[ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
    instance: &Deployment,
    end: Option<End>,
) -> Result<Deployment, InputError> {
    repriced(models, cluster, &workload.of_whole_requests(), instance, end)
}

/// The instance with its options, and the times of another workload: medians, or one end of their
/// intervals.
fn repriced(
    models: &[ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
    instance: &Deployment,
    end: Option<End>,
) -> Result<Deployment, InputError> {
    let builder = Builder::new(cluster, workload)?;
    let mut alone = instance.clone();
    (alone.latency_max, alone.bottleneck_max) = (None, None);
    for (spec, model) in parts(models, cluster, workload).iter().zip(&mut alone.models) {
        let sensitivity = Sensitivity::new(spec, &workload.floor());
        model.messages = builder.messages(spec);
        for (layer, priced) in spec.layers.iter().zip(&mut model.layers) {
            let (chosen, kept): (Vec<&TensorSpec>, Vec<&TensorSpec>) =
                layer.tensors.iter().partition(|tensor| tensor.quantizable);
            let choices: Vec<(TensorChoices, Vec<Times>)> = chosen
                .iter()
                .map(|tensor| builder.choices(spec, layer, tensor, sensitivity))
                .collect::<Result<_, _>>()?;
            let kept = builder.kept_time(spec, layer, &kept)?;
            for option in &mut priced.options {
                let times = times(&choices, &kept, &option.recipe);
                option.compute = times.into_iter().map(|time| Some(at(time?, end))).collect();
            }
        }
    }
    Ok(alone)
}

/// Time by device of a recipe.
fn times(
    choices: &[(TensorChoices, Vec<Times>)],
    kept: &[Option<Prediction>],
    recipe: &Recipe,
) -> Times {
    let mut times = kept.to_vec();
    for (tensor, known) in choices {
        let wanted = recipe.mix().map(|mix| mix.format(tensor.class));
        let choice = tensor.choices.iter().position(|choice| Some(choice.format) == wanted);
        let Some(choice) = choice else {
            return vec![None; kept.len()];
        };
        for (time, more) in times.iter_mut().zip(&known[choice]) {
            *time = time.zip(*more).map(|(time, more)| time + more);
        }
    }
    times
}

fn at(time: Prediction, end: Option<End>) -> Nanos {
    match end {
        None => time.median,
        Some(End::Low) => time.low,
        Some(End::High) => time.high,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::deployment;

    const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

    #[test]
    fn a_prompt_is_a_part_of_every_time() {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        let models = [edgeplan_model::load("catalog:llama-3.1-8b").unwrap()];
        let workload = Workload::default();
        let instance = deployment(&models, &cluster, &workload).unwrap();
        let alone = prompt_alone(&models, &cluster, &workload, &instance, None).unwrap();
        for (whole, first) in instance.models[0].layers.iter().zip(&alone.models[0].layers) {
            for (whole, first) in whole.options.iter().zip(&first.options) {
                for (all, prompt) in whole.compute.iter().zip(&first.compute) {
                    assert_eq!(all.is_some(), prompt.is_some(), "{}", whole.recipe);
                    // Looking up an embedding takes none.
                    let some = *all == Some(Nanos::ZERO) || *prompt > Some(Nanos::ZERO);
                    assert!(prompt <= all && some, "{}", whole.recipe);
                }
            }
        }
        // What is built for prompts alone costs the same, where it offers the same recipes.
        let brief = Workload { generate: 0, ..workload };
        let built = deployment(&models, &cluster, &brief).unwrap();
        let block = |instance: &Deployment| {
            let options = instance.models[0].layers[5].options.clone();
            options.into_iter().map(|o| (o.recipe, o.compute)).collect::<BTreeMap<_, _>>()
        };
        let (ours, theirs) = (block(&alone), block(&built));
        let common: Vec<&Recipe> = ours.keys().filter(|r| theirs.contains_key(*r)).collect();
        assert!(common.len() >= 5, "{common:?}");
        assert!(common.iter().all(|recipe| ours[*recipe] == theirs[*recipe]));
        assert_eq!(alone.models[0].messages, built.models[0].messages);
    }
}

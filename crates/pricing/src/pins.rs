//! What a person has decided already: where layers run, and how often each model is asked.

use std::ops::RangeInclusive;

use edgeplan_problem::deployment::{Deployment, DeviceId, Model};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workload::Workload;
use edgeplan_files::{InputError, nearest};

/// Layers that must run on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// A layer, or the first and the last of several: `embedding`, `block 3`, `block 3 experts`,
    /// `0..3`, `block 2 .. head`. A block is all of its parts. A number is a place in
    /// the chain, the embedding's being 0.
    pub layers: String,
    /// A device of the cluster.
    pub device: String,
    /// The only model meant; all of them if none.
    #[serde(default)]
    pub model: Option<String>,
}

/// Writes the workload's pins and weights into the question.
///
/// # Errors
/// An unknown layer, device or model with the nearest known one; a layer pinned twice.
pub(crate) fn apply(workload: &Workload, deployment: &mut Deployment) -> Result<(), InputError> {
    let error = |key: String, problem: String| InputError::key("workload", key, problem);
    let models = |name: &str, deployment: &Deployment| {
        let known = || deployment.models.iter().map(|model| model.name.as_str());
        known().position(|known| known == name).ok_or_else(|| unknown("model", name, known()))
    };
    for (name, &weight) in &workload.weight {
        let model = models(name, deployment).map_err(|text| error("weight".into(), text))?;
        deployment.models[model].weight = weight;
    }
    for (index, pin) in workload.pin.iter().enumerate() {
        let at = |key: &str| format!("pin[{index}].{key}");
        let names = || deployment.devices.iter().map(|device| device.name.as_str());
        let device = names()
            .position(|name| name == pin.device)
            .ok_or_else(|| error(at("device"), unknown("device", &pin.device, names())))?;
        let only = pin.model.as_ref().map(|name| models(name, deployment)).transpose();
        let only = only.map_err(|text| error(at("model"), text))?;
        let meant = only.map_or(0..deployment.models.len(), |model| model..model + 1);
        for model in &mut deployment.models[meant] {
            pin.write(model, DeviceId(device as u16))
                .map_err(|text| error(at("layers"), format!("{text} in {}", model.name)))?;
        }
    }
    Ok(())
}

impl Pin {
    fn write(&self, model: &mut Model, device: DeviceId) -> Result<(), String> {
        let range = self.range(model)?;
        for layer in &mut model.layers[range] {
            if layer.pin.is_some_and(|pin| pin != device) {
                return Err(format!(
                    "{} is pinned to another device already (`privacy` pins the first layer)",
                    layer.role
                ));
            }
            layer.pin = Some(device);
        }
        Ok(())
    }

    /// First and last place in the chain.
    fn range(&self, model: &Model) -> Result<RangeInclusive<usize>, String> {
        let (first, last) = self.layers.split_once("..").unwrap_or((&self.layers, &self.layers));
        let (first, last) = (places(first.trim(), model)?, places(last.trim(), model)?);
        let (first, last) = (*first.start(), *last.end());
        if first > last {
            return Err(format!("`{}`: the first layer comes after the last", self.layers));
        }
        Ok(first..=last)
    }
}

/// The places of a layer by its number or name; of a block all of its parts.
fn places(text: &str, model: &Model) -> Result<RangeInclusive<usize>, String> {
    if let Ok(place) = text.parse::<usize>() {
        let last = model.layers.len() - 1;
        let problem = || format!("`{text}`; 0 to {last} are allowed");
        return (place <= last).then_some(place..=place).ok_or_else(problem);
    }
    let names: Vec<String> = model.layers.iter().map(|layer| layer.role.to_string()).collect();
    let parts = format!("{text} ");
    let meant =
        |name: &String| name == text || text.starts_with("block ") && name.starts_with(&parts);
    let found = names.iter().position(meant).zip(names.iter().rposition(meant));
    let found = found.map(|(first, last)| first..=last);
    found.ok_or_else(|| unknown("layer", text, names.iter().map(String::as_str)))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?"));
    format!("there is no {what} `{name}`{}", hint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment;
    use edgeplan_machines::cluster::Cluster;

    const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

    fn built(text: &str) -> Result<Deployment, InputError> {
        let cluster = Cluster::parse("home-lab.toml", HOME)?;
        let models = [
            edgeplan_model::load("catalog:tinyllama-1.1b")?,
            edgeplan_model::load("catalog:smollm2-135m")?,
        ];
        deployment(&models, &cluster, &Workload::parse("w.toml", text)?)
    }

    #[test]
    fn layers_are_pinned_by_place_and_by_name() {
        let text = "weight = { 'smollm2-135m' = 3 }\n\
            [[pin]]\nlayers = '1..3'\ndevice = 'desktop'\nmodel = 'tinyllama-1.1b'\n\
            [[pin]]\nlayers = 'block 20 .. head'\ndevice = 'jetson-b'\n\
            [[pin]]\nlayers = 'embedding'\ndevice = 'laptop'\n";
        let instance = built(text).unwrap();
        let name = |pin: DeviceId| instance.device(pin).name.as_str();
        let pins = |model: usize| -> Vec<Option<&str>> {
            instance.models[model].layers.iter().map(|layer| layer.pin.map(name)).collect()
        };
        let (big, small) = (pins(0), pins(1));
        assert_eq!(
            big[..5],
            [Some("laptop"), Some("desktop"), Some("desktop"), Some("desktop"), None]
        );
        assert_eq!(small[..2], [Some("laptop"), None]);
        assert_eq!(big[20..], [None, Some("jetson-b"), Some("jetson-b"), Some("jetson-b")]);
        assert_eq!(small.iter().filter(|pin| **pin == Some("jetson-b")).count(), 11);
        assert_eq!([instance.models[0].weight, instance.models[1].weight], [1, 3]);
    }

    #[test]
    fn what_is_unknown_or_contradicts_itself_is_refused_by_key() {
        let pin = |layers: &str, device: &str| {
            format!("pin = [{{ layers = '{layers}', device = '{device}' }}]")
        };
        let cases = [
            (
                pin("embeding", "laptop"),
                "pin[0].layers: there is no layer `embeding`; did you mean",
            ),
            (pin("2..99", "laptop"), "pin[0].layers: `99`; 0 to 23 are allowed in tinyllama-1.1b"),
            (pin("3..1", "laptop"), "the first layer comes after the last"),
            (
                pin("1", "labtop"),
                "pin[0].device: there is no device `labtop`; did you mean `laptop`",
            ),
            (pin("0", "desktop"), "embedding is pinned to another device already"),
            ("weight = { smol = 2 }".into(), "weight: there is no model `smol`"),
            ("weight = { smol = 0 }".into(), "weight.smol: 0; 1 to"),
            ("max-layer-kl = -1.0".into(), "max-layer-kl: -1.0; 0 to 100"),
            ("max-layer-kl = 0.0".into(), "max-layer-kl: 0.0; the finest recipe of"),
            (
                "max-layer-kl = 0.1\nquality = { max-weight-difference = '2 %' }".into(),
                "max-layer-kl: needs a quality floor in nats",
            ),
        ];
        for (text, expected) in cases {
            let error = built(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn no_recipe_loses_more_than_the_ceiling() {
        let most = |text: &str| {
            let layers = built(text).unwrap().models.remove(0).layers;
            layers.into_iter().flat_map(|layer| layer.options).map(|option| option.loss.0).max()
        };
        assert!(most("") > Some(2_000_000));
        let ceiling = most("max-layer-kl = 0.002");
        assert!(Some(1_000_000) < ceiling && ceiling <= Some(2_000_000), "{ceiling:?}");
    }
}

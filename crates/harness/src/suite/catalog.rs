//! `home-lab`, `edge-sites` and `classes`: a model of the catalog on devices of the catalog.

use edgeplan_families::{Network, Realistic};
use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Objective, Placement};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::deployments::{Choice, Generator, Variations};
use super::family::decode;
use super::keys::{Few, List};
use super::{Case, parameters};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Layers of each model.
    layers: List<usize>,
    /// Devices.
    devices: List<usize>,
    /// Seeds.
    seeds: List<u64>,
    /// Formats to choose from.
    #[serde(default)]
    formats: Few,
    /// Most options of a layer, mixes by tensor class among them; `formats` if none.
    #[serde(default)]
    recipes: Few,
    /// `catalog:NAME`, its blocks cut or repeated to fit.
    model: Option<String>,
    /// Memory scaled to this percentage of what the best uniform format needs.
    #[serde(default)]
    tight_percent: Few,
    /// The quality budget, scaled.
    #[serde(default)]
    quality_percent: Few,
    /// What is minimised.
    objective: Option<Objective>,
    /// Where layers may lie.
    placement: Option<Placement>,
}

/// Those of `classes`, which has one key more.
#[derive(Debug, Deserialize)]
pub(super) struct ClassesKeys {
    /// Classes of identical devices.
    #[serde(default = "three")]
    classes: usize,
    #[serde(flatten)]
    others: toml::Table,
}

fn three() -> usize {
    3
}

impl ClassesKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        decode::<Keys>(&self.others)?.cases(Network::Classes(self.classes))
    }
}

impl Keys {
    pub(super) fn cases(&self, network: Network) -> Result<Vec<Case>, InputError> {
        let usual = Realistic::default();
        let model = self.model.as_ref().unwrap_or(&usual.model);
        edgeplan_model::load(model)
            .map_err(|error| InputError::key("", "model", error.to_string()))?;
        let objective = self.objective.unwrap_or(usual.objective);
        let placement = self.placement.unwrap_or(usual.placement);
        let product = iproduct!(
            self.layers.each(),
            self.devices.each(),
            self.formats.each(),
            self.recipes.each(),
            self.seeds.each()
        );
        let mut choices = Vec::new();
        for (&layers, &devices, formats, recipes, &seed) in product {
            let formats = formats.map_or(usual.formats, |count| count as usize);
            let family = Realistic {
                network,
                model: model.clone(),
                layers,
                devices,
                formats,
                recipes: recipes.map_or(formats, |count| count as usize),
                objective,
                placement,
                seed,
            };
            family.check()?;
            choices.push(choice(family));
        }
        let Self { tight_percent, quality_percent, .. } = self;
        let usual_placement = usual.placement;
        Variations { objective, placement, usual_placement, tight_percent, quality_percent }
            .cases(choices)
    }
}

fn choice(family: Realistic) -> Choice {
    let Realistic { layers, devices, recipes, seed, .. } = family;
    let name = match family.network {
        Network::HomeLab => "home-lab",
        Network::EdgeSites => "edge-sites",
        Network::Classes(_) => "classes",
    };
    let model = family.model.strip_prefix("catalog:").unwrap_or(&family.model);
    Choice {
        stem: format!("{name}-{model}-{layers}x{devices}x{recipes}"),
        seed: Some(seed),
        parameters: parameters(name, [("recipes", recipes as u64), ("models", 1)]),
        generator: Generator::Realistic(family),
    }
}

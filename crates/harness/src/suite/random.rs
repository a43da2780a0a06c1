//! `random`: every number is drawn.

use edgeplan_families::Random;
use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Objective, Placement};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::deployments::{Alike, Choice, Generator, Variations};
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
    /// Models that share the devices.
    #[serde(default)]
    models: Few,
    /// Memory over what 5 bits per weight need; 143 if none.
    #[serde(default)]
    memory_percent: Few,
    /// Memory scaled to this percentage of what the best uniform format needs.
    #[serde(default)]
    tight_percent: Few,
    /// The quality budget, scaled.
    #[serde(default)]
    quality_percent: Few,
    /// Identical devices: each as the mean of all.
    #[serde(default)]
    devices_alike: bool,
    /// Identical layers: each as the mean of its model's.
    #[serde(default)]
    layers_alike: bool,
    /// What is minimised.
    objective: Option<Objective>,
    /// Where layers may lie.
    placement: Option<Placement>,
}

impl Keys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        self.models.check("models", &(1..=1024))?;
        let usual = Random::default();
        let objective = self.objective.unwrap_or(usual.objective);
        let placement = self.placement.unwrap_or(usual.placement);
        let product = iproduct!(
            self.layers.each(),
            self.devices.each(),
            self.formats.each(),
            self.models.each(),
            self.memory_percent.each(),
            self.seeds.each()
        );
        let mut choices = Vec::new();
        for (&layers, &devices, formats, models, memory_percent, &seed) in product {
            let chain = Random {
                layers,
                devices,
                formats: formats.map_or(usual.formats, |count| count as usize),
                memory_percent: memory_percent.unwrap_or(usual.memory_percent),
                objective,
                placement,
                seed,
            };
            chain.check()?;
            choices.push(self.choice(chain, models));
        }
        let Self { tight_percent, quality_percent, .. } = self;
        let usual_placement = usual.placement;
        Variations { objective, placement, usual_placement, tight_percent, quality_percent }
            .cases(choices)
    }
}

impl Keys {
    fn choice(&self, chain: Random, models: Option<u64>) -> Choice {
        let Random { layers, devices, formats, memory_percent, .. } = chain;
        let several = models.map(|models| format!("-models-{models}")).unwrap_or_default();
        let models = models.unwrap_or(1);
        let alike = Alike { devices: self.devices_alike, layers: self.layers_alike };
        let word = alike.word();
        let mut parameters = parameters("random", [("memory", memory_percent), ("models", models)]);
        if let Some(word) = word {
            parameters.insert("alike".into(), word.into());
        }
        let word = word.map(|word| format!("-alike-{word}")).unwrap_or_default();
        Choice {
            stem: format!("random-{layers}x{devices}x{formats}-m{memory_percent}{several}{word}"),
            seed: Some(chain.seed),
            parameters,
            generator: Generator::Random { chain, models: models as usize, alike },
        }
    }
}

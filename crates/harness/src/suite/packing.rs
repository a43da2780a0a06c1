//! `packing`: 3-partition written as a deployment.

use edgeplan_families::{Items, Packing, packing};
use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Objective, Placement};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::deployments::{Choice, Generator, Variations};
use super::keys::{Few, List};
use super::{Case, parameters};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Bins to fill.
    bins: List<usize>,
    /// Seeds.
    seeds: List<u64>,
    /// What an item becomes.
    #[serde(default)]
    items: ItemsKey,
    /// Room to spare.
    #[serde(default)]
    slack_permille: Few,
    /// Memory scaled to this percentage of what the best uniform format needs.
    #[serde(default)]
    tight_percent: Few,
    /// What is minimised.
    objective: Option<Objective>,
    /// Where layers may lie.
    placement: Option<Placement>,
}

/// What an item becomes.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ItemsKey {
    /// A layer.
    #[default]
    Layers,
    /// A model.
    Models,
}

impl Keys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let items = match self.items {
            ItemsKey::Layers => Items::Layers,
            ItemsKey::Models => Items::Models,
        };
        let product = iproduct!(self.bins.each(), self.slack_permille.each(), self.seeds.each());
        let mut choices = Vec::new();
        for (&bins, slack, &seed) in product {
            let slack_permille = slack.unwrap_or(0);
            let family = Packing { bins, items, slack_permille, seed };
            // Drawn only to see whether the numbers are in their range.
            packing(&family)?;
            choices.push(choice(family));
        }
        let variations = Variations {
            objective: self.objective.unwrap_or(Objective::Latency),
            placement: self.placement.unwrap_or(Placement::Free),
            usual_placement: Placement::Free,
            tight_percent: &self.tight_percent,
            quality_percent: &Few::default(),
        };
        variations.cases(choices)
    }
}

fn choice(family: Packing) -> Choice {
    let Packing { bins, items, slack_permille, seed } = family;
    let (items, models) = match items {
        Items::Layers => ("layers", 1),
        Items::Models => ("models", 3 * bins as u64),
    };
    let slack = match slack_permille {
        0 => String::new(),
        permille => format!("-slack-{permille}"),
    };
    let own = [("bins", bins as u64), ("slack", slack_permille), ("models", models)];
    Choice {
        stem: format!("packing-{items}-{bins}{slack}"),
        seed: Some(seed),
        parameters: parameters("packing", own),
        generator: Generator::Packing(family),
    }
}

//! What all parts of a picture need to know about a plan.

use std::collections::BTreeMap;

use edgeplan_problem::deployment::{
    Account, Deployment, DeviceId, Objective, Part, Plan, Stage, Visit, part_names,
};

use crate::theme::SHADES_MAX;

/// A plan that fits its instance, with its bill.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) instance: &'a Deployment,
    pub(crate) plan: &'a Plan,
    pub(crate) account: &'a Account,
    /// Base formats in use, from few bits to many.
    pub(crate) formats: Vec<String>,
    /// The devices that hold layers, in the order in which requests visit them.
    pub(crate) used: Vec<DeviceId>,
    /// The device that sets the pace, where that is what is minimised.
    pub(crate) busiest: Option<DeviceId>,
}

impl<'a> Scene<'a> {
    /// `account` must be the bill of that plan for that instance.
    pub(crate) fn new(instance: &'a Deployment, plan: &'a Plan, account: &'a Account) -> Self {
        let mut used: Vec<DeviceId> = Vec::new();
        for stage in account.models.iter().flat_map(|model| &model.stages) {
            if !used.contains(&stage.device) {
                used.push(stage.device);
            }
        }
        let pace = |id: &DeviceId| {
            let bill = &account.devices[id.index()];
            bill.compute.max(bill.sending) == account.bottleneck
        };
        let paced = instance.objective == Objective::Bottleneck && account.bottleneck.0 > 0;
        let busiest = paced.then(|| instance.device_ids().find(pace)).flatten();
        let mut scene = Self { instance, plan, account, formats: Vec::new(), used, busiest };
        for model in 0..instance.models.len() {
            for layer in 0..instance.models[model].layers.len() {
                let format = base(&scene.recipe(model, layer)).to_owned();
                if !scene.formats.contains(&format) {
                    scene.formats.push(format);
                }
            }
        }
        scene.formats.sort_by_cached_key(|format| (bits(format), format.clone()));
        scene
    }

    /// The recipe of a layer.
    pub(crate) fn recipe(&self, model: usize, layer: usize) -> String {
        let option = self.plan.models[model][layer].option;
        self.instance.models[model].layers[layer].options[option.index()].recipe.to_string()
    }

    /// The recipes of these layers with how many of them use each, commonest first.
    pub(crate) fn recipes(
        &self,
        model: usize,
        layers: impl IntoIterator<Item = usize>,
    ) -> Vec<(usize, String)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for layer in layers {
            *counts.entry(self.recipe(model, layer)).or_default() += 1;
        }
        let mut counts: Vec<(usize, String)> =
            counts.into_iter().map(|(recipe, count)| (count, recipe)).collect();
        counts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        counts
    }

    /// `block 0 .. 12`, as short as the names allow.
    pub(crate) fn run(&self, model: usize, first: usize, last: usize) -> String {
        let layers = &self.instance.models[model].layers;
        let (first, last) = (layers[first].role.to_string(), layers[last].role.to_string());
        if first == last {
            return first;
        }
        // `block 0 .. 12`, but `block 0 .. head`
        let shared = first.rfind(' ').map_or(0, |space| space + 1);
        let tail = last.get(shared..).filter(|_| last.get(..shared) == first.get(..shared));
        format!("{first} .. {}", tail.unwrap_or(&last))
    }

    /// The visits of hosts that a model's route is.
    pub(crate) fn visits(&self, model: usize) -> Vec<Visit> {
        self.instance.visits(&self.account.models[model].stages)
    }

    /// The layers of stages of one device: kinds and ranges, or how many runs of layers that are
    /// parts of no transformer.
    pub(crate) fn parts(&self, model: usize, stages: &[&Stage]) -> String {
        let layers = &self.instance.models[model].layers;
        let here = stages.iter().flat_map(|stage| &layers[stage.first..=stage.last]);
        let parts: Option<Vec<Part>> = here.map(|layer| layer.role.part()).collect();
        parts.map_or_else(|| count(stages.len(), "run"), |parts| part_names(&parts))
    }

    /// The class that colours a recipe.
    pub(crate) fn shade(&self, recipe: &str) -> String {
        let index = self.formats.iter().position(|format| *format == base(recipe)).unwrap_or(0);
        let count = self.formats.len();
        let shade = if count <= SHADES_MAX { index } else { index * SHADES_MAX / count };
        format!("f{shade}")
    }

    /// A device's number in the order of visits, from 1; `None` where it holds no layer.
    pub(crate) fn number(&self, device: DeviceId) -> Option<usize> {
        self.used.iter().position(|used| *used == device).map(|position| position + 1)
    }

    /// A device's name.
    pub(crate) fn name(&self, device: DeviceId) -> &'a str {
        &self.instance.device(device).name
    }

    /// The heading of a model's part: its name where there are several.
    pub(crate) fn part(&self, what: &str, model: usize) -> String {
        match self.instance.models.len() {
            1 => what.to_owned(),
            _ => format!("{what} of {}", self.instance.models[model].name),
        }
    }
}

/// `1 layer`, `2 layers`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The format of most tensors: what stands before the first `+`.
pub(crate) fn base(recipe: &str) -> &str {
    recipe.split('+').next().unwrap_or(recipe)
}

/// Bits per weight as the name tells them (`iq2_xxs`, `f16`); a name that tells none comes last,
/// because it is what a model was delivered in.
fn bits(format: &str) -> u32 {
    let digits = format.trim_start_matches(|char: char| !char.is_ascii_digit());
    let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_ordered_by_bits() {
        let mut formats = ["native", "f16", "q4_K", "iq2_xxs", "tq1_0", "bf16", "q8_0", ""];
        formats.sort_by_key(|format| (bits(format), *format));
        assert_eq!(formats, ["tq1_0", "iq2_xxs", "q4_K", "q8_0", "bf16", "f16", "", "native"]);
        assert_eq!(base("q4_K+attn_k:q6_K,attn_v:q6_K"), "q4_K");
    }
}

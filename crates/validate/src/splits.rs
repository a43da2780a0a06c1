//! How people cut a model, as plan files made from the planner's: its formats, other devices.

use std::collections::BTreeMap;

use edgeplan_files::deployment::{PlanFile, PlannedLayer};
use edgeplan_problem::deployment::Part;

use crate::quantized::chooses;
use crate::suite::SOURCE;

/// A way of cutting a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// `edgeplan plan --for llama.cpp`.
    Plan,
    /// What llama.cpp does with its list of servers alone: shares by free memory, which is the
    /// same for all of them on one machine, none for the source.
    Default,
    /// As many blocks for each device, the source included.
    Even,
    /// As much as fits on the fastest device, then on the next one.
    FastestFirst,
    /// What llama.cpp's `--fit` does, told how much memory each accelerator has.
    Fit,
    /// `--n-cpu-moe N` at the best N of those that fit.
    CpuExperts,
    /// `--gpu-layers N` at the best N of those that fit.
    GpuLayers,
}

impl Split {
    /// Those of machines, each with one memory.
    pub(crate) const MACHINES: [Self; 4] =
        [Self::Plan, Self::Default, Self::Even, Self::FastestFirst];
    /// Those of a machine with accelerators.
    pub(crate) const ACCELERATORS: [Self; 4] =
        [Self::Plan, Self::Fit, Self::CpuExperts, Self::GpuLayers];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Default => "default",
            Self::Even => "even",
            Self::FastestFirst => "fastest-first",
            Self::Fit => "fit",
            Self::CpuExperts => "n-cpu-moe",
            Self::GpuLayers => "gpu-layers",
        }
    }

    /// The solver that cuts so; `None` where the plan is changed.
    pub(crate) fn solver(self) -> Option<&'static str> {
        match self {
            Self::Plan => Some("chain-search"),
            Self::Default | Self::Even => None,
            Self::FastestFirst => Some("fastest-first"),
            Self::Fit => Some("llama-fit"),
            Self::CpuExperts => Some("n-cpu-moe"),
            Self::GpuLayers => Some("gpu-layers"),
        }
    }

    /// Whether llama.cpp decides where things lie, and is not told.
    pub(crate) fn is_automatic(self) -> bool {
        matches!(self, Self::Default | Self::Fit)
    }

    /// The plan with blocks and head elsewhere; `None` where another solver of `edgeplan` decides.
    pub(crate) fn cut(self, plan: &PlanFile, workers: &[&str]) -> Option<PlanFile> {
        let blocks = plan.models[0].layers.iter().filter(is_block).count();
        let places: Vec<&str> = match self {
            Self::Plan | Self::FastestFirst | Self::Fit | Self::CpuExperts | Self::GpuLayers => {
                return None;
            }
            Self::Default => by_share(blocks, workers),
            Self::Even => {
                let all: Vec<&str> =
                    std::iter::once(SOURCE).chain(workers.iter().copied()).collect();
                evenly(blocks, &all)
            }
        };
        let mut cut = plan.clone();
        let mut places = places.into_iter();
        for layer in &mut cut.models[0].layers {
            layer.device = match layer.layer.part() {
                Some(Part::Embedding) => SOURCE.into(),
                _ => places.next()?.into(),
            };
        }
        Some(cut)
    }
}

fn is_block(layer: &&PlannedLayer) -> bool {
    layer.layer.part().is_some_and(Part::is_block)
}

/// Devices of blocks and head by llama.cpp's rule for equal shares (`load_tensors`): the first
/// whose share ends after the layer, the head counting as one.
fn by_share<'a>(blocks: usize, workers: &[&'a str]) -> Vec<&'a str> {
    let layers = blocks + 1;
    (0..layers).map(|layer| workers[layer * workers.len() / layers]).collect()
}

/// Devices of blocks and head, the first ones taking what is left over.
fn evenly<'a>(blocks: usize, devices: &[&'a str]) -> Vec<&'a str> {
    let (each, more) = (blocks / devices.len(), blocks % devices.len());
    let runs = devices.iter().enumerate().map(|(i, name)| (name, each + usize::from(i < more)));
    let mut places: Vec<&str> =
        runs.flat_map(|(name, count)| std::iter::repeat_n(*name, count)).collect();
    places.extend(devices.last());
    places
}

/// Who holds how many blocks, in order, and the head: `source 4, a 18 + head`. Of blocks in parts
/// the attention, then the experts: `rpc0 22 + head; experts cpu 10, rpc0 12`.
pub(crate) fn summary(plan: &PlanFile) -> String {
    let behind = plan.models[0].layers.iter().filter(|l| l.layer != Part::Embedding.into());
    let (second, first): (Vec<_>, Vec<_>) = behind
        .partition(|l| matches!(l.layer.part(), Some(Part::Experts(_) | Part::FeedForward(_))));
    let mut text = runs(&first);
    if !second.is_empty() {
        text += &format!("; experts {}", runs(&second));
    }
    if chooses(plan) {
        text += &format!("; {}", recipes(plan));
    }
    text
}

/// How many layers are in which formats, where a plan chooses them.
fn recipes(plan: &PlanFile) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for layer in &plan.models[0].layers {
        *counts.entry(layer.recipe.to_string()).or_default() += 1;
    }
    let words: Vec<String> =
        counts.into_iter().map(|(recipe, count)| format!("{count} {recipe}")).collect();
    words.join(", ")
}

fn runs(layers: &[&PlannedLayer]) -> String {
    let mut runs: Vec<(&str, usize, bool)> = Vec::new();
    for layer in layers {
        let head = layer.layer == Part::Head.into();
        // The device of a host without the host's name.
        let name = layer.device.rsplit('/').next().unwrap_or_default();
        match runs.last_mut() {
            Some((device, count, ends)) if *device == name => {
                *count += usize::from(!head);
                *ends |= head;
            }
            _ => runs.push((name, usize::from(!head), head)),
        }
    }
    let word = |(device, count, head): (&str, usize, bool)| match (count, head) {
        (0, _) => format!("{device} head"),
        (_, true) => format!("{device} {count} + head"),
        (_, false) => format!("{device} {count}"),
    };
    runs.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All layers on one device, in one recipe.
    pub(crate) fn plan(blocks: usize, recipe: &str) -> PlanFile {
        let layer = |name: String| {
            format!("{{\"layer\": \"{name}\", \"device\": \"b\", \"recipe\": \"{recipe}\"}}")
        };
        let mut layers = vec![layer("embedding".into())];
        layers.extend((0..blocks).map(|block| layer(format!("block {block}"))));
        layers.push(layer("head".into()));
        let text = format!(
            "{{\"schema\": \"edgeplan-plan/1\", \"instance\": \"x\", \"models\": [{{\"name\": \
             \"m\", \"layers\": [{}]}}]}}",
            layers.join(", ")
        );
        PlanFile::parse("plan.json", &text).unwrap()
    }

    #[test]
    fn parts_of_blocks_are_told_apart() {
        let layer = |name: &str, device: &str| {
            format!("{{\"layer\": \"{name}\", \"device\": \"pc/{device}\", \"recipe\": \"q4_K\"}}")
        };
        let layers = [
            layer("embedding", "cpu"),
            layer("block 0 attention", "rpc0"),
            layer("block 0 experts", "cpu"),
            layer("block 1 attention", "rpc0"),
            layer("block 1 experts", "rpc0"),
            layer("head", "rpc0"),
        ];
        let text = format!(
            "{{\"schema\": \"edgeplan-plan/1\", \"instance\": \"x\", \"models\": [{{\"name\": \
             \"m\", \"layers\": [{}]}}]}}",
            layers.join(", ")
        );
        let plan = PlanFile::parse("plan.json", &text).unwrap();
        assert_eq!(summary(&plan), "rpc0 2 + head; experts cpu 1, rpc0 1; 6 q4_K");
    }

    #[test]
    fn cuts_are_those_of_their_rules() {
        let cases = [
            (Split::Default, 22, "a 12, b 10 + head; 24 q4_K"),
            (Split::Even, 22, "source 8, a 7, b 7 + head; 24 q4_K"),
            (Split::Default, 1, "a 1, b head; 3 q4_K"),
        ];
        for (split, blocks, expected) in cases {
            let cut = split.cut(&plan(blocks, "q4_K"), &["a", "b"]).unwrap();
            assert_eq!(summary(&cut), expected, "{split:?}");
            assert_eq!(cut.models[0].layers[0].device, SOURCE);
        }
        let three = Split::Default.cut(&plan(22, "q4_K"), &["a", "b", "c"]).unwrap();
        assert_eq!(summary(&three), "a 8, b 8, c 6 + head; 24 q4_K");
        assert_eq!(Split::Plan.cut(&plan(3, "q4_K"), &["a"]), None);
    }
}

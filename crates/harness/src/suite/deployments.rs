//! What all families of deployments have in common.

use std::ops::RangeInclusive;

use edgeplan_families::published::{EdgeShard, edgeshard};
use edgeplan_families::{
    Hosts, Packing, Random, Realistic, alike_devices, alike_layers, hosts, packing, realistic,
    several, strict, tight,
};
use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use itertools::iproduct;

use super::keys::Few;
use super::{Case, Parameters, Source};

/// From next to nothing to a thousand times what is needed.
const PERCENTS: RangeInclusive<u64> = 1..=100_000;

/// A deployment to generate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Generated {
    generator: Generator,
    objective: Objective,
    placement: Placement,
    tight_percent: Option<u64>,
    quality_percent: Option<u64>,
}

/// The generator and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Generator {
    Random { chain: Random, models: usize, alike: Alike },
    Realistic(Realistic),
    EdgeShard(EdgeShard),
    Hosts(Hosts),
    Packing(Packing),
}

/// What is the same all over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) devices: bool,
    pub(super) layers: bool,
}

impl Alike {
    /// What is alike, for names; nothing where nothing is.
    pub(super) fn word(self) -> Option<&'static str> {
        match (self.devices, self.layers) {
            (false, false) => None,
            (true, false) => Some("devices"),
            (false, true) => Some("layers"),
            (true, true) => Some("both"),
        }
    }

    fn apply(self, mut instance: Deployment) -> Deployment {
        if self.devices {
            instance = alike_devices(instance);
        }
        if self.layers { alike_layers(instance) } else { instance }
    }
}

impl Generated {
    /// What was drawn and is no parameter, as records call it.
    pub(super) fn columns(&self) -> Vec<(&'static str, u64)> {
        let Generator::Random { chain, models, .. } = &self.generator else { return Vec::new() };
        let layers = chain.layers * models;
        [("layers", layers), ("devices", chain.devices), ("options", chain.formats)]
            .map(|(name, count)| (name, count as u64))
            .to_vec()
    }

    /// The instance; `name` is for errors.
    pub(super) fn generate(&self, name: &str) -> Result<Deployment, InputError> {
        let mut instance = match &self.generator {
            Generator::Random { chain, models, alike } => alike.apply(several(chain, *models)),
            Generator::Realistic(family) => realistic(family)?,
            Generator::EdgeShard(testbed) => edgeshard(*testbed, self.objective)?,
            Generator::Hosts(family) => hosts(family)?,
            Generator::Packing(family) => packing(family)?,
        };
        instance.placement = self.placement;
        instance.objective = self.objective;
        if let Some(percent) = self.tight_percent {
            instance = tight(instance, percent)?;
        }
        // After the memory, which is measured by the budget as it was.
        if let Some(percent) = self.quality_percent {
            instance = strict(instance, percent);
        }
        instance.checked().map_err(|invalid| InputError::file(name, invalid.to_string()))
    }
}

/// What a family's own keys choose: one instance, but for what [`Variations`] makes of it.
#[derive(Debug)]
pub(super) struct Choice {
    /// How the instance's name begins.
    pub(super) stem: String,
    /// The end of its name, where it is drawn.
    pub(super) seed: Option<u64>,
    /// What records say that it was drawn with.
    pub(super) parameters: Parameters,
    pub(super) generator: Generator,
}

/// The keys that families of deployments share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variations<'a> {
    pub(super) objective: Objective,
    pub(super) placement: Placement,
    /// The placement that names of the family's instances do not mention.
    pub(super) usual_placement: Placement,
    pub(super) tight_percent: &'a Few,
    pub(super) quality_percent: &'a Few,
}

impl Variations<'_> {
    /// The cases: every choice in every variation.
    pub(super) fn cases(&self, choices: Vec<Choice>) -> Result<Vec<Case>, InputError> {
        self.tight_percent.check("tight-percent", &PERCENTS)?;
        self.quality_percent.check("quality-percent", &PERCENTS)?;
        let variations =
            iproduct!(&choices, self.tight_percent.each(), self.quality_percent.each());
        Ok(variations.map(|(choice, tight, quality)| self.case(choice, tight, quality)).collect())
    }

    /// The case, named by everything that tells it from its neighbours.
    fn case(&self, choice: &Choice, tight: Option<u64>, quality: Option<u64>) -> Case {
        let Self { objective, placement, usual_placement, .. } = *self;
        let mut name = choice.stem.clone();
        let mut parameters = choice.parameters.clone();
        for (key, percent) in [("tight", tight), ("quality", quality)] {
            if let Some(percent) = percent {
                name += &format!("-{key}-{percent}");
                parameters.insert(key.to_owned(), percent.into());
            }
        }
        name += match objective {
            Objective::Latency => "",
            Objective::Bottleneck => "-bottleneck",
            Objective::Memory => "-memory",
        };
        name += match placement {
            Placement::Free if usual_placement != Placement::Free => "-free",
            Placement::Free | Placement::Contiguous => "",
        };
        name += &choice.seed.map(|seed| format!("-{seed}")).unwrap_or_default();
        let generated = Generated {
            generator: choice.generator.clone(),
            objective,
            placement,
            tight_percent: tight,
            quality_percent: quality,
        };
        Case { name, parameters, source: Source::Deployment(Box::new(generated)) }
    }
}

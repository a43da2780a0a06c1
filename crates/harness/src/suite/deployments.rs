//! Families of deployments.

use edgeplan_families::published::{EdgeShard, edgeshard};
use edgeplan_families::{
    Items, Network, Packing, Random, Realistic, packing, realistic, several, strict, tight,
};
use edgeplan_files::InputError;
use edgeplan_pricing::workload::Returns;
use edgeplan_problem::deployment::{Deployment, Objective, Placement};

use super::family::{Family, FamilyName, ItemsName, few, required, within};
use super::{Case, Source};

/// A chain of layers, or several, on devices.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    parameters: Parameters,
    objective: Objective,
    placement: Placement,
    tight_percent: Option<u64>,
    quality_percent: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Parameters {
    /// And how many models of it, where that was said.
    Random(Random, Option<u64>),
    Realistic(Realistic),
    EdgeShard(EdgeShard),
    Packing(Packing),
}

/// Everything that is a list in the file, one value of each.
#[derive(Clone, Copy)]
struct Choice {
    layers: usize,
    devices: usize,
    seed: u64,
    formats: Option<u64>,
    recipes: Option<u64>,
    models: Option<u64>,
    memory_percent: Option<u64>,
}

impl Chain {
    /// The instance; `name` is for errors.
    pub(super) fn generate(&self, name: &str) -> Result<Deployment, InputError> {
        let mut instance = match &self.parameters {
            Parameters::Random(family, models) => several(family, models.unwrap_or(1) as usize),
            Parameters::Realistic(family) => realistic(family)?,
            Parameters::EdgeShard(testbed) => edgeshard(*testbed, self.objective)?,
            Parameters::Packing(family) => packing(family)?,
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

impl Family {
    /// The cases of a family of deployments.
    pub(super) fn chains(&self) -> Result<Vec<Case>, InputError> {
        let tights = few("tight-percent", &self.tight_percent)?;
        let qualities = few("quality-percent", &self.quality_percent)?;
        for (key, values) in [("tight-percent", &tights), ("quality-percent", &qualities)] {
            for &value in values.iter().flatten() {
                within(key, value, (1, 100_000))?;
            }
        }
        if let Some(model) = &self.model {
            edgeplan_model::load(model)
                .map_err(|error| InputError::key("", "model", error.to_string()))?;
        }
        let mut cases = Vec::new();
        for parameters in self.parameters()? {
            for &tight_percent in &tights {
                for &quality_percent in &qualities {
                    let (objective, placement) = (self.objective(), self.placement());
                    cases.push(self.case(Chain {
                        parameters: parameters.clone(),
                        objective,
                        placement,
                        tight_percent,
                        quality_percent,
                    }));
                }
            }
        }
        Ok(cases)
    }

    fn parameters(&self) -> Result<Vec<Parameters>, InputError> {
        let mut all = Vec::new();
        match self.name {
            FamilyName::Edgeshard => {
                for &agx in required("agx", &self.agx)? {
                    for &nx in required("nx", &self.nx)? {
                        let testbed = EdgeShard { agx, nx, returns: Returns::Token };
                        edgeshard(testbed, self.objective())?;
                        all.push(Parameters::EdgeShard(testbed));
                    }
                }
            }
            FamilyName::Packing => {
                for &bins in required("bins", &self.bins)? {
                    for slack in few("slack-permille", &self.slack_permille)? {
                        for &seed in required("seeds", &self.seeds)? {
                            let items = match self.items {
                                Some(ItemsName::Models) => Items::Models,
                                Some(ItemsName::Layers) | None => Items::Layers,
                            };
                            let slack_permille = slack.unwrap_or(0);
                            let family = Packing { bins, items, slack_permille, seed };
                            packing(&family)?;
                            all.push(Parameters::Packing(family));
                        }
                    }
                }
            }
            _ => {
                for choice in self.choices()? {
                    all.push(self.chain(choice)?);
                }
            }
        }
        Ok(all)
    }

    /// The product of the lists of a chain.
    fn choices(&self) -> Result<Vec<Choice>, InputError> {
        let (layers, devices) =
            (required("layers", &self.layers)?, required("devices", &self.devices)?);
        let mut choices = Vec::new();
        for &layers in layers {
            for &devices in devices {
                for formats in few("formats", &self.formats)? {
                    for recipes in few("recipes", &self.recipes)? {
                        for models in few("models", &self.models)? {
                            for memory_percent in few("memory-percent", &self.memory_percent)? {
                                for &seed in required("seeds", &self.seeds)? {
                                    choices.push(Choice {
                                        layers,
                                        devices,
                                        seed,
                                        formats,
                                        recipes,
                                        models,
                                        memory_percent,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(choices)
    }

    fn objective(&self) -> Objective {
        self.objective.unwrap_or(Objective::Latency)
    }

    fn placement(&self) -> Placement {
        let usual = match self.name {
            FamilyName::Packing => Placement::Free,
            _ => Placement::Contiguous,
        };
        self.placement.unwrap_or(usual)
    }

    fn chain(&self, choice: Choice) -> Result<Parameters, InputError> {
        let (objective, placement) = (self.objective(), self.placement());
        let Choice { layers, devices, seed, .. } = choice;
        let network = match self.name {
            FamilyName::HomeLab => Network::HomeLab,
            FamilyName::EdgeSites => Network::EdgeSites,
            FamilyName::Classes => Network::Classes(self.classes.unwrap_or(3)),
            _ => {
                let mut family =
                    Random { layers, devices, objective, placement, seed, ..Random::default() };
                family.formats = choice.formats.map_or(family.formats, |count| count as usize);
                family.memory_percent = choice.memory_percent.unwrap_or(family.memory_percent);
                family.check()?;
                within("models", choice.models.unwrap_or(1), (1, 1024))?;
                return Ok(Parameters::Random(family, choice.models));
            }
        };
        let mut family = Realistic {
            network,
            layers,
            devices,
            objective,
            placement,
            seed,
            ..Realistic::default()
        };
        family.formats = choice.formats.map_or(family.formats, |count| count as usize);
        family.recipes = choice.recipes.map_or(family.formats, |count| count as usize);
        family.model = self.model.clone().unwrap_or(family.model);
        family.check()?;
        Ok(Parameters::Realistic(family))
    }

    /// The case, named by everything that tells it from its neighbours.
    fn case(&self, chain: Chain) -> Case {
        let mut name = self.name.word().to_owned();
        let mut told = format!("family={name}");
        let mut tell = |key: &str, value: u64| told += &format!(";{key}={value}");
        let mut models = None;
        let seed = match &chain.parameters {
            Parameters::Random(f, several) => {
                name += &format!("-{}x{}x{}", f.layers, f.devices, f.formats);
                name += &format!("-m{}", f.memory_percent);
                tell("memory", f.memory_percent);
                models = *several;
                Some(f.seed)
            }
            Parameters::Realistic(f) => {
                let model = f.model.strip_prefix("catalog:").unwrap_or(&f.model);
                name += &format!("-{model}-{}x{}x{}", f.layers, f.devices, f.recipes);
                tell("recipes", f.recipes as u64);
                Some(f.seed)
            }
            Parameters::EdgeShard(testbed) => {
                name += &format!("-{}-{}", testbed.agx, testbed.nx);
                None
            }
            Parameters::Packing(f) => {
                let (items, count) = match f.items {
                    Items::Layers => ("layers", 1),
                    Items::Models => ("models", 3 * f.bins as u64),
                };
                name += &format!("-{items}-{}", f.bins);
                name += &slack_name(f.slack_permille);
                tell("bins", f.bins as u64);
                tell("slack", f.slack_permille);
                models = (count > 1).then_some(count);
                Some(f.seed)
            }
        };
        let packing = matches!(chain.parameters, Parameters::Packing(_));
        name += &models.filter(|_| !packing).map(|m| format!("-models-{m}")).unwrap_or_default();
        tell("models", models.unwrap_or(1));
        for (key, value) in [("tight", chain.tight_percent), ("quality", chain.quality_percent)] {
            if let Some(value) = value {
                name += &format!("-{key}-{value}");
                tell(key, value);
            }
        }
        name += match chain.objective {
            Objective::Latency => "",
            Objective::Bottleneck => "-bottleneck",
            Objective::Memory => "-memory",
        };
        name += if chain.placement == Placement::Free && !packing { "-free" } else { "" };
        name += &seed.map(|seed| format!("-{seed}")).unwrap_or_default();
        Case { name, parameters: told, source: Source::Chain(Box::new(chain)) }
    }
}

fn slack_name(permille: u64) -> String {
    if permille == 0 { String::new() } else { format!("-slack-{permille}") }
}

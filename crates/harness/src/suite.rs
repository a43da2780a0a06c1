//! Suites: families of generated instances, declared in a file, expanded to cases.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use edgeplan_instances::file::{InputError, nearest, parse_toml, read_text};
use edgeplan_instances::generate::{Network, Random, Realistic, random, realistic, tight};
use edgeplan_instances::known::{EdgeShard, edgeshard};
use edgeplan_instances::model;
use edgeplan_instances::workload::Returns;
use edgeplan_problem::deployment::{Deployment, Objective, Placement};
use edgeplan_solvers::DEPLOYMENT;
use serde::Deserialize;

/// A set of instances and why they are worth measuring.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The file's name without its extension.
    pub name: String,
    /// What the suite is for.
    pub analysis: String,
    /// Names of the solvers that it is for.
    pub solvers: Vec<String>,
    /// The instances.
    pub cases: Vec<Case>,
}

/// An instance that is generated when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Unique within its suite.
    pub name: String,
    parameters: Parameters,
    objective: Objective,
    placement: Placement,
    tight_percent: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Parameters {
    Random(Random),
    Realistic(Realistic),
    EdgeShard(EdgeShard),
}

/// More instances than anybody measures are a slip of the pen.
const CASES_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSuite {
    analysis: String,
    solvers: Vec<String>,
    family: Vec<Family>,
}

/// Lists expand to their product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Family {
    name: FamilyName,
    layers: Option<Vec<usize>>,
    devices: Option<Vec<usize>>,
    seeds: Option<Vec<u64>>,
    agx: Option<Vec<usize>>,
    nx: Option<Vec<usize>>,
    formats: Option<usize>,
    recipes: Option<usize>,
    classes: Option<usize>,
    model: Option<String>,
    memory_percent: Option<u64>,
    tight_percent: Option<u64>,
    objective: Option<Objective>,
    placement: Option<Placement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FamilyName {
    Random,
    HomeLab,
    EdgeSites,
    Classes,
    Edgeshard,
}

impl FamilyName {
    fn word(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::HomeLab => "home-lab",
            Self::EdgeSites => "edge-sites",
            Self::Classes => "classes",
            Self::Edgeshard => "edgeshard",
        }
    }
}

impl Suite {
    /// Reads a suite file.
    ///
    /// # Errors
    /// As for [`Suite::parse`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        Self::parse(&path.display().to_string(), &read_text(path)?)
    }

    /// Parses a suite; `file` is named in errors and, without folder and extension, is the suite's
    /// name.
    ///
    /// # Errors
    /// Unknown keys, families and solvers with the nearest known one; keys of another family;
    /// empty lists; numbers out of range; two instances of one name.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let wire: WireSuite = parse_toml(file, text)?;
        filled(file, "solvers", &wire.solvers)?;
        filled(file, "family", &wire.family)?;
        for (index, name) in wire.solvers.iter().enumerate() {
            known_solver(name)
                .map_err(|problem| InputError::key(file, format!("solvers[{index}]"), problem))?;
        }
        let (mut cases, mut names) = (Vec::new(), BTreeSet::new());
        for (index, family) in wire.family.iter().enumerate() {
            let here = |error: InputError| {
                let key = error.key.map(|key| format!(".{key}")).unwrap_or_default();
                InputError::key(file, format!("family[{index}]{key}"), error.problem)
            };
            for case in family.expand().map_err(here)? {
                if cases.len() == CASES_MAX {
                    let problem = format!("more than {CASES_MAX} instances in all");
                    return Err(here(InputError::file(file, problem)));
                }
                if !names.insert(case.name.clone()) {
                    let problem = format!("the instance {} is there already", case.name);
                    return Err(here(InputError::file(file, problem)));
                }
                cases.push(case);
            }
        }
        let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, analysis: wire.analysis, solvers: wire.solvers, cases })
    }
}

/// Whether the registry has that name; otherwise what is wrong with it.
pub(crate) fn known_solver(name: &str) -> Result<(), String> {
    if edgeplan_solvers::find(name).is_some() {
        return Ok(());
    }
    let near = nearest(name, DEPLOYMENT.iter().map(|entry| entry.name));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("no solver is called `{name}`{hint}"))
}

fn filled<T>(file: &str, key: &str, list: &[T]) -> Result<(), InputError> {
    match list.is_empty() {
        true => Err(InputError::key(file, key, "empty; at least one is needed")),
        false => Ok(()),
    }
}

/// A list that its family cannot do without.
fn required<'a, T>(key: &str, list: &'a Option<Vec<T>>) -> Result<&'a [T], InputError> {
    let missing = || InputError::key("", key, "missing; a list such as [4, 8] is needed");
    let list = list.as_ref().ok_or_else(missing)?;
    filled("", key, list)?;
    Ok(list)
}

impl Case {
    /// The instance.
    ///
    /// # Errors
    /// When memory cannot be made tight or the parameters make no sense together.
    pub fn generate(&self) -> Result<Deployment, InputError> {
        let mut instance = match &self.parameters {
            Parameters::Random(family) => random(family),
            Parameters::Realistic(family) => realistic(family)?,
            Parameters::EdgeShard(testbed) => edgeshard(*testbed, self.objective)?,
        };
        instance.placement = self.placement;
        if let Some(percent) = self.tight_percent {
            instance = tight(instance, percent)?;
        }
        instance.name.clone_from(&self.name);
        instance.checked().map_err(|invalid| InputError::file(&self.name, invalid.to_string()))
    }
}

impl Family {
    fn expand(&self) -> Result<Vec<Case>, InputError> {
        self.check_keys()?;
        if let Some(percent) = self.tight_percent.filter(|percent| !(1..=100_000).contains(percent))
        {
            let problem = format!("{percent}; 1 to 100000 are allowed");
            return Err(InputError::key("", "tight-percent", problem));
        }
        if let Some(model) = &self.model {
            model::load(model).map_err(|error| InputError::key("", "model", error.to_string()))?;
        }
        let mut cases = Vec::new();
        if self.name == FamilyName::Edgeshard {
            for &agx in required("agx", &self.agx)? {
                for &nx in required("nx", &self.nx)? {
                    let testbed = EdgeShard { agx, nx, returns: Returns::Token };
                    edgeshard(testbed, self.objective())?;
                    cases.push(self.case(Parameters::EdgeShard(testbed)));
                }
            }
            return Ok(cases);
        }
        for &layers in required("layers", &self.layers)? {
            for &devices in required("devices", &self.devices)? {
                for &seed in required("seeds", &self.seeds)? {
                    cases.push(self.case(self.chain(layers, devices, seed)?));
                }
            }
        }
        Ok(cases)
    }

    /// Whether all keys given are of this family.
    fn check_keys(&self) -> Result<(), InputError> {
        use FamilyName::{Classes, EdgeSites, Edgeshard, HomeLab, Random};
        const CATALOG: &[FamilyName] = &[HomeLab, EdgeSites, Classes];
        const CHAINS: &[FamilyName] = &[Random, HomeLab, EdgeSites, Classes];
        let keys: [(&str, bool, &[FamilyName]); 10] = [
            ("layers", self.layers.is_some(), CHAINS),
            ("devices", self.devices.is_some(), CHAINS),
            ("seeds", self.seeds.is_some(), CHAINS),
            ("formats", self.formats.is_some(), CHAINS),
            ("recipes", self.recipes.is_some(), CATALOG),
            ("model", self.model.is_some(), CATALOG),
            ("classes", self.classes.is_some(), &[Classes]),
            ("memory-percent", self.memory_percent.is_some(), &[Random]),
            ("agx", self.agx.is_some(), &[Edgeshard]),
            ("nx", self.nx.is_some(), &[Edgeshard]),
        ];
        for (key, given, families) in keys {
            if given && !families.contains(&self.name) {
                let words: Vec<&str> = families.iter().map(|family| family.word()).collect();
                let problem = format!("{} has none, only {}", self.name.word(), words.join(", "));
                return Err(InputError::key("", key, problem));
            }
        }
        Ok(())
    }

    fn objective(&self) -> Objective {
        self.objective.unwrap_or(Objective::Latency)
    }

    fn placement(&self) -> Placement {
        self.placement.unwrap_or(Placement::Contiguous)
    }

    fn chain(&self, layers: usize, devices: usize, seed: u64) -> Result<Parameters, InputError> {
        let (objective, placement) = (self.objective(), self.placement());
        let network = match self.name {
            FamilyName::HomeLab => Network::HomeLab,
            FamilyName::EdgeSites => Network::EdgeSites,
            FamilyName::Classes => Network::Classes(self.classes.unwrap_or(3)),
            FamilyName::Random | FamilyName::Edgeshard => {
                let mut family =
                    Random { layers, devices, objective, placement, seed, ..Random::default() };
                family.formats = self.formats.unwrap_or(family.formats);
                family.memory_percent = self.memory_percent.unwrap_or(family.memory_percent);
                family.check()?;
                return Ok(Parameters::Random(family));
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
        family.formats = self.formats.unwrap_or(family.formats);
        family.recipes = self.recipes.unwrap_or(family.formats);
        family.model = self.model.clone().unwrap_or(family.model);
        family.check()?;
        Ok(Parameters::Realistic(family))
    }

    /// The case, named by everything that tells it from its neighbours.
    fn case(&self, parameters: Parameters) -> Case {
        let (objective, placement) = (self.objective(), self.placement());
        let mut name = self.name.word().to_owned();
        let seed = match &parameters {
            Parameters::Random(f) => {
                name += &format!("-{}x{}x{}", f.layers, f.devices, f.formats);
                name += &format!("-m{}", f.memory_percent);
                Some(f.seed)
            }
            Parameters::Realistic(f) => {
                let model = f.model.strip_prefix("catalog:").unwrap_or(&f.model);
                name += &format!("-{model}-{}x{}x{}", f.layers, f.devices, f.recipes);
                Some(f.seed)
            }
            Parameters::EdgeShard(testbed) => {
                name += &format!("-{}-{}", testbed.agx, testbed.nx);
                None
            }
        };
        let tight = self.tight_percent.map(|percent| format!("-tight-{percent}"));
        name += &tight.unwrap_or_default();
        name += match objective {
            Objective::Latency => "",
            Objective::Bottleneck => "-bottleneck",
            Objective::Memory => "-memory",
        };
        name += if placement == Placement::Free { "-free" } else { "" };
        name += &seed.map(|seed| format!("-{seed}")).unwrap_or_default();
        Case { name, parameters, objective, placement, tight_percent: self.tight_percent }
    }
}

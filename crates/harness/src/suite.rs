//! Suites: families of generated instances, declared in a file, expanded to cases.

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

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "analysis = \"why\"\nsolvers = [\"highs\"]\n";

    fn suite(families: &str) -> Result<Suite, String> {
        Suite::parse("a/try.toml", &format!("{HEAD}{families}")).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_expand_to_their_product_and_every_instance_is_itself() {
        let text = "[[family]]\nname = \"random\"\nlayers = [6, 8]\ndevices = [2, 3]\nseeds = [0, 7]\n\
                    formats = 2\nplacement = \"free\"\nobjective = \"bottleneck\"";
        let suite = suite(text).unwrap();
        assert_eq!((suite.name.as_str(), suite.cases.len()), ("try", 8));
        let case = &suite.cases[7];
        assert_eq!(case.name, "random-8x3x2-m143-bottleneck-free-7");
        let instance = case.generate().unwrap();
        assert_eq!(instance, case.generate().unwrap());
        assert_eq!(instance.name, case.name);
        assert_eq!((instance.models[0].layers.len(), instance.devices.len()), (8, 3));
        assert_eq!(instance.placement, Placement::Free);
        assert_eq!(instance.objective, Objective::Bottleneck);
    }

    #[test]
    fn a_catalog_family_and_the_testbed_are_what_was_asked_for() {
        let text = "[[family]]\nname = \"classes\"\nlayers = [8]\ndevices = [5]\nseeds = [1]\n\
                    classes = 2\nformats = 3\nrecipes = 9\ntight-percent = 150\n\
                    [[family]]\nname = \"edgeshard\"\nagx = [2]\nnx = [1]\n";
        let suite = suite(text).unwrap();
        let names: Vec<&str> = suite.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["classes-llama-3.1-8b-8x5x9-tight-150-1", "edgeshard-2-1"]);
        let classes = suite.cases[0].generate().unwrap();
        let most = classes.models[0].layers.iter().map(|layer| layer.options.len()).max();
        assert_eq!(most, Some(9));
        assert_eq!(classes.devices[0].name[4..], classes.devices[2].name[4..]);
        assert_eq!(suite.cases[1].generate().unwrap().devices.len(), 4);
    }

    #[test]
    fn mistakes_are_named_with_what_is_allowed() {
        let random = "[[family]]\nname = \"random\"\nlayers = [6]\ndevices = [2]\n";
        let cases = [
            ("[[family]]\nname = \"randon\"", "did you mean `random`?"),
            ("[[family]]\nlayers = [3]", "missing field `name`"),
            (&format!("{random}seed = [0]"), "family[0].seed: unknown field `seed`"),
            (&format!("{random}seed = [0]"), "did you mean `seeds`?"),
            (random, "family[0].seeds: missing; a list"),
            (&format!("{random}seeds = []"), "family[0].seeds: empty; at least one"),
            (&format!("{random}seeds = 3"), "family[0].seeds: invalid type"),
            (&format!("{random}seeds = [0]\nformats = 9"), "family[0].formats: 9; 1 to 8 are"),
            (&format!("{random}seeds = [0]\nclasses = 2"), "random has none, only classes"),
            (&format!("{random}seeds = [4, 4]"), "the instance random-6x2x4-m143-4 is there"),
            (&format!("{random}seeds = [0]\ntight-percent = 0"), "tight-percent: 0; 1 to 100000"),
            (&format!("{random}seeds = [0]\n{random}seeds = []"), "family[1].seeds: empty"),
            (
                "[[family]]\nname = \"home-lab\"\nlayers = [2]\ndevices = [2]\nseeds = [0]",
                "family[0].layers: 2; 3 to 1024 are allowed",
            ),
            (
                "[[family]]\nname = \"home-lab\"\nmodel = \"catalog:lama-2-7b\"",
                "did you mean `catalog:llama-2-7b`?",
            ),
            ("[[family]]\nname = \"edgeshard\"\nagx = [0]\nnx = [1]", "family[0].agx: 0; the"),
            ("family = []", "family: empty"),
        ];
        for (text, expected) in cases {
            let error = suite(text).unwrap_err();
            assert!(error.starts_with("a/try.toml: ") && error.contains(expected), "{error}");
        }
        for (solvers, expected) in [
            ("[\"highs\", \"cbd\"]", "solvers[1]: no solver is called `cbd`; did you mean `cbc`?"),
            ("[]", "s.toml: solvers: empty; at least one is needed"),
        ] {
            let text = format!("analysis = \"\"\nsolvers = {solvers}\n{random}seeds = [0]");
            let error = Suite::parse("s.toml", &text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_suites_of_the_repository_can_all_be_generated() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/suites");
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let suite = Suite::read(&path).unwrap();
                for case in &suite.cases {
                    case.generate().unwrap();
                }
                names.insert(suite.name);
            }
        }
        let known = ["chain", "chain-bottleneck", "chain-free", "smoke"];
        assert!(known.iter().all(|&name| names.contains(name)), "{names:?}");
    }
}

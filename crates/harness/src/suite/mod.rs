//! Suites: families of instances, declared in a file, expanded to cases.

mod catalog;
mod deployments;
mod dftsp;
mod edgeshard;
mod external;
mod family;
mod files;
mod frames;
mod hosts;
mod keys;
mod one;
mod packing;
mod random;
mod reductions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use edgeplan_external::External;
use edgeplan_families::reductions::{Question, Reduction};
use edgeplan_files::{InputError, parse_toml, read_text};
use edgeplan_records::declared::declared;
use edgeplan_records::parameter::Parameter;
use edgeplan_records::row::Kind;
use edgeplan_scheduling::{Frame, frame};
use itertools::Itertools as _;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use crate::instance::Instance;
use crate::registry::Registry;
use deployments::Generated;
use dftsp::Epoch;
use external::{ExternalKeys, externals};
use family::Family;
pub use one::written;

/// A set of instances of one kind and why they are worth measuring.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The file's name without its extension.
    pub name: String,
    /// What the suite is for.
    pub analysis: String,
    /// The kind of all its instances.
    pub kind: Kind,
    /// Names of the solvers that it is for.
    pub solvers: Vec<String>,
    /// Solvers that are programs of their own, by name.
    pub externals: BTreeMap<String, External>,
    /// The number that makes instances harder, such as `layers`: a solver that proves nothing of
    /// two sizes in a row is not run on larger ones.
    pub grows: Option<String>,
    /// The instances.
    pub cases: Vec<Case>,
}

/// An instance that is generated, or read, when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Unique within its suite.
    pub name: String,
    /// What it is drawn with, for the records.
    pub parameters: Parameters,
    source: Source,
}

/// What an instance is drawn with, by name; its family among it.
pub type Parameters = BTreeMap<String, Parameter>;

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Deployment(Box<Generated>),
    Frame(Frame),
    Epoch(Epoch),
    Reduction(Box<Reduction>),
    File(Kind, PathBuf),
}

/// Most instances of a suite: more is a typing error.
const CASES_MAX: usize = 10_000;

/// A suite, as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SuiteFile {
    /// What the suite is for.
    analysis: String,
    /// Names of solvers, or of sets of them.
    solvers: Vec<String>,
    /// Solvers that are programs of their own, by the names that `solvers` calls them.
    #[serde(default)]
    solver: BTreeMap<String, ExternalKeys>,
    /// The number that makes instances harder, such as `layers`, `devices`, `options` or `bins`: a
    /// solver of which limits ended all trials of two sizes in a row is not run on larger ones.
    grows: Option<String>,
    /// Families of one kind of question.
    family: Vec<Family>,
}

/// What may stand in a suite.
pub fn suite_schema() -> Schema {
    schema_for!(SuiteFile)
}

impl Suite {
    /// Reads a suite file.
    ///
    /// # Errors
    /// As for [`Suite::parse`], and when the file cannot be read.
    pub fn read(path: &Path, registry: &Registry<'_>) -> Result<Self, InputError> {
        Self::parse(&path.display().to_string(), &read_text(path)?, registry)
    }

    /// Parses a suite; `file` is named in errors, is where paths of instances start, and without
    /// folder and extension is the suite's name.
    ///
    /// # Errors
    /// Unknown keys, families, sets and solvers with the nearest known one; keys of another family;
    /// families of different kinds; empty lists; numbers out of range; two instances of one name.
    pub fn parse(file: &str, text: &str, registry: &Registry<'_>) -> Result<Self, InputError> {
        let suite: SuiteFile = parse_toml(file, text)?;
        filled(file, "solvers", &suite.solvers)?;
        filled(file, "family", &suite.family)?;
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let mut cases = Vec::new();
        for (index, family) in suite.family.iter().enumerate() {
            let added = family.cases(folder).and_then(|new| add(&mut cases, new));
            added.map_err(|error| {
                let key = error.key.map(|key| format!(".{key}")).unwrap_or_default();
                InputError::key(file, format!("family[{index}]{key}"), error.problem)
            })?;
        }
        let kind = cases.first().map(Case::kind).unwrap_or_default();
        let externals = externals(kind, &suite.solver, folder, registry)
            .map_err(|error| InputError { file: file.to_owned(), ..error })?;
        let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(problem) = suite.grows.as_ref().and_then(|grows| sizeless(&cases, grows)) {
            return Err(InputError::key(file, "grows", problem));
        }
        let (analysis, grows, solvers) = (suite.analysis, suite.grows, Vec::new());
        let mut read = Self { name, analysis, kind, solvers, externals, grows, cases };
        for (index, name) in suite.solvers.iter().enumerate() {
            let members = read
                .members(name, registry)
                .map_err(|problem| InputError::key(file, format!("solvers[{index}]"), problem))?;
            for solver in members {
                if !read.solvers.contains(&solver) {
                    read.solvers.push(solver);
                }
            }
        }
        Ok(read)
    }

    /// Whether it can be solved by a solver of that name: one of its own, or of the registry.
    ///
    /// # Errors
    /// As [`Registry::check`].
    pub fn check(&self, name: &str, registry: &Registry<'_>) -> Result<(), String> {
        if self.externals.contains_key(name) { Ok(()) } else { registry.check(self.kind, name) }
    }

    /// How large an instance is, where the suite grows in something.
    pub(crate) fn size(&self, case: &Case) -> Option<u64> {
        case.size(self.grows.as_ref()?)
    }

    /// The solvers that a name stands for: itself, or the members of a set.
    fn members(&self, name: &str, registry: &Registry<'_>) -> Result<Vec<String>, String> {
        let set = declared().set(self.kind, name);
        if set.is_empty() {
            return self.check(name, registry).map(|()| vec![name.to_owned()]);
        }
        for solver in &set {
            registry.check(self.kind, solver)?;
        }
        Ok(set.into_iter().map(str::to_owned).collect())
    }
}

/// What is wrong if an instance has no number of that name.
fn sizeless(cases: &[Case], grows: &str) -> Option<String> {
    let case = cases.iter().find(|case| case.size(grows).is_none())?;
    let numbers = case.parameters.iter().filter(|(_, value)| value.number().is_some());
    let numbers =
        numbers.map(|(name, _)| name.as_str()).chain(case.columns().map(|(name, _)| name));
    let known = numbers.sorted().join(", ");
    Some(format!("`{grows}` is no number of {}; {known} are", case.name))
}

/// Adds the cases of a family to those of the families before.
fn add(cases: &mut Vec<Case>, new: Vec<Case>) -> Result<(), InputError> {
    let wrong = |problem: String| Err(InputError::file("", problem));
    let mut names: BTreeSet<String> = cases.iter().map(|case| case.name.clone()).collect();
    for case in new {
        if let Some(first) = cases.first().map(Case::kind).filter(|kind| *kind != case.kind()) {
            let (first, own) = (first.word(), case.kind().word());
            return wrong(format!(
                "of {own}, but the first family is of {first}: one kind a suite"
            ));
        }
        if cases.len() == CASES_MAX {
            return wrong(format!("more than {CASES_MAX} instances in all"));
        }
        if !names.insert(case.name.clone()) {
            return wrong(format!("the instance {} is there already", case.name));
        }
        cases.push(case);
    }
    Ok(())
}

fn filled<T>(file: &str, key: &str, list: &[T]) -> Result<(), InputError> {
    match list.is_empty() {
        true => Err(InputError::key(file, key, "empty; at least one is needed")),
        false => Ok(()),
    }
}

/// The parameters of a case of that family.
fn parameters<const N: usize>(family: &str, numbers: [(&str, u64); N]) -> Parameters {
    let numbers = numbers.map(|(name, number)| (name.to_owned(), number.into()));
    Parameters::from_iter([("family".to_owned(), family.into())].into_iter().chain(numbers))
}

impl Case {
    /// The kind of its instance.
    pub fn kind(&self) -> Kind {
        match &self.source {
            Source::Deployment(_) => Kind::Deployment,
            Source::Frame(_) => Kind::Scheduling,
            Source::Epoch(_) => Kind::Batching,
            Source::Reduction(reduction) => match **reduction {
                Reduction::BinPacking(..)
                | Reduction::ThreePartition(..)
                | Reduction::MultipleKnapsack(_)
                | Reduction::Partition { .. } => Kind::Deployment,
                Reduction::Assignment(_) | Reduction::Costs(_) => Kind::Scheduling,
                Reduction::TwoResources(_) => Kind::Batching,
            },
            Source::File(kind, _) => *kind,
        }
    }

    /// A number that it is drawn with, by its name in records.
    fn size(&self, name: &str) -> Option<u64> {
        let column = self.columns().find(|(column, _)| *column == name).map(|(_, number)| number);
        match self.parameters.get(name) {
            Some(Parameter::Number(number)) => Some(*number),
            _ => column,
        }
    }

    /// Numbers that records have in columns of their own.
    fn columns(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Source::Deployment(recipe) = &self.source else { return Vec::new().into_iter() };
        recipe.columns().into_iter()
    }

    /// The instance.
    ///
    /// # Errors
    /// When memory cannot be made tight, parameters make no sense together, or a file cannot be
    /// read.
    pub fn generate(&self) -> Result<Instance, InputError> {
        let instance = match &self.source {
            Source::Deployment(recipe) => Instance::Deployment(recipe.generate(&self.name)?),
            Source::Frame(parameters) => Instance::Scheduling(frame(parameters)?),
            Source::Epoch(epoch) => Instance::Batching(epoch.generate(&self.name)?),
            Source::Reduction(reduction) => match reduction.draw()?.question {
                Question::Deployment(instance) => Instance::Deployment(instance),
                Question::Scheduling(instance) => Instance::Scheduling(instance),
                Question::Batching(instance) => Instance::Batching(instance),
            },
            Source::File(kind, path) => files::read(*kind, path)?,
        };
        Ok(instance.named(&self.name))
    }
}

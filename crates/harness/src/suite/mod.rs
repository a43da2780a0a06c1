//! Suites: families of instances, declared in a file, expanded to cases.

mod deployments;
mod family;
mod others;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edgeplan_batching::Scenario;
use edgeplan_files::deployment::read_instance;
use edgeplan_files::{InputError, parse_toml, read_text};
use edgeplan_records::declared::declared;
use edgeplan_records::row::Kind;
use edgeplan_scheduling::{Frame, frame, read_schedule};
use serde::Deserialize;

use crate::instance::Instance;
use crate::registry::Registry;
use deployments::Chain;
use family::Family;
use others::Epoch;

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
    /// The instances.
    pub cases: Vec<Case>,
}

/// An instance that is generated, or read, when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Unique within its suite.
    pub name: String,
    /// What it is drawn with, `family=random;tight=143`; for the records.
    pub parameters: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Chain(Box<Chain>),
    Frame(Frame),
    Epoch(Epoch),
    File(Kind, PathBuf),
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
        let wire: WireSuite = parse_toml(file, text)?;
        filled(file, "solvers", &wire.solvers)?;
        filled(file, "family", &wire.family)?;
        let mut suite = Self {
            name: Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            analysis: wire.analysis,
            kind: wire.family[0].kind(),
            solvers: Vec::new(),
            cases: Vec::new(),
        };
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        for (index, family) in wire.family.iter().enumerate() {
            let here = |error: InputError| {
                let key = error.key.map(|key| format!(".{key}")).unwrap_or_default();
                InputError::key(file, format!("family[{index}]{key}"), error.problem)
            };
            let cases = family.expand(folder).map_err(here)?;
            suite.add(cases, family).map_err(|problem| here(InputError::file(file, problem)))?;
        }
        for (index, name) in wire.solvers.iter().enumerate() {
            let members = members(suite.kind, name, registry)
                .map_err(|problem| InputError::key(file, format!("solvers[{index}]"), problem))?;
            for solver in members {
                if !suite.solvers.contains(&solver) {
                    suite.solvers.push(solver);
                }
            }
        }
        Ok(suite)
    }

    fn add(&mut self, cases: Vec<Case>, family: &Family) -> Result<(), String> {
        let kind = family.kind();
        if kind != self.kind {
            let (first, own) = (self.kind.word(), kind.word());
            return Err(format!("of {own}, but the first family is of {first}: one kind a suite"));
        }
        let mut names: BTreeSet<String> = self.cases.iter().map(|case| case.name.clone()).collect();
        for case in cases {
            if self.cases.len() == CASES_MAX {
                return Err(format!("more than {CASES_MAX} instances in all"));
            }
            if !names.insert(case.name.clone()) {
                return Err(format!("the instance {} is there already", case.name));
            }
            self.cases.push(case);
        }
        Ok(())
    }
}

/// The solvers that a name stands for: itself, or the members of a set.
fn members(kind: Kind, name: &str, registry: &Registry<'_>) -> Result<Vec<String>, String> {
    let set = declared().set(kind, name);
    if set.is_empty() {
        return registry.check(kind, name).map(|()| vec![name.to_owned()]);
    }
    for solver in &set {
        registry.check(kind, solver)?;
    }
    Ok(set.into_iter().map(str::to_owned).collect())
}

fn filled<T>(file: &str, key: &str, list: &[T]) -> Result<(), InputError> {
    match list.is_empty() {
        true => Err(InputError::key(file, key, "empty; at least one is needed")),
        false => Ok(()),
    }
}

impl Case {
    /// The instance.
    ///
    /// # Errors
    /// When memory cannot be made tight, parameters make no sense together, or a file cannot be
    /// read.
    pub fn generate(&self) -> Result<Instance, InputError> {
        let instance = match &self.source {
            Source::Chain(chain) => Instance::Deployment(chain.generate(&self.name)?),
            Source::Frame(parameters) => Instance::Scheduling(frame(parameters)?),
            Source::Epoch(epoch) => Instance::Batching(epoch.generate(&self.name)?),
            Source::File(kind, path) => read(*kind, path)?,
        };
        Ok(instance.named(&self.name))
    }
}

fn read(kind: Kind, path: &Path) -> Result<Instance, InputError> {
    let file = path.display().to_string();
    Ok(match kind {
        Kind::Deployment => Instance::Deployment(read_instance(&file, &read_text(path)?)?),
        Kind::Scheduling => Instance::Scheduling(read_schedule(path)?),
        Kind::Batching => {
            Instance::Batching(Scenario::parse(&file, &read_text(path)?)?.build(&file)?)
        }
    })
}

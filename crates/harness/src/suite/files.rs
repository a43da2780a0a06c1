//! `files`: instances that are there.

use std::path::{Path, PathBuf};

use edgeplan_batching::Scenario;
use edgeplan_files::deployment::read_instance;
use edgeplan_files::{InputError, read_text};
use edgeplan_records::row::Kind;
use edgeplan_scheduling::read_schedule;
use schemars::JsonSchema;
use serde::Deserialize;

use super::keys::List;
use super::{Case, Source, parameters};
use crate::instance::Instance;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Of what kind the instances are.
    problem: Kind,
    /// Paths and patterns, from the folder of the suite.
    paths: List<String>,
}

impl Keys {
    /// The files that the patterns stand for, in order of their names.
    pub(super) fn cases(&self, folder: &Path) -> Result<Vec<Case>, InputError> {
        let mut found: Vec<PathBuf> = Vec::new();
        for pattern in self.paths.each() {
            let wrong = |what: String| InputError::key("", "paths", format!("{pattern}: {what}"));
            let whole = folder.join(pattern);
            let paths =
                glob::glob(&whole.display().to_string()).map_err(|e| wrong(e.to_string()))?;
            let before = found.len();
            for path in paths {
                found.push(path.map_err(|error| wrong(error.to_string()))?);
            }
            if found.len() == before {
                return Err(wrong("there is no such file".into()));
            }
        }
        let case = |path: PathBuf| Case {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            parameters: parameters("files", []),
            source: Source::File(self.problem, path),
        };
        Ok(found.into_iter().map(case).collect())
    }
}

/// Reads an instance of that kind.
pub(super) fn read(kind: Kind, path: &Path) -> Result<Instance, InputError> {
    let file = path.display().to_string();
    Ok(match kind {
        Kind::Deployment => Instance::Deployment(read_instance(&file, &read_text(path)?)?),
        Kind::Scheduling => Instance::Scheduling(read_schedule(path)?),
        Kind::Batching => {
            Instance::Batching(Scenario::parse(&file, &read_text(path)?)?.build(&file)?)
        }
    })
}

//! The files of one run of an external solver.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use edgeplan_files::deployment::{PlanFile, write_instance};
use edgeplan_files::{InputError, read_text, to_json};
use edgeplan_problem::Bytes;
use edgeplan_problem::deployment::{Deployment, Plan};
use tempfile::TempDir;

use crate::Claim;

/// Bytes of a plan or a claim at most: a plan of a million layers has less.
const FILE_MAX: u64 = 64 << 20;

/// A folder of files of one run; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Files {
    folder: Option<TempDir>,
    pub(crate) instance: PathBuf,
    pub(crate) plan: PathBuf,
    pub(crate) claim: PathBuf,
    pub(crate) start: PathBuf,
}

impl Files {
    /// Makes the folder, with the instance in it.
    pub(crate) fn of(instance: &Deployment) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("edgeplan-external-").tempdir()?;
        let files = Self { folder: None, ..Self::named(folder.path()) };
        fs::write(&files.instance, write_instance(instance))?;
        Ok(Self { folder: Some(folder), ..files })
    }

    /// Writes the plan to start from.
    pub(crate) fn write_start(&self, instance: &Deployment, plan: &Plan) -> std::io::Result<()> {
        fs::write(&self.start, to_json(&PlanFile::new(instance, plan)))
    }

    /// Files of a folder that the caller creates and removes.
    pub(crate) fn named(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        let (instance, plan) = (file("instance.json"), file("plan.json"));
        let (claim, start) = (file("claim.json"), file("start.json"));
        Self { folder: None, instance, plan, claim, start }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// The plan; none where none was written.
    ///
    /// # Errors
    /// What is there and is no plan of the instance.
    pub(crate) fn read_plan(&self, instance: &Deployment) -> Result<Option<Plan>, InputError> {
        let Some(text) = text("plan", &self.plan)? else { return Ok(None) };
        PlanFile::parse("plan", &text)?.resolve("plan", instance).map(Some)
    }

    /// The claim; none where none was written.
    ///
    /// # Errors
    /// What is there and is no claim.
    pub(crate) fn read_claim(&self) -> Result<Option<Claim>, InputError> {
        text("claim", &self.claim)?.map(|text| Claim::parse("claim", &text)).transpose()
    }

    /// Whether the plan or the claim is longer than is read.
    pub(crate) fn too_long(&self) -> bool {
        [&self.plan, &self.claim]
            .into_iter()
            .any(|path| fs::metadata(path).is_ok_and(|there| there.len() > FILE_MAX))
    }

    /// When plan and claim were last written, and how long they are.
    pub(crate) fn stamp(&self) -> Stamp {
        [&self.plan, &self.claim].map(|path| {
            let there = fs::metadata(path).ok()?;
            Some((there.modified().ok()?, there.len()))
        })
    }
}

/// When each of two files was last written, and how long it is.
pub(crate) type Stamp = [Option<(SystemTime, u64)>; 2];

/// The text of a file of the folder; none where there is none. Errors call it by `name`: its
/// temporary path is gone when they are read.
fn text(name: &str, path: &Path) -> Result<Option<String>, InputError> {
    let wrong = |problem: String| Err(InputError::file(name, problem));
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => wrong("is no file".into()),
        Ok(there) if there.len() > FILE_MAX => {
            let most = Bytes(FILE_MAX);
            wrong(format!("longer than {most}, which is the most that is read"))
        }
        Ok(_) => match read_text(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => wrong(error.problem),
        },
        // A link that leads nowhere is no file either.
        Err(_) => Ok(None),
    }
}

//! A plan as files: for programs, as a picture, as a page; and the certificate of its bound.

use std::path::Path;

use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{InputError, to_json, write_atomic};
use edgeplan_problem::Cost;
use edgeplan_report::page::html;
use edgeplan_report::picture::{Picture, svg};

use crate::Error;
use crate::answer::{Progress, Task};
use crate::certificate::certify;
use crate::plan::Planned;
use crate::session::Session;

/// Where a plan is written to, as far as it is.
///
/// See [`Planned::write`] for an example.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanFiles<'a> {
    /// A plan file (JSON).
    pub plan: Option<&'a Path>,
    /// A picture (SVG).
    pub picture: Option<&'a Path>,
    /// A page with the picture and all numbers (HTML).
    pub page: Option<&'a Path>,
}

impl Planned {
    /// Writes the plan, if there is one; the page says by which command.
    ///
    /// ```
    /// use edgeplan::{PlanFiles, Quiet, Sources, Task};
    ///
    /// let session = Sources::default().load()?;
    /// let planned = session.plan(&Task::default(), &mut Quiet);
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// let path = folder.path().join("plan.json");
    /// let files = PlanFiles { plan: Some(&path), ..PlanFiles::default() };
    /// planned.write(&session, files, "edgeplan plan")?;
    /// assert!(session.check(&path)?.cost().is_some());
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// What cannot be written, or requests that cannot be priced.
    pub fn write(
        &self,
        session: &Session,
        files: PlanFiles<'_>,
        command: &str,
    ) -> Result<(), Error> {
        let (instance, outcome) = (session.deployment(), &self.outcome);
        let Some(plan) = &outcome.plan else { return Ok(()) };
        if let Some(path) = files.plan {
            write_atomic(path, &to_json(&PlanFile::new(instance, plan)))?;
        }
        let said = session.sentences(plan)?;
        let picture = Picture {
            instance,
            plan,
            verdict: outcome.verdict.word(),
            lower_bound: outcome.lower_bound(),
            solver: self.solver,
            elapsed: Some(outcome.elapsed),
            said: &said,
        };
        if let Some(path) = files.picture {
            write_atomic(path, &svg(&picture))?;
        }
        if let Some(path) = files.page {
            write_atomic(path, &html(&picture, command))?;
        }
        Ok(())
    }

    /// Writes a certificate of the question, and nothing where there is none: the bound that it
    /// proves, or why there is none.
    ///
    /// See [`certify`] for an example.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn certify(
        &self,
        session: &Session,
        path: &Path,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Result<Cost, String>, InputError> {
        let known = self.outcome.cost();
        match certify(session.deployment(), task.limits, known, progress) {
            Ok((file, bound)) => write_atomic(path, &to_json(&file)).map(|()| Ok(bound)),
            Err(reason) => Ok(Err(reason)),
        }
    }
}

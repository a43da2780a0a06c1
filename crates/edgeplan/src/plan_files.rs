//! A plan as files: for programs, as a picture, as a page; and the certificate of its bound.

use std::path::Path;

use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{InputError, to_json, write_atomic};
use edgeplan_problem::{Cost, Problem as _};
use edgeplan_report::page::html;
use edgeplan_report::picture::{Picture, Steps, svg};

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
        let write = |path: Option<&Path>, text: Option<String>| match (path, text) {
            (Some(path), Some(text)) => write_atomic(path, &text),
            _ => Ok(()),
        };
        write(files.plan, self.plan_text(session))?;
        if files.picture.is_some() {
            write(files.picture, self.picture(session)?)?;
        }
        if files.page.is_some() {
            write(files.page, self.page(session, command)?)?;
        }
        Ok(())
    }

    /// The text of the plan file; none without a plan.
    ///
    /// ```
    /// # let session = edgeplan::Sources::default().load()?;
    /// let planned = session.plan(&edgeplan::Task::default(), &mut edgeplan::Quiet);
    /// assert!(planned.plan_text(&session).is_some_and(|text| text.starts_with("{")));
    /// assert!(planned.picture(&session)?.is_some_and(|text| text.starts_with("<svg")));
    /// let page = planned.page(&session, "my program")?.expect("there is a plan");
    /// assert!(page.contains("Made by my program."));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    pub fn plan_text(&self, session: &Session) -> Option<String> {
        let plan = self.outcome.plan.as_ref()?;
        Some(to_json(&PlanFile::new(session.deployment(), plan)))
    }

    /// The picture (SVG); none without a plan.
    ///
    /// See [`Planned::plan_text`] for an example.
    ///
    /// # Errors
    /// Requests that cannot be priced.
    pub fn picture(&self, session: &Session) -> Result<Option<String>, Error> {
        self.drawn(session, svg)
    }

    /// The page (HTML) with the picture and all numbers, which says by which command; none without
    /// a plan.
    ///
    /// See [`Planned::plan_text`] for an example.
    ///
    /// # Errors
    /// Requests that cannot be priced.
    pub fn page(&self, session: &Session, command: &str) -> Result<Option<String>, Error> {
        self.drawn(session, |picture| html(picture, command))
    }

    fn drawn(
        &self,
        session: &Session,
        draw: impl Fn(&Picture<'_>) -> String,
    ) -> Result<Option<String>, Error> {
        let (instance, outcome) = (session.deployment(), &self.outcome);
        let Some(plan) = &outcome.plan else { return Ok(None) };
        let said = session.sentences(plan)?;
        let requests = session.requests()?;
        let accounts = requests.map(|requests| {
            [&requests.prompt, &requests.whole].map(|priced| priced.evaluate(plan).account)
        });
        let steps = requests.zip(accounts.as_ref()).map(|(requests, accounts)| Steps {
            prompt: &accounts[0],
            whole: &accounts[1],
            tokens: requests.size.prompt,
            generate: requests.size.generate,
        });
        Ok(Some(draw(&Picture {
            instance,
            plan,
            verdict: outcome.verdict.word(),
            lower_bound: outcome.lower_bound(),
            solver: self.solver,
            elapsed: Some(outcome.elapsed),
            said: &said,
            steps,
        })))
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

//! A plan file held against a question.

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::read_text;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Evaluation, Problem as _};

use crate::session::Session;

/// A plan, and what it costs.
#[derive(Debug)]
pub struct Checked {
    /// The plan.
    pub plan: Plan,
    /// Its cost, its bill, and what it violates.
    pub evaluation: Evaluation<Deployment>,
}

impl Session {
    /// Reads a plan file and evaluates it.
    ///
    /// # Errors
    /// A file that cannot be read, or a plan that was made for another question.
    pub fn check(&self, path: &Path) -> Result<Checked, InputError> {
        let file = path.display().to_string();
        let plan = PlanFile::parse(&file, &read_text(path)?)?.resolve(&file, self.deployment())?;
        let evaluation = self.deployment().evaluate(&plan);
        Ok(Checked { plan, evaluation })
    }
}

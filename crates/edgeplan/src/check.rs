//! A plan file held against a question.

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::read_text;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Evaluation, Problem as _, gap};
use edgeplan_report::answer::CostKey;
use edgeplan_report::bill;
use edgeplan_report::bill::Bill;
use serde::Serialize;

use crate::certificate::{CertificateFile, CertifiedKey, bound_text};
use crate::session::Session;

/// A plan, and what it costs.
///
/// See [`Session::check`] for an example.
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
    /// ```
    /// use edgeplan::{Quiet, Sources, Task};
    /// use edgeplan_files::deployment::PlanFile;
    ///
    /// let session = Sources::default().load()?;
    /// let plan = session.plan(&Task::default(), &mut Quiet).outcome.plan.expect("there is one");
    /// let file = PlanFile::new(session.deployment(), &plan);
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("plan.json");
    /// std::fs::write(&path, edgeplan_files::to_json(&file)).expect("a free disk");
    /// let checked = session.check(&path)?;
    /// assert_eq!(checked.plan, plan);
    /// println!("{}", checked.text(&session, None));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
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

/// A checked plan. Field names are stable keys.
#[derive(Serialize)]
struct CheckedKeys {
    #[serde(flatten)]
    bill: Bill,
    instance: String,
    feasible: bool,
    violations: Vec<String>,
    #[serde(flatten)]
    cost: CostKey,
    #[serde(flatten)]
    certified: Option<CertifiedKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certified_gap: Option<f64>,
}

impl Checked {
    /// The plan's cost, if it violates nothing.
    ///
    /// See [`Session::check`] for an example.
    pub fn cost(&self) -> Option<Cost> {
        self.evaluation.is_feasible().then_some(self.evaluation.cost)
    }

    /// The bound that a certificate file proves of the question, beside the plan.
    ///
    /// See [`Session::check`] for an example.
    ///
    /// # Errors
    /// A file that cannot be read, or that proves nothing of this question.
    pub fn certified(&self, session: &Session, path: &Path) -> Result<Cost, InputError> {
        let file = path.display().to_string();
        CertificateFile::read(path)?.proven(&file, session.deployment(), self.cost())
    }

    /// What was found for programs, under stable keys; `certified` is the bound of a certificate.
    ///
    /// See [`Session::check`] for an example.
    pub fn keys(&self, session: &Session, certified: Option<Cost>) -> impl Serialize {
        let deployment = session.deployment();
        let Self { plan, evaluation } = self;
        CheckedKeys {
            bill: Bill::new(deployment, plan, &evaluation.account),
            instance: deployment.name.clone(),
            feasible: evaluation.is_feasible(),
            violations: self.violations(),
            cost: CostKey::new(deployment.objective, Some(evaluation.cost)),
            certified: certified.map(|bound| CertifiedKey::new(&Ok(bound))),
            certified_gap: self.cost().zip(certified).map(|(cost, bound)| gap(cost, bound)),
        }
    }

    fn violations(&self) -> Vec<String> {
        self.evaluation.violations.iter().map(ToString::to_string).collect()
    }

    /// What was found for people.
    ///
    /// See [`Session::check`] for an example.
    pub fn text(&self, session: &Session, certified: Option<Cost>) -> String {
        let deployment = session.deployment();
        let verdict = match self.cost() {
            Some(cost) => format!("feasible: {}", deployment.objective.amount(cost)),
            None => self.violations().iter().map(|what| format!("infeasible: {what}\n")).collect(),
        };
        let bill = bill::text(deployment, &self.plan, &self.evaluation.account);
        let mut text = format!("{bill}\n{verdict}");
        if let Some(bound) = certified {
            text += &format!("\n{}", bound_text(deployment, bound));
            if let Some(cost) = self.cost() {
                text += &format!(" (gap {:.4} %)", 100.0 * gap(cost, bound));
            }
        }
        text
    }
}

//! Which solvers a trial can be asked for, by name.

use edgeplan_files::nearest;
use edgeplan_problem::Problem;
use edgeplan_problem::batching::Batching;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_records::row::Kind;
use edgeplan_solvers::{BATCHING, DEPLOYMENT, Entry, SCHEDULING};

/// The solvers of each kind of question. A program that measures solvers of its own brings a
/// registry with them in it.
#[derive(Debug, Clone, Copy)]
pub struct Registry<'a> {
    /// Of deployments.
    pub deployment: &'a [Entry<Deployment>],
    /// Of schedules.
    pub scheduling: &'a [Entry<Scheduling>],
    /// Of batches.
    pub batching: &'a [Entry<Batching>],
}

/// The registry of the workspace.
pub const ALL: Registry<'static> =
    Registry { deployment: DEPLOYMENT, scheduling: SCHEDULING, batching: BATCHING };

impl Registry<'_> {
    /// The names of the solvers of that kind of question.
    pub fn names(&self, kind: Kind) -> Vec<&'static str> {
        match kind {
            Kind::Deployment => self.deployment.iter().map(|entry| entry.name).collect(),
            Kind::Scheduling => self.scheduling.iter().map(|entry| entry.name).collect(),
            Kind::Batching => self.batching.iter().map(|entry| entry.name).collect(),
        }
    }

    /// Whether it has a solver of that name for that kind of question.
    ///
    /// # Errors
    /// What is wrong with the name, and the nearest one that there is.
    pub fn check(&self, kind: Kind, name: &str) -> Result<(), String> {
        let names = self.names(kind);
        if names.contains(&name) {
            return Ok(());
        }
        let hint = match nearest(name, names) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; `edgeplan solvers` lists those for {}", kind.word()),
        };
        Err(format!("no solver is called `{name}`{hint}"))
    }
}

/// The entry of that name.
pub(crate) fn find<'a, P: Problem + 'static>(
    entries: &'a [Entry<P>],
    name: &str,
) -> Option<&'a Entry<P>> {
    entries.iter().find(|entry| entry.name == name)
}

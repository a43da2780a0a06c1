//! An instance of any of the three problems, as the process of a trial is given it.

use edgeplan_files::deployment::fingerprint;
use edgeplan_files::{InputError, digest};
use edgeplan_problem::batching::Batching;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_records::row::Kind;
use serde::{Deserialize, Serialize};

/// An instance of one of the three kinds of problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Instance {
    /// Which device runs each layer, in which format.
    Deployment(Deployment),
    /// Which server and variant serves each request.
    Scheduling(Scheduling),
    /// Which waiting requests form the next batch.
    Batching(Batching),
}

/// Schedules have a file format of their own, with names instead of indices.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wire {
    Deployment(Deployment),
    Scheduling(String),
    Batching(Batching),
}

impl From<Instance> for Wire {
    fn from(instance: Instance) -> Self {
        match instance {
            Instance::Deployment(instance) => Self::Deployment(instance),
            Instance::Scheduling(instance) => {
                Self::Scheduling(edgeplan_scheduling::write_schedule(&instance))
            }
            Instance::Batching(instance) => Self::Batching(instance),
        }
    }
}

impl TryFrom<Wire> for Instance {
    type Error = InputError;

    fn try_from(wire: Wire) -> Result<Self, InputError> {
        const FILE: &str = "instance";
        Ok(match wire {
            Wire::Deployment(instance) => Self::Deployment(
                instance.checked().map_err(|e| InputError::file(FILE, e.to_string()))?,
            ),
            Wire::Scheduling(text) => {
                Self::Scheduling(edgeplan_scheduling::parse_schedule(FILE, &text, false)?)
            }
            Wire::Batching(instance) => Self::Batching(
                instance.checked().map_err(|e| InputError::file(FILE, e.to_string()))?,
            ),
        })
    }
}

impl Instance {
    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Deployment(_) => Kind::Deployment,
            Self::Scheduling(_) => Kind::Scheduling,
            Self::Batching(_) => Kind::Batching,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Deployment(instance) => &instance.name,
            Self::Scheduling(instance) => &instance.name,
            Self::Batching(instance) => &instance.name,
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let place = match &mut self {
            Self::Deployment(instance) => &mut instance.name,
            Self::Scheduling(instance) => &mut instance.name,
            Self::Batching(instance) => &mut instance.name,
        };
        name.clone_into(place);
        self
    }

    /// A stable digest of everything that makes it what it is.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Deployment(instance) => fingerprint(instance),
            Self::Scheduling(instance) => edgeplan_scheduling::fingerprint(instance),
            Self::Batching(instance) => {
                digest(&serde_json::to_string(instance).unwrap_or_default())
            }
        }
    }
}

//! The question that a command is asked: an instance file, or a generated instance.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_instances::file::read_text;
use edgeplan_instances::generate::{Random, random};
use edgeplan_instances::instance::read_instance;
use edgeplan_problem::deployment::Deployment;

/// Which instance, and how long to think about it.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// Instance file; without one, a random instance of 26 layers on 5 devices
    pub(crate) instance: Option<PathBuf>,
    /// Seconds to think at most, per solver
    #[arg(long, default_value_t = 60.0, value_parser = seconds)]
    pub(crate) time: f64,
    /// Relative gap at which a plan counts as proven
    #[arg(long, default_value_t = 1e-4, value_parser = fraction)]
    pub(crate) gap: f64,
    /// Seed of whatever is random
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

impl Question {
    pub(crate) fn read(&self) -> Result<Deployment> {
        match &self.instance {
            Some(path) => Ok(read_instance(&path.display().to_string(), &read_text(path)?)?),
            None => Ok(random(&Random { seed: self.seed, ..Random::default() }).checked()?),
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e7).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 10000000 is allowed".into()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(gap) if (0.0..1.0).contains(&gap) => Ok(gap),
        _ => Err("a number from 0 to below 1 is allowed".into()),
    }
}

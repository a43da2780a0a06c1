//! The scheduling question that a command is asked: a file, a seeded family, or the example.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use edgeplan_files::quantity::Time;
use edgeplan_scheduling::{
    Frame, Settings, Topology, frame, parse_schedule, read_schedule,
};
use edgeplan_problem::scheduling::{Mode, Scheduling};

use crate::service;

const EXAMPLE: &str = include_str!("../../../../bench-data/schedules/campus.toml");

/// Which question.
#[derive(Debug, clap::Args)]
pub(super) struct Question {
    /// Question file, TOML or JSON [default: three edge servers and a cloud]
    file: Option<PathBuf>,
    /// The expected load of a service.toml instead, on the deployments that `edgeplan service`
    /// plans for its sites
    #[arg(long, conflicts_with_all = ["file", "family"])]
    service: Option<PathBuf>,
    /// Draw the question from the numbers of a paper instead
    #[arg(long, conflicts_with = "file", value_parser = families())]
    family: Option<String>,
    /// Requests of the family [default: the paper's, 100 or 1000]
    #[arg(long, requires = "family", allow_negative_numbers = true)]
    requests: Option<usize>,
    /// Edge servers of the family [default: the paper's, 9 or 10]
    #[arg(long, requires = "family", allow_negative_numbers = true)]
    edges: Option<usize>,
    /// All capacities of the family over the paper's, in percent
    #[arg(long, requires = "family", allow_negative_numbers = true)]
    capacity_percent: Option<u64>,
    /// Seed of the family
    #[arg(long, requires = "family", default_value_t = 0, allow_negative_numbers = true)]
    frame_seed: u64,
    /// Places of the family: sites of servers, then of users; CSV files with the columns latitude
    /// and longitude
    #[arg(long, requires = "family", num_args = 2, value_names = ["SERVERS", "USERS"])]
    places: Vec<PathBuf>,
    /// Places of the family: a square matrix of round-trip times
    #[arg(long, requires = "family", conflicts_with = "places")]
    rtt: Option<PathBuf>,
    /// How long a 1 in that matrix is
    #[arg(long, requires = "rtt", default_value = "1 ms")]
    rtt_unit: Time,
    /// What missed demands mean, instead of what the question says
    #[arg(long, value_enum)]
    mode: Option<Demands>,
}

fn families() -> PossibleValuesParser {
    PossibleValuesParser::new(Settings::ALL.map(|(name, _)| name))
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Demands {
    /// Who misses one is not served so
    Hard,
    /// Satisfaction falls off with the shortfall
    Soft,
}

impl From<Demands> for Mode {
    fn from(demands: Demands) -> Self {
        match demands {
            Demands::Hard => Self::Hard,
            Demands::Soft => Self::Soft,
        }
    }
}

impl Question {
    pub(super) fn read(&self) -> Result<Scheduling> {
        let mut instance = match (&self.file, &self.family, &self.service) {
            (Some(path), ..) => read_schedule(path)?,
            (None, Some(family), _) => return self.draw(family),
            (None, None, Some(path)) => service::Question::of_file(path).schedule()?,
            (None, None, None) => parse_schedule("example", EXAMPLE, true)?,
        };
        if let Some(mode) = self.mode {
            instance.mode = mode.into();
            // Hard deadlines have a latest one.
            instance = instance.checked()?;
        }
        Ok(instance)
    }

    fn draw(&self, family: &str) -> Result<Scheduling> {
        let known = Settings::ALL.iter().find(|(name, _)| *name == family);
        let Some(&(_, settings)) = known else { bail!("--family {family}: there is none") };
        let paper = Frame::new(settings);
        let topology = match (&self.places[..], &self.rtt) {
            ([servers, users], _) => Topology::coordinates(servers, users)?,
            (_, Some(matrix)) => Topology::round_trips(matrix, self.rtt_unit)?,
            _ => paper.topology.clone(),
        };
        let parameters = Frame {
            requests: self.requests.unwrap_or(paper.requests),
            edges: self.edges.unwrap_or(paper.edges),
            capacity_percent: self.capacity_percent.unwrap_or(paper.capacity_percent),
            mode: self.mode.map_or(paper.mode, Mode::from),
            topology,
            seed: self.frame_seed,
            ..paper
        };
        Ok(frame(&parameters)?)
    }
}

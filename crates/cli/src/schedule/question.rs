//! The scheduling question that a command is asked: a file, a seeded family, or the example.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use edgeplan_files::quantity::Time;
use edgeplan_problem::scheduling::{Mode, Scheduling};
use edgeplan_scheduling::{Frame, Settings, Topology, frame, read_schedule};

use crate::service;

/// Which question.
#[derive(Debug, clap::Args)]
pub(super) struct Question {
    /// Decision frame, TOML or JSON [default: three edge servers and a cloud]
    file: Option<PathBuf>,
    /// Decision frame of the expected load of this service.toml, on the deployments that `edgeplan
    /// service` plans
    #[arg(long, conflicts_with_all = ["file", "family"])]
    service: Option<PathBuf>,
    /// Random decision frame with the parameters of a paper
    #[arg(long, conflicts_with = "file", value_parser = families())]
    family: Option<String>,
    /// family: requests [default: the paper's, 100 or 1000]
    #[arg(long, requires = "family", allow_negative_numbers = true)]
    requests: Option<usize>,
    /// family: edge servers [default: the paper's, 9 or 10]
    #[arg(long, requires = "family", allow_negative_numbers = true)]
    edges: Option<usize>,
    /// family: capacities of all servers, in percent of the paper's [default: 100]
    #[arg(long, requires = "family", allow_negative_numbers = true)]
    capacity_percent: Option<u64>,
    /// family: random seed
    #[arg(long, requires = "family", default_value_t = 0, allow_negative_numbers = true)]
    frame_seed: u64,
    /// family: positions of servers and of users; CSV files with columns latitude and longitude
    #[arg(long, requires = "family", num_args = 2, value_names = ["SERVERS", "USERS"])]
    places: Vec<PathBuf>,
    /// family: square matrix of round-trip times in place of positions
    #[arg(long, requires = "family", conflicts_with = "places")]
    rtt: Option<PathBuf>,
    /// Time unit of the --rtt matrix
    #[arg(long, requires = "rtt", default_value = "1 ms")]
    rtt_unit: Time,
    /// Meaning of missed demands, in place of the frame's own
    #[arg(long, value_enum)]
    mode: Option<Demands>,
}

fn families() -> PossibleValuesParser {
    PossibleValuesParser::new(Settings::ALL.map(|(name, _)| name))
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Demands {
    /// Constraints: no request is served below its accuracy or past its deadline (GUS)
    Hard,
    /// Penalties: satisfaction falls with the shortfall (PIES)
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
            (None, None, None) => edgeplan::schedule::example(),
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

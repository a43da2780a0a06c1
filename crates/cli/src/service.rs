//! `edgeplan service`: the deployments of each site, the site of each request, and the latencies
//! of users, beside baseline policies.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan_files::{InputError, read_text, write_atomic};
use edgeplan_problem::Limits;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_report::curves;
use edgeplan_service::platform::{Arrivals, Platform};
use edgeplan_service::{
    Equipment, Load, Planner, Step, Study, UserRequest, decision_frame, equipments, mean_size,
    requests,
};

use crate::argument::{number, seconds};
use crate::question::find_solver;
use crate::reply::{Reply, check_all, command_line};
use crate::watch;

const EXAMPLE: &str = include_str!("../../../bench-data/services/campus.toml");

/// Seconds in which a plan is proven, or good enough.
const PLAN_TIME: f64 = 1.0;

/// Which platform, and how it is planned.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// Platform: a service.toml [default: two edge sites and a cloud]
    file: Option<PathBuf>,
    /// Request trace in place of the file's load: CSV (TIMESTAMP, ContextTokens, GeneratedTokens)
    /// or JSON lines (timestamp in ms, input_length, output_length)
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Maximum number of requests [default: the file's]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    requests: Option<u64>,
    /// Solver of the deployments, one of `edgeplan solvers`
    #[arg(long, default_value = "chain-search")]
    planner: String,
    /// Time limit per deployment and cache size, in seconds
    #[arg(long, default_value_t = PLAN_TIME, allow_negative_numbers = true, value_parser = seconds)]
    plan_time: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    question: Question,
    /// Loads to simulate, as multiples of the expected load, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0.25,0.5,1,2,4", value_parser = load)]
    loads: Vec<f64>,
    /// Write instance and plan files of the sites' deployments to this folder
    #[arg(long)]
    plans: Option<PathBuf>,
    /// Write a plot of satisfied users over load to this SVG file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write a page with plots and all tables to this HTML file
    #[arg(long)]
    html: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// A load of an argument.
fn load(text: &str) -> Result<f64, String> {
    number(text, 1e-3..=1e3, "of times the expected load from 0.001 to 1000")
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let platform = arguments.question.read()?;
    check_all([arguments.svg.as_ref(), arguments.html.as_ref()])?;
    watch::listen();
    let requests = requests(&platform)?;
    let choices = arguments.question.equip(&platform, &requests)?;
    let load = Load { platform: &platform, requests: &requests, stop: watch::flag() };
    let mut busy = watch::Steps::default();
    let study = Study::new(load, &choices, &arguments.loads, &mut |step| {
        busy.begin(match step {
            Step::Choosing => "what each site hosts",
            Step::ExpectedLoad => "requests at the expected load",
            Step::OtherLoads => "requests at other loads",
        });
    });
    drop(busy);
    if let Some(folder) = &arguments.plans {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (name, text) in study.plan_files() {
            write_atomic(&folder.join(name), &text)?;
        }
    }
    if let Some(path) = &arguments.svg {
        write_atomic(path, &curves::svg(&study.satisfied_curves()))?;
    }
    if let Some(path) = &arguments.html {
        let pictures = [study.satisfied_curves(), study.first_token_curves()];
        write_atomic(path, &curves::html(&pictures, &study.tables(), &command_line()))?;
    }
    let reply = Reply::either(arguments.json, &study.keys(), &study.text());
    Ok(reply.found(study.hosts_anything()))
}

impl Question {
    /// The platform, with what the command line says of its load.
    fn read(&self) -> Result<Platform, InputError> {
        let mut platform = match &self.file {
            Some(path) => Platform::parse(&path.display().to_string(), &read_text(path)?)?,
            None => Platform::parse("example", EXAMPLE)?,
        };
        if let Some(path) = &self.trace {
            platform.load.arrivals = Arrivals::Trace(path.clone());
        }
        if let Some(count) = self.requests {
            platform.load.requests = usize::try_from(count).unwrap_or(usize::MAX);
        }
        Ok(platform)
    }

    /// What each site may be equipped with.
    fn equip(&self, platform: &Platform, requests: &[UserRequest]) -> Result<Vec<Vec<Equipment>>> {
        let planner = Planner {
            solver: find_solver(&self.planner)?,
            limits: Limits {
                time: Some(Duration::from_secs_f64(self.plan_time)),
                gap: 1e-2,
                interrupt: Some(watch::flag()),
                ..Limits::default()
            },
        };
        let _busy = watch::busy("deployments for each site");
        let size = mean_size(requests);
        let equip = |site| Ok(equipments(platform, site, size, &planner)?);
        let choices = platform.sites.iter().map(equip).collect::<Result<Vec<_>>>()?;
        if watch::interrupted() {
            bail!("interrupted while deployments were planned");
        }
        Ok(choices)
    }

    /// The scheduling question of the expected load on what the sites host.
    pub(crate) fn schedule(&self) -> Result<Scheduling> {
        let platform = self.read()?;
        let requests = requests(&platform)?;
        let choices = self.equip(&platform, &requests)?;
        Ok(decision_frame(Load::new(&platform, &requests), &choices)?)
    }

    /// The same for a file, planned as usual.
    pub(crate) fn of_file(file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            trace: None,
            requests: None,
            planner: "chain-search".into(),
            plan_time: PLAN_TIME,
        }
    }
}

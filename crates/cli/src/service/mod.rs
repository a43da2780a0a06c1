//! `edgeplan service`: which deployments run on which site, who serves whom, and what users see of
//! it, beside the rules of thumb of people who plan nothing.

mod picture;
mod view;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan_files::deployment::{PlanFile, write_instance};
use edgeplan_files::{InputError, check_writable, read_text, to_json, write_atomic};
use edgeplan_problem::Limits;
use edgeplan_report::curves;
use edgeplan_service::platform::{Arrivals, Platform};
use edgeplan_service::{
    Asked, Chosen, Equipment, Expected, Load, Planner, Run, Way, choose, denser, equipments,
    mean_size, rate, requests, uniform, ways,
};

use crate::question::{find_solver, seconds};
use crate::reply::Reply;
use crate::report::command_line;
use crate::watch;

const EXAMPLE: &str = include_str!("../../../../bench-data/services/campus.toml");

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
    match text.parse::<f64>() {
        Ok(load) if (1e-3..=1e3).contains(&load) => Ok(load),
        _ => Err("a number of times the expected load from 0.001 to 1000 is allowed".into()),
    }
}

/// What is known when everything has run.
struct Told<'a> {
    platform: &'a Platform,
    requests: &'a [Asked],
    expected: &'a Expected<'a>,
    chosen: &'a Chosen<'a>,
    /// The ways to operate, and what came of them at the expected load.
    ways: Vec<(Way<'a>, Run)>,
    /// By load: the load, requests per second, and what came of each way.
    loads: Vec<(f64, f64, Vec<Levels>)>,
    /// Whether somebody stopped it before all ways and loads were simulated.
    interrupted: bool,
}

impl Told<'_> {
    /// Every way at so many times the expected load; `None` if somebody stops it.
    fn simulated(&self, load: Load<'_>, multiple: f64) -> Option<(f64, f64, Vec<Levels>)> {
        if load.is_stopped() {
            return None;
        }
        let dense = denser(self.requests, multiple);
        let levels = |(way, run): &(Way<'_>, Run)| match multiple == 1.0 {
            true => Some(Levels::of(self.platform, self.requests, run)),
            false => Some(Levels::of(self.platform, &dense, &way.run(load.with(&dense))?)),
        };
        let levels = self.ways.iter().map(levels).collect::<Option<_>>()?;
        (!load.is_stopped()).then(|| (multiple, rate(&dense), levels))
    }
}

/// What all users saw, and those of each service.
struct Levels {
    all: edgeplan_service::Levels,
    services: Vec<edgeplan_service::Levels>,
}

impl Levels {
    fn of(platform: &Platform, requests: &[Asked], run: &Run) -> Self {
        let service = |index| run.replay.levels(requests, |asked| asked.service == index);
        let services = (0..platform.services.len()).map(service).collect();
        Self { all: run.levels.clone(), services }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let platform = arguments.question.read()?;
    for path in [&arguments.svg, &arguments.html].into_iter().flatten() {
        check_writable(path)?;
    }
    watch::listen();
    let requests = requests(&platform)?;
    let choices = arguments.question.equip(&platform, &requests)?;
    let load = Load { platform: &platform, requests: &requests, stop: watch::flag() };
    let expected = Expected::new(load);
    let (chosen, ways) = {
        let _busy = watch::busy("what each site hosts");
        let chosen = choose(&expected, &choices);
        let plain = uniform(&platform, &choices);
        let ways = ways(load, (&chosen.hosting, &plain));
        (chosen, ways)
    };
    let ways = ways.into_iter().map_while(|way| {
        let _busy = watch::busy("requests at the expected load");
        let run = way.run(load)?;
        Some((way, run))
    });
    let mut told = Told {
        platform: &platform,
        requests: &requests,
        expected: &expected,
        chosen: &chosen,
        ways: ways.collect(),
        loads: Vec::new(),
        interrupted: false,
    };
    for &multiple in &arguments.loads {
        let _busy = watch::busy("requests at other loads");
        let Some(simulated) = told.simulated(load, multiple) else { break };
        told.loads.push(simulated);
    }
    told.interrupted = watch::interrupted();
    if let Some(folder) = &arguments.plans {
        write_plans(folder, &told)?;
    }
    if let Some(path) = &arguments.svg {
        write_atomic(path, &curves::svg(&picture::satisfied(&told)))?;
    }
    if let Some(path) = &arguments.html {
        let pictures = [picture::satisfied(&told), picture::first_token(&told)];
        write_atomic(path, &curves::html(&pictures, &view::tables(&told), &command_line()))?;
    }
    let found = chosen.hosting.iter().any(Option::is_some);
    Ok(Reply::either(arguments.json, &view::json(&told), &view::text(&told)).found(found))
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
    fn equip(&self, platform: &Platform, requests: &[Asked]) -> Result<Vec<Vec<Equipment>>> {
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
    pub(crate) fn schedule(&self) -> Result<edgeplan_problem::scheduling::Scheduling> {
        let platform = self.read()?;
        let requests = requests(&platform)?;
        let choices = self.equip(&platform, &requests)?;
        let chosen = choose(&Expected::new(Load::new(&platform, &requests)), &choices);
        Ok(chosen.question.scheduling.checked()?)
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

/// `SITE.instance.json` and `SITE.plan.json` for each site that hosts anything.
fn write_plans(folder: &Path, told: &Told<'_>) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (site, offered) in told.platform.sites.iter().zip(&told.chosen.hosting) {
        let Some(offered) = offered else { continue };
        let Equipment { deployment, plan, .. } = offered.equipment;
        let path = |what: &str| folder.join(format!("{}.{what}.json", site.name));
        write_atomic(&path("instance"), &write_instance(deployment))?;
        write_atomic(&path("plan"), &to_json(&PlanFile::new(deployment, plan)))?;
    }
    Ok(())
}

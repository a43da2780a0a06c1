//! `edgeplan profile`: measure this machine, or a link to another one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan::{link_keys, link_lines, links, profile_text};
use edgeplan_cost_model::engine::EngineProfile;
use edgeplan_engine_profile::{
    Options as EngineOptions, Progress as EngineProgress, Size as EngineSize, before,
    profile as engine_profile,
};
use edgeplan_files::{check_writable, to_json, write_atomic};
use edgeplan_kernels::grid::Size;
use edgeplan_kernels::run::Progress;
use edgeplan_kernels::{Options, profile};
use edgeplan_link::{ADDRESS, Event, Limits, Server, measure};

use crate::argument::seconds;
use crate::reply::Reply;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Profile of this machine to write (JSON), for `profile = "FILE"` in a cluster.toml
    #[arg(long, required_unless_present_any = ["link", "serve", "json"])]
    out: Option<PathBuf>,
    /// Measure small matrices and few batch sizes only; of llama.cpp few formats and shapes
    #[arg(long)]
    quick: bool,
    /// The engine whose kernels are timed; llama.cpp by its own programs, going on with what the
    /// file holds already
    #[arg(long, value_enum, default_value_t = Engine::Candle)]
    engine: Engine,
    /// llama.cpp: folder of its programs, as `./x fetch llama.cpp` prints it
    #[arg(long, required_if_eq("engine", "llama.cpp"))]
    programs: Option<PathBuf>,
    /// llama.cpp: GGUF files to run as well, against which predictions are held; repeat for several
    #[arg(long)]
    model: Vec<PathBuf>,
    /// llama.cpp: threads [default: its own choice]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Time limit of the measurement, in seconds [default: 60; 10 with --quick]
    #[arg(long, value_parser = seconds)]
    time: Option<f64>,
    /// Measure the CPU even in a build with CUDA
    #[arg(long)]
    cpu: bool,
    /// Measure the link to the machine that runs `edgeplan profile --serve` at this address
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["out", "quick", "time", "cpu"])]
    link: Option<String>,
    /// Names of the two ends of the link in the cluster.toml [default: here,there]
    #[arg(long, value_name = "HERE,THERE", value_delimiter = ',', requires = "link")]
    between: Vec<String>,
    /// Serve `edgeplan profile --link` of other machines until Ctrl-C; without an address only this
    /// machine can connect, 0.0.0.0:7433 serves all networks
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = ADDRESS,
        conflicts_with_all = ["link", "out", "quick", "time", "cpu", "json"],
    )]
    serve: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    match (&arguments.link, &arguments.serve) {
        (Some(address), _) => link(address, arguments),
        (None, Some(address)) => serve(address),
        (None, None) if arguments.engine == Engine::LlamaCpp => engine(arguments),
        (None, None) => machine(arguments),
    }
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// Kernels of the reference engine
    Candle,
    /// Passes and kernels of llama.cpp
    #[value(name = "llama.cpp")]
    LlamaCpp,
}

fn engine(arguments: &Arguments) -> Result<Reply> {
    let out = arguments.out.as_deref();
    out.map(check_writable).transpose()?;
    let before = out.map(before).transpose()?.flatten();
    let options = EngineOptions {
        programs: arguments.programs.clone().unwrap_or_default(),
        models: arguments.model.clone(),
        size: if arguments.quick { EngineSize::Quick } else { EngineSize::Standard },
        threads: arguments.threads,
        cpu: arguments.cpu,
    };
    watch::listen();
    let bar = watch::bar(0, "{pos}/{len} {elapsed}: {msg}");
    let mut show = |progress: &EngineProgress| {
        bar.set_length(progress.all as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.now.clone());
    };
    let save = |found: &EngineProfile| out.map(|path| write_atomic(path, &to_json(found)));
    let mut each = |found: &EngineProfile| save(found).transpose().map(drop);
    let profile = engine_profile(&options, before, watch::flag(), &mut show, &mut each);
    drop(bar);
    let profile = profile?;
    save(&profile).transpose()?;
    let name = out.map_or("profile".into(), |path| path.display().to_string());
    let facts = edgeplan::inspect::engine(&name, &profile)?;
    Ok(Reply::either(arguments.json, &profile, &facts.to_string()))
}

fn machine(arguments: &Arguments) -> Result<Reply> {
    // Before a minute of work, not after it.
    if let Some(path) = &arguments.out {
        check_writable(path)?;
    }
    let size = if arguments.quick { Size::Quick } else { Size::Standard };
    let time = arguments.time.unwrap_or(if arguments.quick { 10.0 } else { 60.0 });
    let accelerated = cfg!(feature = "cuda") && !arguments.cpu;
    let options = Options { size, time: Duration::from_secs_f64(time), accelerated };
    watch::listen();
    let bar = watch::bar(0, "{pos}/{len} {elapsed}: {msg}");
    let profile = profile(&options, watch::flag(), &mut |progress: &Progress| {
        bar.set_length(progress.all as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.now.clone());
    });
    drop(bar);
    let profile = profile?;
    if let Some(path) = &arguments.out {
        write_atomic(path, &to_json(&profile))?;
    }
    Ok(Reply::either(arguments.json, &profile, &profile_text(&profile)))
}

fn serve(address: &str) -> Result<Reply> {
    let server = Server::bind(address, Limits::default()).with_context(|| {
        format!("`{address}`: an address of this machine and a free port are needed")
    })?;
    watch::listen();
    eprintln!("listening on {}; Ctrl-C ends it", server.address()?);
    server.serve(watch::flag(), &|event| match event {
        Event::Busy(from) => eprintln!("{from}: asked to wait"),
        Event::Full(from) => eprintln!("{from}: refused, too many clients"),
        Event::Over(from, Ok(moved)) => {
            let (received, sent) = (moved.received, moved.sent);
            eprintln!("{from}: measured, {received} received, {sent} sent");
        }
        Event::Over(from, Err(refusal)) => eprintln!("{from}: {refusal}"),
    })?;
    Ok(Reply::raw(String::new()))
}

fn link(address: &str, arguments: &Arguments) -> Result<Reply> {
    let between = match &arguments.between[..] {
        [] => ["here".to_owned(), "there".to_owned()],
        [here, there] if here != there => [here.clone(), there.clone()],
        names => bail!("--between {}: two different names are needed", names.join(",")),
    };
    watch::listen();
    let busy = watch::busy("measuring the link");
    let measured = measure(address, watch::flag());
    drop(busy);
    let measured = measured?;
    let links = links(&measured, &between);
    let json = link_keys(address, &measured, &links);
    Ok(Reply::either(arguments.json, &json, &link_lines(&measured, &links)))
}

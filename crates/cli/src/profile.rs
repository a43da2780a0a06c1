//! `edgeplan profile`: measure this machine, or a link to another one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan::{link_lines, links};
use edgeplan_cost_model::profile::{Profile, Resident, Timing, Work};
use edgeplan_files::{check_writable, to_json, write_atomic};
use edgeplan_kernels::grid::Size;
use edgeplan_kernels::run::Progress;
use edgeplan_kernels::work::{bytes, flops};
use edgeplan_kernels::{Options, profile};
use edgeplan_link::{ADDRESS, Direction, Event, Limits, Link, Server, measure};
use edgeplan_machines::cluster;
use edgeplan_problem::format::Format;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::question::seconds;
use crate::reply::Reply;
use crate::report::table;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Profile of this machine to write (JSON), for `profile = "FILE"` in a cluster.toml
    #[arg(long, required_unless_present_any = ["link", "serve", "json"])]
    out: Option<PathBuf>,
    /// Measure small matrices and few batch sizes only
    #[arg(long)]
    quick: bool,
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
        (None, None) => machine(arguments),
    }
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
    let bar = ProgressBar::new(0);
    let template = "{bar:30} {pos}/{len} {elapsed}: {msg}";
    bar.set_style(ProgressStyle::with_template(template).context("the progress bar")?);
    let profile = profile(&options, watch::flag(), &mut |progress: &Progress| {
        bar.set_length(progress.all as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.now.clone());
    });
    bar.finish_and_clear();
    let profile = profile?;
    if let Some(path) = &arguments.out {
        write_atomic(path, &to_json(&profile))?;
    }
    Ok(Reply::either(arguments.json, &profile, &text(&profile)))
}

/// The machine, its memory, every format on one matrix, the notes.
fn text(profile: &Profile) -> String {
    let machine = &profile.machine;
    let on = machine.accelerator.as_ref().unwrap_or(&machine.processor);
    let whole = if profile.complete { "complete" } else { "incomplete" };
    let mut text = format!(
        "{on}, threads {}, {}: {} times, {whole}\n",
        machine.threads,
        machine.engine,
        profile.timings.len(),
    );
    for timing in &profile.timings {
        match timing.work {
            Work::Triad { threads, .. } => {
                text += &format!("memory, threads {threads}: {} GB/s\n", gigabytes(timing));
            }
            Work::Dispatch {} => text += &format!("an empty operation: {}\n", timing.median_ns),
            _ => {}
        }
    }
    if let Some(rows) = formats(profile) {
        text += &rows;
    }
    for note in &profile.notes {
        text += &format!("note: {note}\n");
    }
    text
}

/// A row for each format: the first matrix of the grid times one row of activations and times 128.
fn formats(profile: &Profile) -> Option<String> {
    let first = |timing: &Timing| match timing.work {
        Work::Matmul { rows, row_len, .. } => Some((rows, row_len)),
        _ => None,
    };
    let (rows, row_len) = profile.timings.iter().find_map(first)?;
    let header = ["format", "1 row", "GB/s", "GFLOP/s", "128 rows", "GB/s", "GFLOP/s", "in memory"];
    let mut lines = table(&header, &[1, 2, 3, 4, 5, 6, 7]);
    for format in Format::ALL {
        let at = |batch: u64| {
            let work = Work::Matmul { format, rows, row_len, batch };
            let timing = profile.timings.iter().find(|timing| timing.work == work);
            timing.map_or(["-".into(), "-".into(), "-".into()], |timing| {
                [timing.median_ns.to_string(), gigabytes(timing), gigaflops(timing)]
            })
        };
        let share = |resident: &Resident| -> Option<f64> {
            Some(resident.resident_bytes.as_f64() / resident.file_bytes()?.as_f64())
        };
        let of = profile.resident.iter().filter(|resident| resident.format == format);
        let most = of.filter_map(share).reduce(f64::max);
        let resident = most.map_or("-".into(), |share| format!("{share:.2} x"));
        let cells = [vec![format.to_string()], at(1).into(), at(128).into(), vec![resident]];
        lines.add_row(cells.concat());
    }
    Some(format!("weights of {rows} x {row_len}, GB/s of the file's bytes:\n{lines}\n"))
}

/// Bytes a nanosecond are gigabytes a second.
fn gigabytes(timing: &Timing) -> String {
    rate(bytes(&timing.work).as_f64(), timing)
}

fn gigaflops(timing: &Timing) -> String {
    rate(flops(&timing.work) as f64, timing)
}

fn rate(amount: f64, timing: &Timing) -> String {
    let rate = amount / timing.median_ns.as_f64().max(1.0);
    if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.1}") }
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
    let json = link_json(address, &measured, &links);
    Ok(Reply::either(arguments.json, &json, &link_lines(&measured, &links)))
}

fn link_json(address: &str, link: &Link, links: &[cluster::Link]) -> Value {
    let way = |direction: &Direction| {
        json!({
            "bits_per_second": direction.bits_per_second(),
            "transfer_bytes": direction.bytes,
            "transfer_ns": direction.time.median,
            "transfer_mad_ns": direction.time.mad,
            "transfers": direction.time.repeats,
        })
    };
    json!({
        "address": address,
        "round_trip_ns": link.round_trip.median,
        "round_trip_mad_ns": link.round_trip.mad,
        "round_trips": link.round_trip.repeats,
        "there": way(&link.there),
        "back": way(&link.back),
        "links": links,
    })
}

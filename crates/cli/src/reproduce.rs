//! `edgeplan reproduce`: published figures beside ours.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_files::{check_writable, write_atomic};
use edgeplan_report::table::csv;
use edgeplan_reproduction::{findings, speeds, table, throughput};

use crate::reply::{Reply, command_line};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// EdgeShard's throughput only, under every reading: bottleneck model and pipelines
    #[arg(long)]
    throughput: bool,
    /// throughput: write the pipelines' first passes to this SVG file
    #[arg(long, requires = "throughput")]
    svg: Option<PathBuf>,
    /// Public speeds of devices that were not measured, predicted without them, by class
    #[arg(long, conflicts_with = "throughput")]
    speeds: bool,
    /// Write the table to this CSV file; with --speeds the classes to this TOML file
    #[arg(long, conflicts_with = "throughput")]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.throughput {
        if let Some(path) = &arguments.svg {
            check_writable(path)?;
            write_atomic(path, &throughput::picture()?)?;
        }
        return throughputs(arguments.json);
    }
    if let Some(path) = &arguments.out {
        check_writable(path)?;
    }
    let write = |text: &str| match &arguments.out {
        Some(path) => write_atomic(path, &format!("# {}\n{text}", command_line())),
        None => Ok(()),
    };
    if arguments.speeds {
        let speeds = speeds::speeds()?;
        write(&speeds.classes)?;
        return Ok(Reply::shown(arguments.json, &speeds));
    }
    let findings = findings()?;
    write(&csv(&findings))?;
    Ok(Reply::either(arguments.json, &findings, &table(&findings).to_string()))
}

/// EdgeShard's throughput in every reading.
fn throughputs(json: bool) -> Result<Reply> {
    Ok(Reply::shown(json, &throughput::every_reading()?))
}

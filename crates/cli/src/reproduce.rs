//! `edgeplan reproduce`: published figures beside ours.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_files::write_atomic;
use edgeplan_pareto::recipes;
use edgeplan_report::table::csv;
use edgeplan_reproduction::{findings, speeds, table, throughput};

use crate::reply::{Reply, check_all, write_record};

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
    /// Published recipes beside the best of their sizes: a model's folder of the GGUF Tool Suite of
    /// Thireus and contributors, `models/NAME`, then files of `recipe_examples`
    #[arg(long, num_args = 2.., value_name = "FOLDER RECIPE",
        conflicts_with_all = ["throughput", "speeds", "out"])]
    recipes: Vec<PathBuf>,
    /// recipes: type that every tensor was measured in
    #[arg(long, default_value = "iq1_kt")]
    probe: String,
    /// recipes: types to choose from, separated by commas [default: those of each recipe]
    #[arg(long, value_delimiter = ',')]
    types: Vec<String>,
    /// Write the table to this CSV file; with --speeds the classes to this TOML file
    #[arg(long, conflicts_with = "throughput")]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { svg, out, json, probe, types, .. } = arguments;
    check_all([svg.as_ref(), out.as_ref()])?;
    if arguments.throughput {
        if let Some(path) = svg {
            write_atomic(path, &throughput::picture()?)?;
        }
        return Ok(Reply::shown(*json, &throughput::every_reading()?));
    }
    if let Some((folder, files)) = arguments.recipes.split_first() {
        return Ok(Reply::shown(*json, &recipes::recipes(folder, files, probe, types)?));
    }
    if arguments.speeds {
        let speeds = speeds::speeds()?;
        write_record(out.as_deref(), &speeds.classes)?;
        return Ok(Reply::shown(*json, &speeds));
    }
    let findings = findings()?;
    write_record(out.as_deref(), &csv(&findings))?;
    Ok(Reply::either(*json, &findings, &table(&findings).to_string()))
}

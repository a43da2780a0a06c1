//! `edgeplan verify`: a model runs on this machine, and is held against what plans expect of it.

mod quality;

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan::{Runs, verify};
use edgeplan_files::{check_writable, to_json, write_atomic};
use edgeplan_reference_llama::Device;
use edgeplan_reference_llama::measure::measure;
use serde_json::{Value, to_value};

use crate::reply::Reply;
use crate::watch;

/// More positions than these are a typing error.
const TOKENS_MAX: i64 = 65_536;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model: a GGUF file; for times one of the llama architecture
    model: PathBuf,
    /// Profile of this machine, from `edgeplan profile` or `catalog:NAME`
    #[arg(long, default_value = "", hide_default_value = true, required_unless_present = "text")]
    profile: String,
    #[command(flatten)]
    quality: quality::Quality,
    /// Prompt tokens
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(1..=TOKENS_MAX))]
    prompt: u32,
    /// Generated tokens
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(0..=TOKENS_MAX))]
    generate: u32,
    /// Repetitions after a warm-up; medians are shown
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Write the result to this JSON file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if let Some(out) = &arguments.out {
        check_writable(out)?;
    }
    let (json, text) = match arguments.quality.measured(&arguments.model)? {
        Some(found) => (to_value(&found)?, found.to_string()),
        None => times(arguments)?,
    };
    if let Some(out) = &arguments.out {
        write_atomic(out, &to_json(&json))?;
    }
    Ok(Reply::either(arguments.json, &json, &text))
}

/// Runs the model: the result as JSON and as text.
fn times(arguments: &Arguments) -> Result<(Value, String)> {
    let path = &arguments.model;
    let runs = Runs {
        prompt: arguments.prompt as usize,
        generate: arguments.generate as usize,
        repeats: arguments.repeats as usize,
    };
    let bar = watch::bar(runs.passes() as u64, "{pos}/{len} passes, {elapsed}");
    let run = |runs| -> Result<_> { Ok(measure(path, &Device::Cpu, runs, &mut || bar.inc(1))?) };
    let verified = verify(path, &arguments.profile, runs, run)?;
    drop(bar);
    Ok((to_value(verified.keys())?, verified.text()))
}

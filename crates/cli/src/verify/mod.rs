//! `edgeplan verify`: a model runs on this machine, and is held against what plans expect of it.

mod quality;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::value_parser;
use edgeplan::expectation;
use edgeplan_engine::Device;
use edgeplan_engine::measure::{Runs, measure};
use edgeplan_files::{check_writable, to_json, write_atomic};
use edgeplan_machines::device::{self, DeviceProfile};
use edgeplan_measure::machine::{Machine, load_average};
use edgeplan_problem::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use self::table::Comparison;
use crate::reply::Reply;

/// More positions than these are a slip of the pen.
const TOKENS_MAX: i64 = 65_536;
/// From this many processes per core on, somebody else is working.
const IDLE: f64 = 0.25;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model: a GGUF file of the llama architecture
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
        Some(found) => found,
        None => times(arguments)?,
    };
    if let Some(out) = &arguments.out {
        write_atomic(out, &to_json(&json))?;
    }
    Ok(Reply::either(arguments.json, &json, &text))
}

/// Runs the model, and what came of it as data and for people.
fn times(arguments: &Arguments) -> Result<(Value, String)> {
    let known = device::load(&arguments.profile)?;
    let path = &arguments.model;
    let spec = edgeplan_model::load(&path.display().to_string())?.as_stored();
    if spec.stored_bytes().is_none() {
        bail!("{}: a GGUF file with its weights is needed", path.display());
    }
    let predicted = expectation(&spec, &arguments.profile, (arguments.prompt, arguments.generate))?;
    let (machine, load) = (Machine::here(), load_average());
    let (needed, free) = (predicted.memory, Bytes(machine.free_bytes));
    if needed > free {
        bail!("{}: takes {needed} of memory, but only {free} is free", path.display());
    }
    let runs = Runs {
        prompt: arguments.prompt as usize,
        generate: arguments.generate as usize,
        repeats: arguments.repeats as usize,
    };
    let bar = ProgressBar::new(runs.passes() as u64);
    let template = "{bar:30} {pos}/{len} passes, {elapsed}";
    bar.set_style(ProgressStyle::with_template(template).context("the progress bar")?);
    bar.tick();
    let measured = measure(path, &Device::Cpu, runs, &mut || bar.inc(1));
    bar.finish_and_clear();
    let measured = measured?;
    let mut notes = predicted.notes.clone();
    notes.extend(stranger(&known, &machine));
    if load > IDLE * f64::from(machine.cores) {
        notes.push(format!(
            "{load:.1} processes ran or waited for {} cores in the minute before: other work",
            machine.cores
        ));
    }
    let comparison = Comparison { spec: &spec, runs, predicted: &predicted, measured, notes };
    Ok((comparison.json(), comparison.text()))
}

/// Says so if the profile is another machine's.
fn stranger(known: &DeviceProfile, here: &Machine) -> Option<String> {
    let told = match known {
        DeviceProfile::Measured(measured) => {
            let there = &measured.profile.machine;
            if let Some(accelerator) = &there.accelerator {
                return Some(format!(
                    "the profile is that of {accelerator}; this ran on the processor"
                ));
            }
            &there.processor
        }
        DeviceProfile::Published(_) => {
            return Some("the profile was published, not measured here".into());
        }
    };
    (*told != here.processor)
        .then(|| format!("the profile was measured on {told}; this is {}", here.processor))
}

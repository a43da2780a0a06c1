//! `edgeplan export`: a plan as files and commands for an engine that runs it, or the question as
//! an integer program.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use edgeplan::{Export, ModelFormat, Runtime};
use edgeplan_files::{check_folder, write_folder_atomic};
use serde_json::json;

use crate::program;
use crate::question::{SolveArguments, engine_help};
use crate::reply::{Reply, command_line};
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    solve: SolveArguments,
    #[arg(
        long,
        value_name = "ENGINE",
        value_parser = target,
        help = engine_help("mps or lp, a file of the question as an integer program; or the \
            engine to write files for")
    )]
    to: Target,
    /// Plan file, made with or without `--for ENGINE` [default: the solver's plan for the engine]
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Folder to write, new or empty; of mps and lp the file
    #[arg(long)]
    out: PathBuf,
    /// Address of a device in the engine's terms, such as `jetson=10.0.0.7:50052` or `gpu=cuda[0]`;
    /// repeat per device or host. llama.cpp: a ggml device for those of the source [default: by
    /// backend and number], HOST:PORT for other hosts [default: NAME:50052]
    #[arg(long, value_name = "DEVICE=ADDRESS", value_parser = address)]
    at: Vec<(String, String)>,
    /// Export the nearest plan that the engine can express if it cannot express this one
    #[arg(long, requires = "plan")]
    nearest: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A plan for an engine.
    Engine(&'static Runtime),
    /// The question as an integer program.
    Program(ModelFormat),
}

fn target(name: &str) -> Result<Target, String> {
    let formats = [ModelFormat::Mps, ModelFormat::Lp];
    match formats.into_iter().find(|format| format.word() == name) {
        Some(format) => Ok(Target::Program(format)),
        None => Runtime::find(name).map(Target::Engine),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { solve, to, plan, out, at, .. } = arguments;
    match *to {
        Target::Engine(engine) if solve.question.runtime.is_some() => {
            bail!("--for cannot be used with --to {}, which says as much", engine.name)
        }
        Target::Engine(engine) => plan_for(engine, arguments),
        Target::Program(format) if plan.is_some() || !at.is_empty() => {
            let format = format.word();
            bail!("--plan and --at cannot be used with --to {format}: it is the question's file")
        }
        Target::Program(format) => program::write(&solve.question, format, out, solve.json),
    }
}

fn plan_for(engine: &'static Runtime, arguments: &Arguments) -> Result<Reply> {
    let Arguments { solve, plan, out, at, nearest, .. } = arguments;
    let task = solve.task()?;
    check_folder(out)?;
    // Without a plan, the engine's own limits decide what the objective finds.
    let session = match plan {
        Some(_) => solve.question.load()?,
        None => solve.question.sources().load()?,
    };
    watch::listen();
    let addresses: BTreeMap<String, String> = at.iter().cloned().collect();
    let (plan, nearest, command) = (plan.as_deref(), *nearest, &command_line());
    let export = Export { engine, plan, nearest, addresses: &addresses, command };
    let mut progress = Watcher::new(session.deployment().objective);
    let exported = session.export(&export, &task, &mut progress)?;
    drop(progress);
    let Some(exported) = exported else {
        let name = engine.name;
        let text = format!("no plan for {name}; `edgeplan plan --for {name}` says why");
        let json = json!({ "engine": name, "plan": null });
        return Ok(Reply::either(solve.json, &json, &text).found(false));
    };
    write_folder_atomic(out, &exported.files)?;
    let (remarks, files) = (exported.remarks.join("\n"), exported.names().join(", "));
    let text = format!("{remarks}\n{}: {files}", out.display());
    Ok(Reply::either(solve.json, &exported.keys(engine, out), &text))
}

/// A device and its address.
fn address(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, at)| !name.is_empty() && !at.is_empty());
    let (name, address) = pair.ok_or("DEVICE=ADDRESS is needed")?;
    Ok((name.into(), address.into()))
}

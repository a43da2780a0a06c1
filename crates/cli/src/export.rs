//! `edgeplan export`: a plan as files and commands for an engine that runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use edgeplan_instances::file::{InputError, check_folder, read_text, write_folder_atomic};
use edgeplan_instances::instance::{PlanFile, fingerprint};
use edgeplan_problem::deployment::{Deployment, Placement, Plan};
use edgeplan_problem::{Problem as _, Verdict};
use edgeplan_runtimes::{Order, Request, Runtime, export, latency, nearest};
use edgeplan_solvers::Entry;
use serde_json::json;

use crate::plan::headline;
use crate::question::{Asked, Scope, engine_help};
use crate::reply::{Reply, believed};
use crate::report::{amount, command_line};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[arg(
        long,
        value_name = "ENGINE",
        value_parser = Runtime::find,
        conflicts_with = "runtime",
        help = engine_help("Engine to write files for")
    )]
    to: &'static Runtime,
    /// Plan file, made with or without `--for ENGINE` [default: the solver's plan for the engine]
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Folder to write, new or empty
    #[arg(long)]
    out: PathBuf,
    /// Address of a device in the engine's terms, such as `jetson=10.0.0.7:50052` or `gpu=cuda[0]`;
    /// repeat per device. llama.cpp: a ggml device for the source [default: CPU], HOST:PORT for
    /// others [default: NAME:50052]
    #[arg(long, value_name = "DEVICE=ADDRESS", value_parser = address)]
    at: Vec<(String, String)>,
    /// Export the nearest plan that the engine can express if it cannot express this one
    #[arg(long, requires = "plan")]
    nearest: bool,
}

/// A plan that the engine can express, and how it is priced.
struct Chosen {
    deployment: Deployment,
    plan: Plan,
    scope: Scope,
    /// What the README and the terminal say of it.
    remarks: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let entry = arguments.asked.solver()?;
    let question = &arguments.asked.question;
    check_folder(&arguments.out)?;
    watch::listen();
    let chosen = match &arguments.plan {
        Some(path) => given(arguments, path, entry)?,
        None => planned(arguments, entry)?,
    };
    let Some(Chosen { deployment, plan, scope, remarks }) = chosen else {
        let name = arguments.to.name;
        let text = format!("no plan for {name}; `edgeplan plan --for {name}` says why");
        let json = json!({ "engine": name, "plan": null });
        return Ok(Reply::either(arguments.asked.json, &json, &text).found(false));
    };
    let evaluation = deployment.evaluate(&plan);
    if !evaluation.is_feasible() {
        let broken: Vec<String> = evaluation.violations.iter().map(ToString::to_string).collect();
        bail!("as {} runs it, the plan is infeasible: {}", arguments.to.name, broken.join("; "));
    }
    let alone = question.prompt_alone_in(scope)?;
    let request = question.workload_in(scope)?.zip(alone).map(|(workload, (_, alone))| Request {
        prompt: workload.prompt,
        generate: workload.generate,
        batch: workload.batch,
        kv: workload.kv,
        first_token: latency(&alone, &plan),
    });
    let addresses: BTreeMap<String, String> = arguments.at.iter().cloned().collect();
    let models = question.model_names();
    let order = Order {
        runtime: arguments.to,
        deployment: &deployment,
        plan: &plan,
        request,
        model: models.first().copied(),
        addresses: &addresses,
        remarks: &remarks,
        command: &command_line(),
    };
    let files = export(&order).map_err(|problem| anyhow!("{}: {problem}", arguments.to.name))?;
    write_folder_atomic(&arguments.out, &files)?;
    let bills = deployment.devices.iter().zip(&evaluation.account.devices);
    let devices: BTreeMap<&str, serde_json::Value> = bills
        .map(|(device, bill)| {
            let json = json!({
                "weights_bytes": bill.weights,
                "kv_bytes": bill.kv,
                "activations_bytes": bill.activations,
                "overhead_bytes": bill.overhead,
            });
            (device.name.as_str(), json)
        })
        .collect();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let out = arguments.out.display();
    let json = json!({
        "engine": arguments.to.name,
        "folder": out.to_string(),
        "files": names,
        "latency_ns": latency(&deployment, &plan),
        "first_token_ns": request.map(|request| request.first_token),
        "memory_bytes": evaluation.account.memory(),
        "devices": devices,
        "remarks": remarks,
    });
    let text = format!("{}\n{out}: {}", remarks.join("\n"), names.join(", "));
    Ok(Reply::either(arguments.asked.json, &json, &text))
}

/// The solver's plan of the question within the engine.
fn planned(arguments: &Arguments, entry: &Entry) -> Result<Option<Chosen>> {
    let (scope, question) = (Scope::Within(arguments.to), &arguments.asked.question);
    let deployment = question.read_in(scope)?.deployment;
    one_model(&deployment)?;
    let solver = (entry.make)();
    let outcome = watch::answer(&deployment, entry.name, solver.as_ref(), question);
    let outcome = believed(entry.name, outcome)?;
    let remark = headline(&deployment, entry.name, &outcome);
    Ok(outcome.plan.map(|plan| Chosen { deployment, plan, scope, remarks: vec![remark] }))
}

/// A file's plan, of the question within the engine or of the question as it is.
fn given(arguments: &Arguments, path: &Path, entry: &Entry) -> Result<Option<Chosen>> {
    let (runtime, question) = (arguments.to, &arguments.asked.question);
    let name = path.display().to_string();
    let file = PlanFile::parse(&name, &read_text(path)?)?;
    let original = question.read_in(Scope::Open)?.deployment;
    one_model(&original)?;
    let scope = Scope::Within(runtime);
    if file.instance != fingerprint(&original) {
        // What the engine cannot do of the question counts only if the plan is of no other.
        let within = question.read_in(scope)?.deployment;
        let plan = file.resolve(&name, &within)?;
        let cost = amount(&within, within.evaluate(&plan).cost);
        let remarks = vec![format!("{cost} as planned for {}", runtime.name)];
        return Ok(Some(Chosen { deployment: within, plan, scope, remarks }));
    }
    let plan = file.resolve(&name, &original)?;
    let before = original.evaluate(&plan).cost;
    let misfits =
        runtime.misfits(&original, &plan).map_err(|text| InputError::file(&name, text))?;
    if misfits.is_empty() {
        let scope = Scope::Priced(runtime);
        let mut deployment = question.read_in(scope)?.deployment;
        // The plan may split what the engine can split and a search for it does not.
        deployment.placement = Placement::Free;
        let plan = runtime.translate((&original, &plan), &deployment).map_err(|e| anyhow!(e))?;
        let after = deployment.evaluate(&plan).cost;
        let (before, after) = (amount(&original, before), amount(&original, after));
        let remarks = vec![format!("{after} as {} runs it; {before} as planned", runtime.name)];
        return Ok(Some(Chosen { deployment, plan, scope, remarks }));
    }
    if !arguments.nearest {
        let list = misfits.join("\n  ");
        let name = runtime.name;
        bail!(
            "{name} cannot run this plan:\n  {list}\n`--nearest` exports the nearest plan that it \
             can run; `edgeplan plan --for {name}` makes one for it"
        );
    }
    let deployment = question.read_in(scope)?.deployment;
    let near = nearest(&deployment, (&original, &plan)).map_err(|text| anyhow!(text))?;
    let outcome = watch::answer(&near, entry.name, (entry.make)().as_ref(), question);
    let outcome = believed(entry.name, outcome)?;
    let proven = matches!(outcome.verdict, Verdict::Optimal { .. });
    Ok(outcome.plan.map(|plan| {
        let after = deployment.evaluate(&plan).cost;
        let change = 100.0 * (after.as_f64() / before.as_f64().max(1.0) - 1.0);
        let (before, after) = (amount(&original, before), amount(&original, after));
        let found = if proven { "nearest plan" } else { "nearest plan found" };
        let mut remarks = vec![format!(
            "{after} for the {found} that {} can run; {before} for the plan given ({change:+.1} %)",
            runtime.name
        )];
        remarks.extend(misfits.iter().map(|misfit| format!("changed: {misfit}")));
        Chosen { deployment, plan, scope, remarks }
    }))
}

fn one_model(deployment: &Deployment) -> Result<()> {
    let names: Vec<&str> = deployment.models.iter().map(|model| model.name.as_str()).collect();
    match names.len() {
        1 => Ok(()),
        count => bail!("{count} models ({}); one at a time can be exported", names.join(", ")),
    }
}

/// A device and its address.
fn address(text: &str) -> Result<(String, String), String> {
    let pair =
        text.split_once('=').filter(|(name, address)| !name.is_empty() && !address.is_empty());
    let (name, address) = pair.ok_or("DEVICE=ADDRESS is needed")?;
    Ok((name.into(), address.into()))
}

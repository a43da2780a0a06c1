//! What the page gets for its questions.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use edgeplan::fit::catalog as models;
use edgeplan::{Document, Error, Export, InputError, Limits, Quiet, Runtime, Sources, Task};
use edgeplan_files::{TextFile, parse_json};
use edgeplan_machines::cluster::{Cluster, ClusterFile};
use edgeplan_machines::detect::Detected;
use edgeplan_machines::device::catalog;
use edgeplan_report::answer::ranking;
use edgeplan_runtimes::RUNTIMES;
use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::question::{CLUSTER, Question};
use crate::uploads::Uploads;

/// What the page offers, and what it begins with.
#[derive(Serialize)]
pub(crate) struct Offers {
    models: Vec<String>,
    devices: Vec<OfferedDevice>,
    engines: Vec<&'static str>,
    model: &'static str,
    cluster: ClusterFile,
}

#[derive(Serialize)]
struct OfferedDevice {
    name: &'static str,
    memory: String,
}

const EXAMPLE: &str = "catalog:llama-3.1-8b";

/// The catalogs, the engines and the example.
pub(crate) fn offers() -> Result<Offers, Error> {
    let device = |(name, device): (&'static String, &edgeplan_machines::device::Device)| {
        OfferedDevice { name, memory: device.memory().to_string() }
    };
    Ok(Offers {
        models: models(),
        devices: catalog().iter().map(device).collect(),
        engines: RUNTIMES.iter().map(|runtime| runtime.name).collect(),
        model: EXAMPLE,
        cluster: Sources::cluster(None)?.file().clone(),
    })
}

/// A plan as the page shows it.
#[derive(Serialize)]
pub(crate) struct View {
    /// What users see, a line per model.
    said: Vec<String>,
    verdict: &'static str,
    headline: String,
    /// Everything that `edgeplan plan` prints.
    text: String,
    /// SVG.
    picture: Option<String>,
    /// The plan file.
    plan: Option<String>,
    cost: Option<String>,
    policies: Vec<Policy>,
    milliseconds: u128,
}

/// What people do today, beside the plan.
#[derive(Serialize)]
struct Policy {
    name: &'static str,
    cost: Option<String>,
    /// Its cost over the plan's.
    ratio: Option<f64>,
}

/// Plans.
pub(crate) fn plan(text: &str, uploads: &Uploads, stop: &AtomicBool) -> Result<View, Error> {
    let began = Instant::now();
    let question = Question::parse(text)?;
    let task = question.task(stop);
    let session = question.session(uploads, &task)?;
    let planned = session.plan(&task, &mut Quiet);
    let (deployment, outcome) = (session.deployment(), &planned.outcome);
    let best = outcome.cost();
    let amount = |cost| deployment.objective.amount(cost);
    let policy = |one: &edgeplan::Baseline| Policy {
        name: one.policy,
        cost: one.cost.map(amount),
        ratio: one.cost.zip(best).map(|(cost, best)| cost.as_f64() / best.as_f64().max(1.0)),
    };
    let said = outcome.plan.as_ref().map(|plan| session.sentences(plan)).transpose()?;
    Ok(View {
        said: said.unwrap_or_default(),
        verdict: outcome.verdict.word(),
        headline: edgeplan::headline(deployment, planned.solver, outcome),
        text: planned.text(&session, None, false)?,
        picture: planned.picture(&session)?,
        plan: planned.plan_text(&session),
        cost: best.map(amount),
        policies: planned.baselines.iter().map(policy).collect(),
        milliseconds: began.elapsed().as_millis(),
    })
}

/// A page of the plan, to keep.
pub(crate) fn page(text: &str, uploads: &Uploads, stop: &AtomicBool) -> Result<String, Error> {
    let question = Question::parse(text)?;
    let task = question.task(stop);
    let session = question.session(uploads, &task)?;
    let page = session.plan(&task, &mut Quiet).page(&session, "edgeplan ui")?;
    page.ok_or_else(no_plan)
}

fn no_plan() -> Error {
    Error::Impossible("there is no plan, so there is nothing to write".into())
}

/// Rows under named columns.
#[derive(Serialize)]
pub(crate) struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// What one solver of a comparison may take.
const COMPARED: Duration = Duration::from_secs(1);

/// Ranks every solver on the question, a second each.
pub(crate) fn compare(text: &str, uploads: &Uploads, stop: &AtomicBool) -> Result<Rows, Error> {
    let question = Question::parse(text)?;
    let task = question.task(stop);
    let session = question.session(uploads, &task)?;
    let limits = Limits { time: Some(COMPARED), ..task.limits };
    let ranked = session.compare(&Task { limits, ..task }, &[], &mut Quiet);
    let table = ranking(session.deployment(), &ranked.outcomes, ranked.lower_bound);
    Ok(Rows { columns: table.columns, rows: table.rows })
}

/// An export that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    question: Question,
    engine: String,
}

/// The files for an engine, as an archive.
pub(crate) fn export(text: &str, uploads: &Uploads, stop: &AtomicBool) -> Result<Vec<u8>, Error> {
    let Wanted { question, engine } = parse_json("export", text)?;
    let question = question.checked()?;
    let engine =
        Runtime::find(&engine).map_err(|problem| InputError::key("export", "engine", problem))?;
    let task = question.task(stop);
    let session = question.session(uploads, &task)?;
    let (plan, nearest, addresses) = (None, false, &BTreeMap::new());
    let wanted = Export { engine, plan, nearest, addresses, command: "edgeplan ui" };
    let exported = session.export(&wanted, &task, &mut Quiet)?.ok_or_else(no_plan)?;
    let folder = format!("edgeplan-{}", engine.name);
    archive(&folder, &exported.files)
        .map_err(|error| Error::Impossible(format!("the archive: {error}")))
}

/// Files of a folder in an archive; scripts may be run.
fn archive(folder: &str, files: &[(String, String)]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(mode);
        archive.start_file(format!("{folder}/{name}"), options)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A cluster file that was dropped on the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dropped {
    name: String,
    text: String,
}

/// The keys of a cluster file.
pub(crate) fn read_cluster(text: &str) -> Result<ClusterFile, Error> {
    let Dropped { name, text } = parse_json("file", text)?;
    Ok(Cluster::parse(&name, &text)?.file().clone())
}

/// The text of the question's cluster file.
pub(crate) fn write_cluster(text: &str) -> Result<String, Error> {
    let TextFile { name, text } = Question::parse(text)?.document()?.read()?;
    let cluster = Cluster::parse(&name, &text)?;
    Ok(cluster.file().text("Made by edgeplan ui."))
}

/// A device that joins a cluster, or a machine that leaves it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    cluster: serde_json::Value,
    #[serde(default)]
    add: Option<String>,
    /// The machine that the device goes into.
    #[serde(default)]
    into: Option<String>,
    #[serde(default)]
    remove: Option<String>,
}

/// The keys of a changed cluster.
pub(crate) fn change_cluster(text: &str) -> Result<ClusterFile, Error> {
    let Change { cluster, add, into, remove } = parse_json("change", text)?;
    let TextFile { name, text } = Document::of_json(CLUSTER, &cluster.to_string())?.read()?;
    let cluster = Cluster::parse(&name, &text)?;
    let changed = match (add, remove) {
        (Some(device), _) => cluster.with_device(into.as_deref(), &device),
        (None, Some(machine)) => cluster.without(&[machine]).map(|rest| rest.file),
        (None, None) => Err("`add` or `remove` is needed".into()),
    };
    let changed = changed.map_err(|problem| InputError::file(CLUSTER, problem))?;
    Ok(cluster.replaced(changed)?.file().clone())
}

/// This machine as a cluster.
#[derive(Clone, Serialize)]
pub(crate) struct Here {
    cluster: ClusterFile,
    notes: Vec<String>,
}

/// Looks at this machine, once.
pub(crate) fn here() -> Result<Here, Error> {
    static HERE: LazyLock<Result<Here, InputError>> = LazyLock::new(|| {
        let found = Detected::here();
        let cluster = Cluster::parse("this machine", &found.cluster_toml())?.file().clone();
        Ok(Here { cluster, notes: found.notes })
    });
    Ok(HERE.clone()?)
}

/// A dropped model: what questions call it.
#[derive(Serialize)]
pub(crate) struct Kept {
    model: String,
    layers: usize,
}

/// Keeps the beginning of a model file, if it can be read as one.
pub(crate) fn keep(uploads: &Uploads, name: &str, size: u64, head: &[u8]) -> Result<Kept, Error> {
    let model = uploads.keep(name, size, head)?;
    let path = uploads.path(&model)?;
    let spec = edgeplan_model::load(&path).map_err(|error| {
        // The folder of the copy is no part of the question.
        let file = if error.file == path { name.to_owned() } else { error.file.clone() };
        InputError { file, ..error }
    })?;
    Ok(Kept { model, layers: spec.layers.len() })
}

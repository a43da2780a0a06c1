//! Which models fit a machine, and how well.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use edgeplan_files::{check_folder, write_folder_atomic};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::detect::Detected;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::{Goal, Workload};
use edgeplan_problem::deployment::Plan;
use edgeplan_problem::{Bytes, Limits, Outcome, Problem as _, Verdict};
use edgeplan_report::table::{Table, or_dash};
use edgeplan_runtimes::Runtime;
use rayon::prelude::*;
use serde::Serialize;

use crate::answer::{Quiet, Task};
use crate::export::Export;
use crate::session::{Inputs, Origin, Session, View};
use crate::sought::Sought;
use crate::sources::Sources;
use crate::summary::Summary;
use crate::{Error, answer};

/// What is asked of each model.
///
/// ```
/// use edgeplan::fit::{Fit, Order};
/// use edgeplan::{Sources, Task};
///
/// let fit = Fit {
///     models: vec!["catalog:tinyllama-1.1b".into()],
///     cluster: Sources::cluster(None)?,
///     workload: Default::default(),
/// };
/// let mut ranked = fit.run(&Task::default());
/// ranked.sort(Order::Speed);
/// println!("{}", ranked.text(20));
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fit {
    /// The models, as they are named.
    pub models: Vec<String>,
    /// The machine.
    pub cluster: Cluster,
    /// The request, and the limits that count.
    pub workload: Workload,
}

/// A model on the machine.
///
/// See [`Fit`] for an example.
#[derive(Debug, Clone, Serialize)]
pub struct Fitted {
    /// What it was read from: `catalog:NAME` or a path.
    pub source: String,
    /// The model.
    pub model: String,
    /// Its parameters.
    pub parameters: u64,
    /// The plan of least loss that keeps every limit; none where no plan was found.
    pub best: Option<Best>,
    /// Whether it is proven that no plan keeps every limit.
    pub impossible: bool,
}

/// The plan of least loss.
///
/// See [`Fit`] for an example.
#[derive(Debug, Clone, Serialize)]
pub struct Best {
    /// What its users see.
    pub summary: Summary,
    /// No plan loses less than this.
    pub loss_bound: f64,
    /// The longest context within the quality floor, or with no more loss than that of the plan
    /// where there is no floor, in tokens; none where time ran out.
    pub context_max: Option<u64>,
    /// Bytes in use on all devices.
    pub memory_bytes: Bytes,
    /// The devices that hold layers, by name, with the bytes in use on each.
    pub devices: Vec<(String, Bytes)>,
}

impl Fit {
    /// Asks for every model, on all cores. A model that cannot be read or priced is an error of its
    /// own. The task's time is that of all models; one that time runs out for is not impossible.
    ///
    /// See [`Fit`] for an example.
    pub fn run(&self, task: &Task<'_>) -> Ranked {
        let began = Instant::now();
        let waiting = self.models.len().div_ceil(rayon::current_num_threads().max(1));
        let one = |name: &String| {
            let left = task.limits.time.map(|time| time.saturating_sub(began.elapsed()));
            // A hard model may take ten times its share.
            let time = left.map(|left| left.min(10 * left / waiting.max(1) as u32));
            let limits = Limits { time, ..task.limits };
            (name.clone(), self.one(name, &Task { limits, ..*task }))
        };
        let results: Vec<_> = self.models.par_iter().map(one).collect();
        let (mut models, mut errors) = (Vec::new(), BTreeMap::new());
        for (name, result) in results {
            match result {
                Ok(model) => models.push(model),
                Err(error) => drop(errors.insert(name, error.to_string())),
            }
        }
        Ranked { models, errors, notes: Vec::new(), workload: self.workload.clone() }
    }

    fn one(&self, name: &str, task: &Task<'_>) -> Result<Fitted, Error> {
        let model = edgeplan_model::load(name)?;
        let fitted = Fitted {
            source: name.to_owned(),
            model: model.name.clone(),
            parameters: model.parameters(),
            best: None,
            impossible: false,
        };
        let session = self.session(name, model, task)?;
        let (outcome, _) = answer(session.deployment(), task, &mut Quiet);
        let Outcome { plan: Some(plan), verdict, .. } = &outcome else {
            let impossible = outcome.verdict == Verdict::Infeasible;
            return Ok(Fitted { impossible, ..fitted });
        };
        if verdict.is_wrong() {
            return Ok(fitted);
        }
        let best = self.best(&session, plan, task)?;
        Ok(Fitted { best, ..fitted })
    }

    /// The question of the plan of least loss of one model.
    fn session(&self, name: &str, model: ModelSpec, task: &Task<'_>) -> Result<Session, Error> {
        let inputs = Inputs {
            names: vec![name.to_owned()],
            models: vec![model],
            cluster: self.cluster.clone(),
            workload: Workload { objective: Goal::Quality, ..self.workload.clone() },
            projector: None,
            workload_file: None,
        };
        Session::new(Origin::Built(Arc::new(inputs)), View::Open)?.resolved(task, &mut Quiet)
    }

    /// More of one model on the machine: as text for a terminal.
    ///
    /// ```
    /// use edgeplan::fit::{Fit, Look};
    /// use edgeplan::{Sources, Task};
    ///
    /// let name = "catalog:tinyllama-1.1b";
    /// let cluster = Sources::cluster(None)?;
    /// let fit = Fit { models: vec![name.into()], cluster, workload: Default::default() };
    /// println!("{}", fit.look(name, &Look::Plan, &Task::default())?);
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// A model that cannot be read or priced, a folder that cannot be written.
    pub fn look(&self, name: &str, look: &Look, task: &Task<'_>) -> Result<String, Error> {
        let session = self.session(name, edgeplan_model::load(name)?, task)?;
        match look {
            Look::Plan => session.plan(task, &mut Quiet).text(&session, None, false),
            Look::Explain => {
                let explained = session.explain(task, &mut Quiet)?;
                Ok(explained.text(&session, task.solver(session.deployment()).name))
            }
            Look::Export { engine, folder } => {
                check_folder(folder)?;
                let (addresses, command) = (&BTreeMap::new(), "edgeplan fit --view");
                let export = Export { engine, plan: None, nearest: false, addresses, command };
                let Some(exported) = session.export(&export, task, &mut Quiet)? else {
                    return Ok(format!("no plan for {}", engine.name));
                };
                write_folder_atomic(folder, &exported.files)?;
                let (remarks, files) = (exported.remarks.join("\n"), exported.names().join(", "));
                Ok(format!("{}: {files}\n\n{remarks}", folder.display()))
            }
        }
    }

    fn best(&self, session: &Session, plan: &Plan, task: &Task<'_>) -> Result<Option<Best>, Error> {
        let Some(summary) = session.summary(plan)?.pop() else { return Ok(None) };
        let deployment = session.deployment();
        let account = deployment.evaluate(plan).account;
        let used = deployment.device_ids().zip(&account.devices);
        let used = used.filter(|(_, bill)| bill.weights.0 > 0);
        let devices: Vec<(String, Bytes)> =
            used.map(|(id, bill)| (deployment.device(id).name.clone(), bill.memory())).collect();
        let context = self.longest(session, task)?;
        let bound = session.sought().map_or(0, |sought| sought.bound);
        Ok(Some(Best {
            loss_bound: bound as f64 / 1e9,
            context_max: context.map(|sought| sought.value),
            memory_bytes: devices.iter().map(|(_, bytes)| *bytes).sum(),
            devices,
            summary,
        }))
    }

    /// The longest context at the quality floor, or at what was found where there is none.
    fn longest(&self, session: &Session, task: &Task<'_>) -> Result<Option<Sought>, Error> {
        let Some(inputs) = session.inputs() else { return Ok(None) };
        let quality = self.workload.quality.clone().filter(|quality| *quality != Quality::Any);
        let quality = quality.or_else(|| inputs.workload.quality.clone());
        let workload =
            Workload { objective: Goal::Context, context: None, quality, ..self.workload.clone() };
        let inputs = Inputs { workload, ..inputs.clone() };
        let session = Session::new(Origin::Built(Arc::new(inputs)), View::Open)?;
        Ok(session.resolved(task, &mut Quiet)?.sought())
    }
}

/// What more is wanted of a model.
///
/// See [`Fit::look`] for an example.
#[derive(Debug, Clone)]
pub enum Look {
    /// The plan of least loss, and its proof.
    Plan,
    /// What binds in it.
    Explain,
    /// Files that run it.
    Export {
        /// What they are for.
        engine: &'static Runtime,
        /// Where they go; a new or empty folder.
        folder: PathBuf,
    },
}

/// What comes first.
///
/// See [`Fit`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The largest models.
    Size,
    /// The fastest.
    Speed,
    /// The least loss.
    Quality,
    /// The longest context.
    Context,
}

impl Order {
    /// Ascending: what comes first has the least. Models without a plan come last.
    fn key(self, model: &Fitted) -> f64 {
        let Some(best) = &model.best else { return f64::INFINITY };
        match self {
            Self::Size => -(model.parameters as f64),
            Self::Speed => -best.summary.decode_tokens_per_s.unwrap_or_default(),
            Self::Quality => best.summary.loss,
            Self::Context => -(best.context_max.unwrap_or_default() as f64),
        }
    }
}

/// Models on a machine, in an order. Field names are stable keys.
///
/// See [`Fit`] for an example.
#[derive(Debug, Serialize)]
pub struct Ranked {
    /// The models that could be asked about.
    pub models: Vec<Fitted>,
    /// Why the others could not, by name.
    pub errors: BTreeMap<String, String>,
    /// What is to be known of the machine.
    pub notes: Vec<String>,
    #[serde(skip)]
    workload: Workload,
}

impl Ranked {
    /// Sorts the models.
    ///
    /// See [`Fit`] for an example.
    pub fn sort(&mut self, order: Order) {
        self.models.sort_by(|a, b| order.key(a).total_cmp(&order.key(b)));
    }

    /// Models with a plan.
    ///
    /// See [`Fit`] for an example.
    pub fn fitting(&self) -> impl Iterator<Item = (&Fitted, &Best)> {
        self.models.iter().filter_map(|model| Some((model, model.best.as_ref()?)))
    }

    /// The first models as a table, and what became of the others.
    ///
    /// See [`Fit`] for an example.
    pub fn text(&self, rows_max: usize) -> String {
        let mut lines = self.notes.clone();
        lines.push(format!(
            "least loss at {} tokens/s or more after {} tokens, and the longest context within the \
             quality floor",
            self.workload.decode_min.unwrap_or_default(),
            self.workload.prompt
        ));
        let mut table = self.table();
        table.rows.truncate(rows_max);
        lines.push(table.to_string());
        lines.push(self.counts(rows_max));
        lines.extend(self.errors.iter().map(|(name, error)| format!("{name}: {error}")));
        lines.join("\n")
    }

    /// The models with a plan, in their order: a row of [`Ranked::fitting`] each.
    ///
    /// See [`Fit`] for an example.
    pub fn table(&self) -> Table {
        let columns =
            ["model", "size>", "tokens/s>", "first token>", "like", "loss>", "context>", "memory>"];
        Table::new(columns).with_rows(self.fitting().map(|(model, best)| {
            let summary = &best.summary;
            [
                model.model.clone(),
                format!("{:.1} B", model.parameters as f64 / 1e9),
                or_dash(summary.rate_cell()),
                summary.first_text(),
                summary.like.unwrap_or("-").to_owned(),
                format!("{:.4}", summary.loss),
                or_dash(best.context_max),
                best.memory_bytes.to_string(),
            ]
        }))
    }

    fn counts(&self, rows_max: usize) -> String {
        let fits = self.fitting().count();
        let impossible = self.models.iter().filter(|model| model.impossible).count();
        let unknown = self.models.len() - fits - impossible;
        let all = self.models.len() + self.errors.len();
        let mut counts = vec![format!("{fits} of {all} models fit")];
        if fits > rows_max {
            counts.push(format!("{rows_max} are shown; --rows 0 shows all"));
        }
        if impossible > 0 {
            counts.push(format!("{impossible} are proven not to"));
        }
        if unknown > 0 {
            counts.push(format!("{unknown} were not decided in time"));
        }
        counts.join(", ")
    }
}

/// The machines of `sources`, or where these name none, this machine as a cluster of its devices;
/// and what is to be known of it.
///
/// ```
/// let (cluster, notes) = edgeplan::fit::machines(&edgeplan::Sources::default())?;
/// println!("{} devices; {}", cluster.devices.len(), notes.join("; "));
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// Those of [`Sources::machines`]: what is detected makes sense.
pub fn machines(sources: &Sources) -> Result<(Cluster, Vec<String>), Error> {
    if !sources.devices.is_empty() || sources.cluster.is_some() {
        return Ok((sources.machines()?, Vec::new()));
    }
    let found = Detected::here();
    let cluster = Cluster::parse("this machine", &found.cluster_toml())?;
    let names: Vec<&str> = cluster.devices.iter().map(|(_, device)| &device.profile[..]).collect();
    let mut notes = vec![format!("this machine: {}, {} of memory", names.join(", "), found.memory)];
    notes.extend(found.notes);
    Ok((cluster, notes))
}

/// The models of the catalog.
///
/// ```
/// assert!(edgeplan::fit::catalog().contains(&"catalog:tinyllama-1.1b".to_owned()));
/// ```
pub fn catalog() -> Vec<String> {
    edgeplan_model::names().iter().map(|name| format!("catalog:{name}")).collect()
}

/// GGUF files, of split ones the first, in a folder; the path itself if it is no folder of them.
///
/// ```
/// assert_eq!(edgeplan::fit::models_in("catalog:tinyllama-1.1b"), ["catalog:tinyllama-1.1b"]);
/// ```
pub fn models_in(path: &str) -> Vec<String> {
    let is_model = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let later = name.contains("-of-") && !name.contains("-00001-of-");
        name.ends_with(".gguf") && !later && !name.starts_with("mmproj")
    };
    let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_model).collect();
    files.sort();
    match files.is_empty() {
        true => vec![path.to_owned()],
        false => files.into_iter().map(|file| file.display().to_string()).collect(),
    }
}
